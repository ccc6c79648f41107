"""Sizes as people write them."""

from __future__ import annotations

import re
from typing import Final

from pairmill.errors import ConfigurationError

_UNITS: Final = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?")


def bytes_of_size(field: str, text: str) -> int:
    """Returns the bytes of a size such as `2GB`, in units of 1024.

    Raises ConfigurationError, naming the field, for anything else.
    """
    found = _SIZE.fullmatch(text.strip().upper())
    size = int(float(found[1]) * _UNITS[found[2]]) if found is not None else 0
    if size <= 0:
        raise ConfigurationError(f"{field}: {text!r} is no size; write it like 2GB or 512MB")
    return size
