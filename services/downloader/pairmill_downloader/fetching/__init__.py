"""Fetching one URL under all rules of consent, politeness and safety."""
