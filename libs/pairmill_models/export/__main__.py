"""Exports a model: `python -m pairmill_models.export`."""

import sys

from pairmill_models.export.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
