"""Runs a planner: `python -m pairmill_planner`."""

import sys

from pairmill.service import exit_code_of
from pairmill_planner.main import main

if __name__ == "__main__":
    sys.exit(exit_code_of(main))
