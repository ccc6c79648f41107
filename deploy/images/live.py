"""Asks a service of this container whether it lives; ends with 0 if so."""

import os
import sys
import urllib.error
import urllib.request


def main() -> int:
    """Returns 0 where `/livez` answers 200, 1 otherwise."""
    url = f"http://127.0.0.1:{os.environ['PAIRMILL_ADMIN_PORT']}/livez"
    try:
        with urllib.request.urlopen(url, timeout=4) as answer:
            return 0 if answer.status == 200 else 1
    except (urllib.error.URLError, OSError):
        return 1


if __name__ == "__main__":
    sys.exit(main())
