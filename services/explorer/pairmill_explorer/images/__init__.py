"""Stored images: read from their tars, decoded and made smaller where nothing can happen."""
