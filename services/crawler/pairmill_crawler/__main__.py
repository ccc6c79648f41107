"""Runs a crawler: `python -m pairmill_crawler`."""

import sys

from pairmill.service import exit_code_of
from pairmill_crawler.main import main

if __name__ == "__main__":
    sys.exit(exit_code_of(main))
