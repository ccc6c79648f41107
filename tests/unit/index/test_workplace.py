"""Folders for scratch files: each its own, and what killed builds left is removed, nothing else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pairmill_index.workplace import workplace


def test_what_was_left_behind_is_removed_and_what_is_held_is_not(tmp_path: Path) -> None:
    with workplace(tmp_path) as held:
        left = held.with_name("index-" + "0" * 16)
        (left / "rows").mkdir(parents=True)
        with workplace(tmp_path) as other:
            assert {*tmp_path.iterdir()} == {held, other}
    assert [*tmp_path.iterdir()] == []


def test_folders_of_others_stay(tmp_path: Path) -> None:
    """The folder may be one for all that is large, such as `/scratch`."""
    others = {tmp_path / "index-backup", tmp_path / "index-2024-01-01"}
    for folder in others:
        folder.mkdir()
    with workplace(tmp_path) as own:
        assert {*tmp_path.iterdir()} == {own, *others}


def test_what_cannot_be_opened_stops_nobody(tmp_path: Path) -> None:
    """Another user's folder is an example; a link to itself is one for root too."""
    closed = tmp_path / ("index-" + "0" * 16)
    closed.symlink_to(closed)
    with workplace(tmp_path) as own:
        assert own.is_dir()


def test_folders_are_made_while_others_sweep(tmp_path: Path) -> None:
    """A folder may be taken for one that was left behind until its maker holds it."""

    def make(number: int) -> bool:
        with workplace(tmp_path) as own:
            (own / "rows").write_text(str(number))
            return (own / "rows").read_text() == str(number)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(make, range(800)))
    assert [*tmp_path.iterdir()] == []
