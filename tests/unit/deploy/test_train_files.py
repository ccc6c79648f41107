"""Which files of `train/` two datasets have alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.train_files import differing_files, tars_in_folder


@pytest.mark.parametrize(
    ("one", "other", "differing"),
    [
        ({"00000.tar": "a"}, {"00000.tar": "a"}, []),
        ({"00000.tar": "a"}, {"00000.tar": "b"}, ["00000.tar"]),
        ({"00000.tar": "a", "00001.tar": "b"}, {"00000.tar": "a"}, ["00001.tar"]),
        ({}, {"00000.tar": "a"}, ["00000.tar"]),
    ],
    ids=["equal", "other-bytes", "one-less", "one-more"],
)
def test_files_that_differ_or_are_missing_are_named(
    one: dict[str, str], other: dict[str, str], differing: list[str]
) -> None:
    assert differing_files(one, other) == differing


def test_the_jobs_name_does_not_count(tmp_path: Path) -> None:
    for job in ("one", "other"):
        (tmp_path / job / "train" / job).mkdir(parents=True)
        (tmp_path / job / "train" / job / "00000.tar").write_bytes(b"equal")
    assert tars_in_folder(tmp_path / "one") == tars_in_folder(tmp_path / "other")
