"""Runs an indexer: `python -m pairmill_indexer`."""

import sys

from pairmill.service import exit_code_of
from pairmill_indexer.main import main

if __name__ == "__main__":
    sys.exit(exit_code_of(main))
