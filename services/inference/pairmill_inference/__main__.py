"""Runs an inference process: `python -m pairmill_inference`."""

import sys

from pairmill.service import exit_code_of
from pairmill_inference.main import main

if __name__ == "__main__":
    sys.exit(exit_code_of(main))
