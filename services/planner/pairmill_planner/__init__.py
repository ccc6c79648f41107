"""The planner of Pairmill."""
