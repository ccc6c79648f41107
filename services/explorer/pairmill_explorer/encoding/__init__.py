"""From what a user types or drops to a vector."""
