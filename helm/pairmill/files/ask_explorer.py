"""Asks the explorer of a release for its datasets; ends with 0 if it answers and says who asks.

The address, a file with a token and a file with authorities come as arguments; no authorities: without TLS.
"""

import json
import ssl
import sys
import urllib.request
from pathlib import Path


def main(address: str, token_file: str, ca_file: str = "") -> int:
    """Prints the datasets."""
    request = urllib.request.Request(
        f"{address}/api/v1/SearchService/ListDatasets",
        data=b"{}",
        headers={
            "Authorization": f"Bearer {Path(token_file).read_text().strip()}",
            "Content-Type": "application/json",
        },
    )
    trusted = ssl.create_default_context(cafile=ca_file or None)
    with urllib.request.urlopen(request, timeout=30, context=trusted) as answer:
        datasets = json.load(answer).get("datasets", [])
    print(f"{address} serves {len(datasets)} datasets")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
