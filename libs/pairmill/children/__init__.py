"""Work on foreign input in child processes, whose death is the evidence against what they held (U13)."""
