"""Exports: what a recipe chose, written as files that can be used without Pairmill."""
