"""The stack from the command line: `python -m deploy.local up|down|status|demo|fetch`."""

import sys

from deploy.local.commandline import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
