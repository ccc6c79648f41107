"""Serves a synthetic web: `python -m pairmill_synthweb --world FOLDER`."""

import sys

from pairmill_synthweb.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
