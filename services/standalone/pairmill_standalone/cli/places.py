"""From what a person writes for a dataset, a folder or an address, to what readers open."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pairmill.config import read_config
from pairmill.errors import ConfigurationError
from pairmill.store.factory import open_store
from pairmill.store.port import ObjectStore
from pairmill.store.settings import S3Config

_S3: Final = "s3://"


def is_address(place: str) -> bool:
    """Whether a text is plainly a place: an `s3://bucket/prefix` address, or a folder that is there."""
    return place.startswith(_S3) or Path(place).is_dir()


@contextmanager
def opened_place(place: str, env: Mapping[str, str] = os.environ) -> Iterator[Path | ObjectStore]:
    """Gives the folder, or the store at an `s3://bucket/prefix` address, open while the context lasts.

    How the endpoint is reached stands in the environment, under the names that services read. Raises
    ConfigurationError where that is wrong, or where there is no such folder.
    """
    if place.startswith(_S3):
        with open_store(place, read_config(S3Config, env, "PAIRMILL_S3__")) as store:
            yield store
        return
    folder = Path(place)
    if not folder.is_dir():
        raise ConfigurationError(f"DIR: {folder}: there is no such folder")
    yield folder
