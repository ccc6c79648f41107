"""The child that decodes images for the report: frames in, frames out, under limits."""

from __future__ import annotations

import io
import resource
import struct
import sys
from typing import BinaryIO, Final

from PIL import Image

SIDE: Final = 224
QUALITY: Final = 74
_MEMORY_BYTES: Final = 1 << 30
_CPU_SECONDS: Final = 50
_MAX_PIXELS: Final = 100_000_000


def main() -> int:
    """Answers each image on stdin with a thumbnail on stdout, empty where it cannot be decoded."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    serve(sys.stdin.buffer, sys.stdout.buffer)
    return 0


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answers frame by frame until the source ends."""
    while len(head := source.read(4)) == 4:
        thumbnail = shrink(source.read(struct.unpack("<I", head)[0]))
        sink.write(struct.pack("<I", len(thumbnail)) + thumbnail)
        sink.flush()


def shrink(data: bytes) -> bytes:
    """Returns a JPEG of at most SIDE pixels a side; empty if the bytes cannot be decoded."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as image:
            if image.width * image.height > _MAX_PIXELS:
                return b""
            image.draft("RGB", (SIDE * 2, SIDE * 2))
            small = image.convert("RGB")
            small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
            sink = io.BytesIO()
            small.save(sink, "JPEG", quality=QUALITY)
            return sink.getvalue()
    except (OSError, ValueError, SyntaxError, MemoryError, Image.DecompressionBombError):
        return b""


if __name__ == "__main__":
    sys.exit(main())
