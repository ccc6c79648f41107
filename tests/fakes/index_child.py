"""A child that builds or adds to an index and is killed before its n-th write: `FOLDER SCRATCH VERB N`."""

from __future__ import annotations

import sys
from pathlib import Path

from pairmill.dataset.reader import Dataset
from pairmill.store.directory import DirectoryStore
from pairmill_index.add import add_samples
from pairmill_index.build import build_index
from pairmill_index.options import BuildOptions
from tests.fakes.dying_store import DyingStore, kill_self


def change_index(folder: str, scratch: str, verb: str, dies_after: str) -> None:
    """Changes the index until it is killed."""
    store = DyingStore(DirectoryStore(Path(folder)), dies_after=int(dies_after), dies=kill_self)
    dataset = Dataset.open(Path(folder))
    if verb == "build":
        build_index(dataset, store, BuildOptions(min_recall=0.5), scratch=Path(scratch))
    else:
        add_samples(dataset, store, scratch=Path(scratch))


if __name__ == "__main__":
    change_index(*sys.argv[1:])
