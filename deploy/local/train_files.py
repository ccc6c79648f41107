"""The files of `train/`, whose bytes are promised (U12)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pairmill.config import read_config
from pairmill.dataset import roles
from pairmill.dataset.reader import Dataset
from pairmill.store.factory import open_store
from pairmill.store.settings import S3Config

_S3: Final = "PAIRMILL_S3__"


def tars_in_folder(folder: Path) -> dict[str, str]:
    """Returns the SHA-256 of every tar by its number; the folder above is named for the job."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("train/*/*.tar")}


def tars_in_bucket(address: str, env: Mapping[str, str]) -> dict[str, str]:
    """Returns the same of a dataset at an address such as s3://bucket/prefix/job."""
    with open_store(address, read_config(S3Config, env, _S3)) as store:
        files = Dataset.open(store).files(roles.TRAIN_SHARD)
        return {Path(file.path).name: hashlib.sha256(store.get(file.path)).hexdigest() for file in files}


def differing_files(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Returns the names whose bytes differ, or that only one has."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
