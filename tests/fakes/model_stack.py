"""Inference and scorer as processes over a bundle, the embedded bus and a directory."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pairmill.bus.port import TopicPartition
from pairmill.bus.sqlite import SqliteBus
from pairmill.bus.topics import create_topics
from pairmill.jobspec.profiles import profile
from pairmill.stage.messages import task_message
from pairmill.store.directory import DirectoryStore
from pairmill.units import LEDGER_TOPIC, new_task
from pairmill_gateway.admission import Admission, admit
from pairmill_models.bundle import Bundle
from pairmill_protos.job.v1.job_pb2 import BundlePin
from pairmill_protos.unit.v1.unit_pb2 import EmbedInput, LedgerRecord, ObjectRef, UnitDone, UnitInput
from tests.fakes.shard import Shard, build_shard, row


def environment(folder: Path, stage: str, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "PAIRMILL_BUS_URL": f"sqlite:///{folder}/bus.db",
        "PAIRMILL_STORE_URL": f"file:///{folder}/out",
        "PAIRMILL_MEMBER": stage,
        "PAIRMILL_SCRATCH": str(folder / "scratch" / stage),
        "PAIRMILL_BUNDLE": str(folder / "bundle"),
        "PAIRMILL_REASON_FILE": str(folder / "reason"),
        "OMP_NUM_THREADS": "1",
        **more,
    }


@contextmanager
def process(stage: str, env: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, "-m", f"pairmill_{stage}"],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


@dataclass(slots=True)
class Stack:
    """A bus and a store with one shard of an admitted job."""

    bus: SqliteBus
    store: DirectoryStore
    admission: Admission
    shard: Shard

    def put(self, key: str, data: bytes, rows: int, role: str) -> ObjectRef:
        info = self.store.put(key, data)
        return ObjectRef(key=key, bytes=info.size_bytes, sha256=info.sha256, rows=rows, role=role)

    def publish_embed_unit(self) -> None:
        rows = len(self.shard.rows)
        task = new_task(
            spec=self.admission.spec_ref,
            job_id=self.admission.spec.job_id,
            unit_id=f"{self.admission.spec.job_id}/w0000/r0000/d00000/e",
            unit_input=UnitInput(
                embed=EmbedInput(
                    shard=self.put("shards/a.tar", self.shard.tar, rows, "shard"),
                    shard_index=self.put("shards/a.parquet", self.shard.index, rows, "shard_index"),
                )
            ),
            rows=rows,
        )
        self.bus.publish([task_message(self.bus, task, self.admission.spec)])

    def wait_for_units(self, count: int, *children: subprocess.Popen[str]) -> list[UnitDone]:
        deadline = time.monotonic() + 60
        pause = threading.Event()
        while True:
            messages = self.bus.read(TopicPartition(LEDGER_TOPIC, 0), start=0, max_records=100)
            records = [LedgerRecord.FromString(message.value) for message in messages]
            assert not [record.failed for record in records if record.HasField("failed")]
            if len(records) >= count:
                return [record.done for record in records]
            assert all(child.poll() is None for child in children), "a process ended"
            assert time.monotonic() < deadline, f"{len(records)} of {count} units ended in time"
            pause.wait(0.05)

    def output(self, done: UnitDone, role: str) -> io.BytesIO:
        (ref,) = [ref for ref in done.outputs.inline if ref.role == role]
        return io.BytesIO(self.store.get(ref.key, sha256=ref.sha256))


@contextmanager
def model_stack(folder: Path, bundle: Bundle, *, rows: int = 9) -> Iterator[Stack]:
    """Gives a bus and a store in a folder with an admitted job and its only shard."""
    spec = profile("everything")
    pin = BundlePin(
        name=bundle.name, revision=bundle.revision, digest=bundle.digest, dimensions=bundle.dimensions
    )
    spec.bundle.CopyFrom(pin)
    admission = admit(spec, ("/wat-0",))
    with SqliteBus(folder / "bus.db") as bus, DirectoryStore(folder / "out") as store:
        create_topics(bus, 2)
        for key, data in admission.objects.items():
            store.put(key, data)
        yield Stack(bus, store, admission, build_shard([row(number) for number in range(rows)]))
