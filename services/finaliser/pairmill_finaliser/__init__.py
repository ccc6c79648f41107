"""The finaliser of Pairmill."""
