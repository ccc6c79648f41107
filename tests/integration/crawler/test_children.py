"""Real child processes that die, hang or swell over a record: it is crashed, all others are read (A7)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pairmill_crawler.adapters.child import ChildSettings
from pairmill_crawler.adapters.detectors import detector_named
from pairmill_crawler.adapters.pool import ChildPool
from pairmill_crawler.adapters.sources import Sources
from pairmill_crawler.config import SourceConfig
from pairmill_crawler.gzip_members import MAGIC
from pairmill_crawler.isolation import crawl_in_children
from pairmill_crawler.ports import Detectors, OpenSource
from tests.fakes.processes import has_ended, wait_until
from tests.fakes.wat_detectors import DeadlyDetectors
from tests.unit.crawler.wats import Crawled, Memory, collect, image, order, page_record, rules, wat_of


def pool_of(
    detectors: Detectors,
    *,
    source: OpenSource | None = None,
    stall_seconds: float = 60.0,
    memory_bytes: int = 4 << 30,
) -> ChildPool:
    settings = ChildSettings(
        open_source=source or Sources(SourceConfig()),
        detectors=detectors,
        stall_seconds=stall_seconds,
        memory_bytes=memory_bytes,
    )
    return ChildPool(settings, idle=2)


def wat_file(folder: Path, *endings: str) -> Path:
    path = folder / "some.warc.wat.gz"
    records = [page_record(image(f"/{n}.jpg", f"picture {n} {end}")) for n, end in enumerate(endings)]
    path.write_bytes(wat_of(*records))
    return path


def crawled(pool: ChildPool, path: Path, detector: str = "deadly") -> tuple[Crawled, int]:
    deaths: list[int] = []
    given = order(wat=str(path), rules=rules(detector=detector))
    return collect(crawl_in_children(given, pool.borrow, lambda: deaths.append(1))), len(deaths)


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    return tmp_path / "calls"


@pytest.fixture
def pool(calls: Path) -> Iterator[ChildPool]:
    with closing(pool_of(DeadlyDetectors(calls))) as lent:
        yield lent


@pytest.mark.faults
@pytest.mark.parametrize("end", ["kill", "leave", "swell"])
def test_a7_a_record_that_ends_its_child_twice_is_crashed(
    pool: ChildPool, tmp_path: Path, calls: Path, end: str
) -> None:
    found, deaths = crawled(pool, wat_file(tmp_path, "fine", "good", end, "well", "ok"))
    assert [row["link_index"] for row in found.rows] == [0, 0, 0, 0]
    assert [row["text"].split()[-1] for row in found.rows] == ["fine", "good", "well", "ok"]
    assert found.counts == {"crashed": 1}
    assert deaths == 2
    killed = [line.split()[0] for line in calls.read_text().splitlines() if line.endswith(end)]
    assert len(set(killed)) == 2


@pytest.mark.faults
def test_a7_a_record_on_which_a_child_does_not_get_on_is_crashed(tmp_path: Path, calls: Path) -> None:
    with closing(pool_of(DeadlyDetectors(calls), stall_seconds=4.0)) as pool:
        found, deaths = crawled(pool, wat_file(tmp_path, "fine", "hang", "well"))
    assert (len(found.rows), found.counts, deaths) == (2, {"crashed": 1}, 2)


@pytest.mark.faults
def test_a7_a_long_search_for_the_next_record_is_no_standstill() -> None:
    first, second = (wat_of(page_record(image(f"/{n}.jpg", f"picture {n}"))) for n in range(2))
    data = first + (MAGIC + bytes(7)) * 1_200_000 + second
    with closing(pool_of(detector_named, source=Memory(data, chunk=10_000), stall_seconds=2.0)) as pool:
        found, deaths = crawled(pool, Path("some.wat.gz"), "none")
    assert (len(found.rows), found.counts, deaths) == (2, {"corrupt_gzip": 1}, 0)


@pytest.mark.faults
def test_a7_a_child_that_dies_over_half_an_answer_is_replaced(
    pool: ChildPool, tmp_path: Path, calls: Path
) -> None:
    path = wat_file(tmp_path, "fine", f"{'long ' * 100_000} expire", "well")
    given = order(wat=str(path), careful=True, rules=rules(detector="deadly"))
    deaths: list[int] = []
    with closing(crawl_in_children(given, pool.borrow, lambda: deaths.append(1))) as blocks:
        first = next(block for block in blocks if block is not None)
        wait_until(lambda: has_ended(int(calls.read_text().split()[0])))  # its pipe is full by then
        found = collect([first, *blocks])
    assert [row["text"].split()[-1] for row in found.rows] == ["fine", "expire", "well"]
    assert (found.counts, len(deaths)) == ({}, 1)


def test_a_bug_is_raised_here_and_the_child_serves_on(pool: ChildPool, tmp_path: Path, calls: Path) -> None:
    with pytest.raises(RuntimeError, match="KeyError"):
        crawled(pool, wat_file(tmp_path, "bug"))
    found, deaths = crawled(pool, wat_file(tmp_path, "fine"))
    assert (len(found.rows), deaths) == (1, 0)
    assert len({line.split()[0] for line in calls.read_text().splitlines()}) == 1


def test_a_crawl_that_is_left_leaves_no_child_behind(pool: ChildPool, tmp_path: Path) -> None:
    path = wat_file(tmp_path, "fine", "hang")
    with closing(crawl_in_children(order(wat=str(path), careful=True), pool.borrow, lambda: None)) as blocks:
        assert next(block for block in blocks if block is not None).table.num_rows == 1
        with pool.borrow() as other:
            child = other
    assert child.is_usable
    started = time.monotonic()
    pool.close()
    assert time.monotonic() - started < 20
    assert not child.is_usable


def test_missing_files_are_a_result(tmp_path: Path) -> None:
    with closing(pool_of(detector_named)) as pool:
        for path in (tmp_path / "none.wat.gz", tmp_path, Path("/proc/self/mem/x"), Path("a\x00b")):
            found, _ = crawled(pool, path, "cld2")
            assert found.counts == {"source_missing": 1}
