"""Drives a job: `python -m pairmill_gateway`."""

import sys

from pairmill.service import exit_code_of
from pairmill_gateway.main import main

if __name__ == "__main__":
    sys.exit(exit_code_of(main))
