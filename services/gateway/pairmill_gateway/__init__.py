"""The gateway of Pairmill."""
