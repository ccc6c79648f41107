"""Which WATs of a crawl to take: some of its published list, the same ones for the same seed."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import urllib.error
import urllib.request
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urljoin

from pairmill.errors import ConfigurationError

WAT_BASE: Final = "https://data.commoncrawl.org/"
"""Where Common Crawl's lists and files lie."""

_TIMEOUT_SECONDS: Final = 30.0
_MAX_BYTES: Final = 64 * 2**20
_GZIP: Final = b"\x1f\x8b"


def wats_of_crawl(crawl: str, count: int, seed: int, *, paths: str = "", base: str = WAT_BASE) -> list[str]:
    """Returns `count` WATs of a crawl, drawn by seed, in the order of its list.

    The list is a file or http(s) address with one path a line, gzipped or not; by default the one that
    Common Crawl publishes. Raises ConfigurationError if it cannot be had or holds fewer.
    """
    if not crawl and not paths:
        raise ConfigurationError("--wat-count: name the crawl with --crawl, or its list with --paths")
    source = paths or urljoin(base, f"crawl-data/{crawl}/wat.paths.gz")
    listed = [line.strip() for line in _read(source).splitlines() if line.strip()]
    if not 1 <= count <= len(listed):
        raise ConfigurationError(
            f"--wat-count: {count} is not from 1 to {len(listed):,}, the number in {source}"
        )
    return [_resolved(path, base) for path in draw(listed, count, seed)]


def draw(paths: Sequence[str], count: int, seed: int) -> list[str]:
    """Returns the `count` paths with the smallest hashes of seed and path, in their order.

    A larger count only adds paths to those of a smaller one.
    """
    ranked = sorted(range(len(paths)), key=lambda place: (_hash(seed, paths[place]), place))
    return [paths[place] for place in sorted(ranked[:count])]


def _hash(seed: int, path: str) -> bytes:
    return hashlib.blake2b(f"{seed}\n{path}".encode(), digest_size=16).digest()


def _resolved(path: str, base: str) -> str:
    if "://" in path:
        return path
    return urljoin(base, path) if "://" in base else str(Path(base) / path)


def _read(source: str) -> str:
    try:
        data = _fetch(source) if "://" in source else Path(source).read_bytes()
        if data.startswith(_GZIP):
            data = gzip.decompress(data)
        return data.decode()
    except urllib.error.HTTPError as error:
        why = f"{error.code} {error.reason}"
    except urllib.error.URLError as error:
        why = str(error.reason)
    except OSError as error:
        why = error.strerror or str(error)
    except (http.client.HTTPException, UnicodeDecodeError, EOFError, zlib.error, ValueError) as error:
        why = str(error)
    raise ConfigurationError(
        f"--crawl: the list {source} cannot be had ({why}); name another one with --paths FILE_OR_URL"
    )


def _fetch(url: str) -> bytes:
    if not url.startswith(("http://", "https://")):
        raise ValueError("neither a path nor an http(s) URL")
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:
        data: bytes = answer.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise ValueError(f"larger than {_MAX_BYTES:,} bytes")
    return data
