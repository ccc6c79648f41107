"""The downloader of Pairmill."""
