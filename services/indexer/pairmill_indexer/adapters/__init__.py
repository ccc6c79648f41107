"""The outside things that an indexer works with."""
