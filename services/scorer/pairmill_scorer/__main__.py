"""Runs a scorer: `python -m pairmill_scorer`."""

import sys

from pairmill.service import exit_code_of
from pairmill_scorer.main import main

if __name__ == "__main__":
    sys.exit(exit_code_of(main))
