"""Inference and scorer as processes over a bundle, the embedded bus and a directory."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pairmill.bus.port import TopicPartition
from pairmill.bus.sqlite import SqliteBus
from pairmill.bus.topics import create_topics
from pairmill.jobspec.profiles import profile
from pairmill.stage.messages import task_message
from pairmill.store.directory import DirectoryStore
from pairmill.units import LEDGER_TOPIC, new_task
from pairmill_gateway.admission import Admission, admit
from pairmill_models.bundle import Bundle
from pairmill_models.heads import OnnxHeads
from pairmill_models.onnx_embedder import OnnxEmbedder
from pairmill_protos.job.v1.job_pb2 import BundlePin
from pairmill_protos.unit.v1.unit_pb2 import EmbedInput, LedgerRecord, ObjectRef, UnitDone, UnitInput
from tests.fakes.onnx_bundle import random_bundle
from tests.fakes.shard import Shard, build_shard, row

STAGES = ("inference", "scorer")


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return random_bundle(tmp_path / "bundle")


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


@pytest.fixture
def stack(tmp_path: Path, bundle: Bundle) -> Iterator[Stack]:
    spec = profile("everything")
    pin = BundlePin(
        name=bundle.name, revision=bundle.revision, digest=bundle.digest, dimensions=bundle.dimensions
    )
    spec.bundle.CopyFrom(pin)
    admission = admit(spec, ("/wat-0",))
    with SqliteBus(tmp_path / "bus.db") as bus, DirectoryStore(tmp_path / "out") as store:
        create_topics(bus, 2)
        for key, data in admission.objects.items():
            store.put(key, data)
        yield Stack(bus, store, admission, build_shard([row(number) for number in range(9)]))


def test_a_shard_becomes_embeddings_and_scores(tmp_path: Path, stack: Stack, bundle: Bundle) -> None:
    stack.publish_embed_unit()
    with ExitStack() as running:
        children = [running.enter_context(process(stage, environment(tmp_path, stage))) for stage in STAGES]
        embedded, scored = stack.wait_for_units(2, *children)
        for child in children:
            child.send_signal(signal.SIGTERM)
        assert [child.wait(30) for child in children] == [0, 0]
    images = np.load(stack.output(embedded, "image_embeddings"))
    texts = np.load(stack.output(embedded, "text_embeddings"))
    metadata = pq.read_table(stack.output(embedded, "embedding_metadata"))
    assert set(metadata["model_version"].to_pylist()) == {bundle.model_version}
    captions = [str(caption) for caption in metadata["caption"].to_pylist()]
    wanted = OnnxEmbedder(bundle).embed_texts(captions)
    assert np.allclose(texts, wanted, atol=1e-3)
    scores = pq.read_table(stack.output(scored, "scores"))
    order = np.argsort(metadata["sample_id"].to_numpy())
    rows = images.astype(np.float32)[order], texts.astype(np.float32)[order]
    for name, values in OnnxHeads(bundle).score(*rows).items():
        assert np.allclose(scores[name].to_numpy(), values, atol=1e-5)
    assert scores.num_rows == 9


@pytest.mark.parametrize("stage", STAGES)
def test_a_flipped_byte_in_the_bundle_ends_with_2(tmp_path: Path, bundle: Bundle, stage: str) -> None:
    path = bundle.folder / "text.onnx"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with process(stage, environment(tmp_path, stage)) as child:
        _, errors = child.communicate(timeout=60)
    assert child.returncode == 2
    assert "text.onnx has" in errors
    assert "copy or export the bundle again" in errors
    assert "text.onnx has" in (tmp_path / "reason").read_text()


@pytest.mark.parametrize("stage", STAGES)
def test_what_is_missing_in_the_environment_is_named(tmp_path: Path, stage: str) -> None:
    env = environment(tmp_path, stage)
    del env["PAIRMILL_BUNDLE"], env["PAIRMILL_MEMBER"]
    with process(stage, env) as child:
        _, errors = child.communicate(timeout=60)
    assert child.returncode == 2
    assert "PAIRMILL_BUNDLE" in errors
    assert "PAIRMILL_MEMBER" in errors
