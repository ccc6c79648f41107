"""The crawler as a process over the embedded bus and a directory."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
from prometheus_client import CollectorRegistry

from pairmill.bus.port import TopicPartition
from pairmill.bus.sqlite import SqliteBus
from pairmill.bus.topics import create_topics
from pairmill.jobspec.profiles import profile
from pairmill.ledger.root import JobRoot
from pairmill.stage.messages import task_message
from pairmill.store.directory import DirectoryStore
from pairmill.units import LEDGER_TOPIC
from pairmill_crawler.adapters.detectors import detector_named
from pairmill_crawler.adapters.pool import new_pool
from pairmill_crawler.config import CrawlerConfig
from pairmill_crawler.handler import CrawlHandler
from pairmill_crawler.metrics import CrawlerMetrics
from pairmill_gateway.admission import admit
from pairmill_protos.job.v1.job_pb2 import BundlePin
from pairmill_protos.unit.v1.unit_pb2 import LedgerRecord
from tests.unit.crawler.wats import image, page_record, wat_of

DEADLINE_SECONDS = 90.0


def environment(folder: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PAIRMILL_")}
    return clean | {
        "PAIRMILL_BUS_URL": f"sqlite:///{folder}/bus.db",
        "PAIRMILL_STORE_URL": f"file:///{folder}/out",
        "PAIRMILL_MEMBER": "crawler",
        "PAIRMILL_SCRATCH": str(folder / "scratch"),
    }


@contextmanager
def crawler(env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "pairmill_crawler"],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_tasks_become_candidate_files_and_records_in_the_ledger(tmp_path: Path) -> None:
    wat = tmp_path / "some.warc.wat.gz"
    wat.write_bytes(wat_of(page_record(image("/a.jpg", "a picture of a house"), image("/b.jpg", ""))))
    spec = profile("everything")
    spec.bundle.CopyFrom(BundlePin(name="none", revision="1", digest="0" * 64, dimensions=8))
    wats = (str(wat), str(tmp_path / "none.wat.gz"))
    admission = admit(spec, wats)
    with SqliteBus(tmp_path / "bus.db") as bus, DirectoryStore(tmp_path / "out") as store:
        create_topics(bus, 2)
        for key, data in admission.objects.items():
            store.put(key, data)
        root = JobRoot(spec=admission.spec, spec_ref=admission.spec_ref, wats=wats)
        bus.publish([task_message(bus, task, admission.spec) for task in root.crawl_tasks(0)])
        with crawler(environment(tmp_path)) as process:
            records = _ledger(bus, 2, process)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        done = {record.done.unit_id.rpartition("/")[2]: record.done for record in records}
        counts = {name: sorted((c.reason, c.rows) for c in unit.counts) for name, unit in done.items()}
        assert counts == {"c000000": [(0, 1), (21, 1)], "c000001": [(10, 1)]}
        (ref,) = [ref for ref in done["c000000"].outputs.inline if ref.role == "candidates"]
        rows = pq.read_table(io.BytesIO(store.get(ref.key, sha256=ref.sha256))).to_pylist()
        assert [(row["url"], row["text"]) for row in rows] == [
            ("http://www.page.test/a.jpg", "a picture of a house")
        ]


def test_the_known_good_wat_is_read_again_and_again() -> None:
    config = CrawlerConfig()
    handler = CrawlHandler(config, new_pool(config, detector_named), CrawlerMetrics(CollectorRegistry()))
    try:
        handler.self_test()
        handler.self_test()
    finally:
        handler.close()


def test_a_process_without_its_settings_names_them_and_ends(tmp_path: Path) -> None:
    env = environment(tmp_path)
    del env["PAIRMILL_BUS_URL"]
    with crawler(env) as process:
        _, errors = process.communicate(timeout=DEADLINE_SECONDS)
        assert process.returncode == 2
    assert "PAIRMILL_BUS_URL" in errors


def _ledger(bus: SqliteBus, count: int, process: subprocess.Popen[str]) -> list[LedgerRecord]:
    """Waits for so many records."""
    deadline, pause = time.monotonic() + DEADLINE_SECONDS, threading.Event()
    while True:
        messages = bus.read(TopicPartition(LEDGER_TOPIC, 0), start=0, max_records=100)
        if len(messages) >= count:
            return [LedgerRecord.FromString(message.value) for message in messages]
        assert process.poll() is None, "the process ended"
        assert time.monotonic() < deadline, f"{len(messages)} of {count} units ended in time"
        pause.wait(0.05)
