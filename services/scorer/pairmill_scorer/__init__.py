"""The scorer of Pairmill."""
