"""The benchmark of several downloaders, with a load that is done at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.errors import MissingToolError
from tests.bench import downloaders
from tests.bench.download_tasks import Load
from tests.fakes.provided import lacking

LOAD = Load(partitions=4, units_per_partition=2, rows=12, rows_per_host=3, pictures=2)


@pytest.mark.long
def test_several_downloaders_are_measured_with_even_shares(tmp_path: Path) -> None:
    try:
        columns = downloaders.compare(tmp_path, LOAD, 1, members=(1, 2))
    except MissingToolError as error:
        lacking(error.what, error.remedy)
    assert [column.label for column in columns] == ["1 downloader", "2 downloaders"]
    (one,), (two,) = (column.samples for column in columns)
    assert (one[downloaders.LEAST], one[downloaders.MOST]) == (8, 8)
    assert (two[downloaders.LEAST], two[downloaders.MOST]) == (4, 4)
    assert one[downloaders.LINEAR] == 1
    for sample in (one, two):
        assert 0 < sample[downloaders.ADMITTED] < 1
        assert 0 < sample[downloaders.PLACES] < 1
        assert 0 < sample[downloaders.CORES] < sample[downloaders.BUSY]
