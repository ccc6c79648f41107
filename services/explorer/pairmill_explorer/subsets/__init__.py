"""Subsets: recipes, what they choose of a dataset, and exports of it."""
