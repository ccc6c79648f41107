"""CPU time with children, and room for private files."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from pairmill.telemetry.cpu import CpuCollector, descendants, own_seconds, seconds_of
from pairmill.telemetry.disk import show_scratch
from tests.fakes.processes import wait_until

CPU: str = "pairmill_cpu_seconds_total"


def test_cpu_time_never_falls() -> None:
    spent = iter([3.0, 2.5, 4.0])
    registry = CollectorRegistry()
    registry.register(CpuCollector(lambda: next(spent)))
    assert [registry.get_sample_value(CPU) for _ in range(3)] == [3.0, 3.0, 4.0]


def test_a_process_counts_at_least_its_own_time() -> None:
    registry = CollectorRegistry()
    registry.register(CpuCollector())
    before = own_seconds()
    assert (registry.get_sample_value(CPU) or 0) >= before > 0


@pytest.mark.skipif(
    not Path(f"/proc/self/task/{os.getpid()}/children").exists(), reason="the system does not list children"
)
def test_a_process_counts_the_time_of_a_child_that_is_at_work() -> None:
    registry = CollectorRegistry()
    registry.register(CpuCollector())
    with subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) as child:
        try:
            wait_until(lambda: (registry.get_sample_value(CPU) or 0) - own_seconds() > 0.1)
        finally:
            child.kill()


def test_children_of_children_are_found_and_their_times_read(tmp_path: Path) -> None:
    for pid, thread, children in (
        (1, 1, "2"),
        (1, 7, "3 4"),
        (3, 3, "5"),
        (2, 2, ""),
        (4, 4, ""),
        (5, 5, ""),
    ):
        listing = tmp_path / str(pid) / "task" / str(thread) / "children"
        listing.parent.mkdir(parents=True)
        listing.write_text(children)
    ticks = os.sysconf("SC_CLK_TCK")
    fields = ["S", *["0"] * 10, str(ticks), str(2 * ticks), str(4 * ticks), str(8 * ticks), "0"]
    (tmp_path / "3" / "stat").write_text(f"3 (a (name) b) {' '.join(fields)}")
    assert sorted(descendants(1, tmp_path)) == [2, 3, 4, 5]
    assert seconds_of(3, tmp_path) == 15.0
    assert seconds_of(99, tmp_path) == 0.0


def test_scratch_shows_the_room_of_its_file_system_even_before_it_is_there(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    show_scratch(registry, tmp_path / "not" / "yet")
    size = registry.get_sample_value("pairmill_scratch_size_bytes")
    free = registry.get_sample_value("pairmill_scratch_free_bytes")
    assert size is not None
    assert free is not None
    assert not math.isnan(free)
    assert 0 < free <= size
    assert size == pytest.approx(os.statvfs(tmp_path).f_frsize * os.statvfs(tmp_path).f_blocks)
