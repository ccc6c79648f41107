"""The benchmark of whole runs, over the small web that all whole runs share."""

from __future__ import annotations

from pathlib import Path

from pairmill_standalone.run_options import STAGES
from pairmill_synthweb.prepare import PreparedWorld
from tests.bench import whole_run


def test_a_whole_run_is_measured_with_all_its_services(prepared: PreparedWorld, tmp_path: Path) -> None:
    sample = whole_run.measure(prepared, tmp_path / "out")
    by_name = {figure.name: value for figure, value in sample.items()}
    for service in ("supervisor", "gateway", *STAGES):
        assert by_name[f"CPU time: {service}"] > 0
        assert by_name[f"peak with mapped files: {service}"] >= by_name[f"peak memory: {service}"] > 0
    for stage in STAGES:
        assert 0 < by_name[f"bus and ledger: loop of the {stage}"] < by_name[f"CPU time: {stage}"]
    seen = sum(value for name, value in by_name.items() if name.startswith("CPU time: "))
    assert 0 < seen <= sample[whole_run.CPU]
    assert 0 < sample[whole_run.STAGES] < sample[whole_run.CPU]
    assert 0 < sample[whole_run.GATEWAY_START] < sample[whole_run.GATEWAY]
    assert 0 < sample[whole_run.PROTOCOL_SHARE] < sample[whole_run.WHOLE_SHARE] < 100
