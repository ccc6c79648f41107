"""A job's spec: profiles of defaults, single settings by name, and validation."""
