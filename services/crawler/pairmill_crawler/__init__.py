"""The crawler of Pairmill."""
