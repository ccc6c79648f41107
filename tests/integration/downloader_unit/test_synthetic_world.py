"""All candidates of a synthetic web, through all rounds, end as its truth says (U9)."""

from __future__ import annotations

from collections import Counter, deque
from pathlib import Path
from typing import Any

import pytest

from pairmill.clock import SystemClock
from pairmill.config import read_config
from pairmill.ids import sample_id, to_hex
from pairmill.store.directory import DirectoryStore
from pairmill_downloader.adapters.decoders import DecoderPool
from pairmill_downloader.adapters.network import open_network
from pairmill_downloader.config import DownloaderConfig
from pairmill_downloader.engine import Engine
from pairmill_downloader.handler import DownloadHandler, DownloadParts
from pairmill_protos.common.v1.outcome_pb2 import Outcome
from pairmill_protos.unit.v1.unit_pb2 import Stage, UnitTask
from pairmill_synthweb.files import PictureFiles
from pairmill_synthweb.rules import demo_spec
from pairmill_synthweb.web import SyntheticWeb
from tests.fakes import download as fake
from tests.fakes.painter import FakePainter
from tests.unit.synthweb.worlds import world


@pytest.mark.slow
def test_every_candidate_ends_once_and_as_the_truth_says(tmp_path: Path) -> None:
    made = world()
    store = DirectoryStore(tmp_path / "store")
    rows = [fake.row(one.url, one.text) for one in made.candidates]
    expected = {
        to_hex(sample_id(one.url, one.text)): one.reason if one.stage == "download" else ""
        for one in made.candidates
    }
    with SyntheticWeb(made, PictureFiles(made.seed, made.redraws, FakePainter())) as web:
        config = read_config(DownloaderConfig, web.downloader_env | {"PAIRMILL_DECODE_PROCESSES": "2"})
        ended, planned = _run_all(config, store, rows, tmp_path)
        assert web.journal.violations() == []
    assert planned == len(expected)
    assert len(ended) == len({row["key"] for row in ended}) == len(expected)
    wrong = [
        (row["url"], expected[row["key"]], row["reason"], row["detail"])
        for row in ended
        if row["reason"] != expected[row["key"]]
    ]
    assert wrong == []


def _run_all(
    config: DownloaderConfig, store: DirectoryStore, rows: list[dict[str, Any]], folder: Path
) -> tuple[list[dict[str, Any]], int]:
    """Works on a unit and all download units that follow; returns the rows of all indexes."""
    clock = SystemClock()
    pool = DecoderPool(processes=config.decode_processes, memory_bytes=config.decode_memory_bytes)
    handler = DownloadHandler(
        DownloadParts(
            engine=Engine(lambda: open_network(config, clock, partitions=1)),
            examiner=pool,
            observer=fake.CountingObserver(),
            clock=clock,
            check_examiner=lambda: None,
        )
    )
    ended: list[dict[str, Any]] = []
    outcomes: Counter[Outcome.ValueType] = Counter()
    queue: deque[UnitTask] = deque([fake.download_task(fake.stored_rows(store, [rows]))])
    try:
        while queue:
            task = queue.popleft()
            result = handler.handle(fake.context(task, demo_spec(), store, folder / f"s{len(ended)}"))
            ended += fake.index_of(result, store)
            for (outcome, _), count in result.tally.items():
                outcomes[outcome] += count
            queue.extend(one for one in result.follow_ups if one.stage == Stage.STAGE_DOWNLOAD)
    finally:
        handler.close()
    return ended, outcomes[Outcome.OUTCOME_PASSED] + outcomes[Outcome.OUTCOME_FAILED]
