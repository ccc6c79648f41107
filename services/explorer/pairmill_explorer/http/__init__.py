"""The explorer over HTTP: its services as JSON, images, the page, and clip-retrieval's protocol."""
