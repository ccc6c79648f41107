"""Runs a finaliser: `python -m pairmill_finaliser`."""

import sys

from pairmill.service import exit_code_of
from pairmill_finaliser.main import main

if __name__ == "__main__":
    sys.exit(exit_code_of(main))
