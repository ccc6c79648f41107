"""A child that dies over some inputs, as decoders do."""

from __future__ import annotations

import os
import struct
import sys


def main() -> None:
    """Echoes frames until one says die."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while len(head := source.read(4)) == 4:
        data = source.read(struct.unpack("<I", head)[0])
        if data == b"die":
            os.abort()
        sink.write(struct.pack("<I", len(data)) + data)
        sink.flush()


if __name__ == "__main__":
    main()
