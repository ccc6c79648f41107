"""Searching an index: conditions, masks, nearest neighbours, pages, counts."""
