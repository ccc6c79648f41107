"""Both oracles for a dataset in the bucket: its books close, and it is the undisturbed one (U0, U12)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pairmill.config import read_config
from pairmill.dataset import roles
from pairmill.dataset.reader import Dataset
from pairmill.store.factory import open_store
from pairmill.store.settings import S3Config
from tests.e2e.command import pairmill
from tests.e2e.runs import CANDIDATES, train_digests
from tests.e2e.stack.rig import Rig

_S3: Final = "PAIRMILL_S3__"


def assert_books_close(rig: Rig, job: str) -> None:
    """Asserts conservation: `pairmill audit` recounts the funnel from the data."""
    audit = pairmill("audit", rig.dataset(job), env=rig.env)
    assert audit.code == 0, audit.out + audit.err


def assert_same_dataset(rig: Rig, undisturbed: Path, job: str) -> None:
    """Asserts both oracles, and equal bytes of `train/`."""
    assert_books_close(rig, job)
    diff = pairmill("diff", undisturbed, rig.dataset(job), env=rig.env)
    assert diff.code == 0, diff.out + diff.err
    assert list(bucket_train_digests(rig, job).values()) == list(train_digests(undisturbed).values())


def assert_same_samples(rig: Rig, undisturbed: Path, job: str) -> None:
    """Asserts both oracles of a later version, whose funnel is its own: it crawled nothing (U16)."""
    assert_books_close(rig, job)
    facts = pairmill("diff", undisturbed, rig.dataset(job), "--json", env=rig.env).json()
    assert (facts["only_in_a"], facts["only_in_b"], facts["columns"]) == (0, 0, {}), facts
    assert list(bucket_train_digests(rig, job).values()) == list(train_digests(undisturbed).values())


def assert_undisturbed(
    rig: Rig, undisturbed: Path, key: str, disturb: Callable[[], object], *, after: int = CANDIDATES // 8
) -> None:
    """Runs a job, disturbs it once so many candidates were downloaded, and asserts both oracles."""
    job = rig.submit(key)
    rig.wait_for_candidates(job, after)
    disturb()
    rig.wait_end(job)
    assert_same_dataset(rig, undisturbed, job)


def bucket_train_digests(rig: Rig, job: str) -> dict[str, str]:
    """Returns the SHA-256 of every tar of `train/` by its path, read from the bucket."""
    with open_store(rig.dataset(job), read_config(S3Config, rig.env, _S3)) as store:
        files = Dataset.open(store).files(roles.TRAIN_SHARD)
        return {
            entry.path: hashlib.sha256(store.get(entry.path)).hexdigest()
            for entry in sorted(files, key=lambda entry: entry.path)
        }
