"""A synthetic web with a known truth, for the demo and the tests."""
