"""Arrays that grow by blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pairmill_inference.npy import HalfRows


def test_numpy_reads_what_was_appended(tmp_path: Path) -> None:
    blocks = [np.arange(size * 3, dtype="<f2").reshape(size, 3) for size in (2, 0, 5)]
    with HalfRows(tmp_path / "rows.npy", 3) as file:
        for block in blocks:
            file.append(block)
        assert file.rows == 7
    found = np.load(tmp_path / "rows.npy", mmap_mode="r", allow_pickle=False)
    assert found.dtype.str == "<f2"
    assert np.array_equal(found, np.concatenate(blocks))


def test_the_header_is_aligned_like_numpys_own(tmp_path: Path) -> None:
    with HalfRows(tmp_path / "rows.npy", 512) as file:
        file.append(np.zeros((1, 512), dtype="<f2"))
    data = (tmp_path / "rows.npy").read_bytes()
    assert len(data) == 128 + 1024
    assert data[127:128] == b"\n"


def test_a_file_without_rows_is_an_empty_array(tmp_path: Path) -> None:
    with HalfRows(tmp_path / "rows.npy", 4):
        pass
    assert np.load(tmp_path / "rows.npy").shape == (0, 4)


@pytest.mark.parametrize("shape", [(2, 5), (4,), (1, 2, 2)])
def test_rows_of_another_width_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with HalfRows(tmp_path / "rows.npy", 4) as file, pytest.raises(ValueError, match="4 numbers"):
        file.append(np.zeros(shape, dtype="<f2"))
