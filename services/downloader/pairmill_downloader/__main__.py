"""Runs a downloader: `python -m pairmill_downloader`."""

import sys

from pairmill.service import exit_code_of
from pairmill_downloader.main import main

if __name__ == "__main__":
    sys.exit(exit_code_of(main))
