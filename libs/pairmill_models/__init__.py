"""CLIP models and their heads: bundles, embedders, and the tool that exports them."""
