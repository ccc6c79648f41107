"""From candidates to download units: what the planner and a repair have in common (U8, U16)."""
