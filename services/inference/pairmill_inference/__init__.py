"""The inference of Pairmill."""
