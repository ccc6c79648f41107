"""What a download unit leaves: a tar of images and texts, an index of all rows, totals."""
