"""Adapters of the crawler: sources, detectors, child processes."""
