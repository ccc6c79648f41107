"""What a synthetic web remembers over restarts."""

from __future__ import annotations

from pathlib import Path

from pairmill_synthweb.serving.failures import FailureCounts


def test_counts_survive_a_restart(tmp_path: Path) -> None:
    with FailureCounts(tmp_path / "counts") as counts:
        for number in (5, 7, 5):
            counts.add(number)
    with FailureCounts(tmp_path / "counts") as again:
        assert [again.of(number) for number in (5, 7, 9)] == [2, 1, 0]


def test_a_kill_between_two_lines_loses_nothing_that_was_counted(tmp_path: Path) -> None:
    killed = FailureCounts(tmp_path / "counts")
    killed.add(3)
    with FailureCounts(tmp_path / "counts") as again:
        assert again.of(3) == 1
    killed.close()


def test_a_line_that_was_cut_off_does_not_count_and_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "counts"
    path.write_bytes(b"3\n12")
    with FailureCounts(path) as counts:
        assert counts.of(12) == counts.of(1) == 0
        counts.add(4)
    assert path.read_bytes() == b"3\n4\n"


def test_without_a_file_counts_live_in_memory() -> None:
    with FailureCounts() as counts:
        counts.add(1)
        assert counts.of(1) == 1
