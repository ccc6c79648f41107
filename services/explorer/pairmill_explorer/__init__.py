"""Searches datasets, shows their samples, cuts subsets."""
