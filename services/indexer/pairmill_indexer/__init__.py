"""Builds index versions from finished datasets."""
