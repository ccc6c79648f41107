"""The datasets that are served: what is open of each, and what it says of its samples."""
