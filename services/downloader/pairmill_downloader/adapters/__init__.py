"""What the downloader speaks to outside, one module each."""
