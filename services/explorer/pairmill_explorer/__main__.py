"""Runs an explorer: `python -m pairmill_explorer`."""

import sys

from pairmill.service import exit_code_of
from pairmill_explorer.main import main

if __name__ == "__main__":
    sys.exit(exit_code_of(main))
