"""Small sets of scored samples, runs of the finalisation over them, and the same made in the plain way."""

from __future__ import annotations

import hashlib
import io
import random
import tarfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mmh3
import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.ids import sample_id, url_id
from pairmill.ledger.finalisation import PhasePlan, next_phase
from pairmill.ledger.phases import Phase, choices_of
from pairmill.schemas import SCORED
from pairmill.stage.port import UnitResult
from pairmill.units import reference_list
from pairmill_finaliser.config import FinaliserConfig
from pairmill_finaliser.handler import FinaliseHandler
from pairmill_protos.job.v1.job_pb2 import FinaliseRules, JobSpec, ScoreRules
from pairmill_protos.unit.v1.unit_pb2 import FinalisePhase, ObjectRef, References, Stage, UnitDone, UnitTask
from tests.unit.arrays.memory_store import MemoryStore, new_context

Row = dict[str, Any]
SPEC_REF = ObjectRef(key="spec")
MINIMUM = 0.25


def job(*, base_kind: str = "", **rules: Any) -> JobSpec:
    """Returns a spec with small partitions and all choices."""
    finalise: dict[str, Any] = {
        "max_hash_distance": 3,
        "choose_by_cluster": True,
        "choose_by_url": True,
        "max_per_domain": 7,
        "train_shard_samples": 5,
        "scatter_block": 3,
        "partition_rows": 30,
        "band_cap": 1000,
    }
    spec = JobSpec(
        job_id="j1",
        finalise=FinaliseRules(**(finalise | rules)),
        score=ScoreRules(min_similarity={"*": MINIMUM}, max_unsafe_score=0.8),
    )
    spec.base.kind = base_kind
    return spec


def sample(source: random.Random, number: int) -> Row:
    """Returns a scored row out of few URLs, contents, hashes, domains and scores."""
    domain = f"d{source.randrange(4)}.test"
    url = f"https://img.{domain}:8080/{source.randrange(20)}.jpg"
    text = f"text {number} ü"
    content = source.randrange(60)
    phash = 0x0123456789ABCDEF * (1 + content % 13) % 2**64
    for bit in range(content // 13):
        phash ^= 1 << (bit * 13)
    row = dict.fromkeys(SCORED.names) | {
        "sample_id": sample_id(url, text),
        "url_id": url_id(url),
        "url": url,
        "text": text,
        "outcome": "kept",
        "reason": "",
        "rule_version": "1",
        "similarity": source.choice([0.1, 0.25, 0.3, 0.3, 0.4]),
        "unsafe_score": source.choice([0.1, 0.1, 0.1, 0.9]),
        "width": 10,
        "height": 11,
        "original_width": 20,
        "original_height": 22,
        "content_sha256": hashlib.sha256(bytes([content])).hexdigest(),
        "md5": hashlib.md5(bytes([content])).hexdigest(),
        "phash": None if content == 13 else f"{phash:016x}",
        "domain": domain,
        "language": source.choice(["en", "de", "fr", None]),
        "language_confidence": 0.75,
        "page_url": f"https://{domain}/",
        "crawl": "CC-MAIN-2024-10",
        "wat_file": "a.warc.wat.gz",
        "warc_offset": number,
        "model": "tiny",
        "model_version": "1",
    }
    if source.random() < 0.1:
        row |= {"outcome": "failed", "reason": "bad_model_output", "similarity": None, "unsafe_score": None}
    return row


def samples(seed: int, count: int) -> list[Row]:
    """Returns rows with different ids."""
    source = random.Random(seed)
    return [sample(source, number) for number in range(count)]


@dataclass
class Finaliser:
    """Runs a finalisation over a store, its units in random order and with repeated attempts."""

    folder: Path
    store: MemoryStore = field(default_factory=MemoryStore)
    seed: int = 1
    phases: dict[Phase, list[UnitDone]] = field(default_factory=dict)
    tally: Counter[tuple[int, int]] = field(default_factory=Counter)

    def put_scores(self, files: Sequence[Sequence[Row]], job_id: str = "j1") -> list[UnitDone]:
        """Stores shards with their scores; returns the records of their score units."""
        return [
            self._put_shard(rows, f"{job_id}/w0000/r0000/d{number:05d}") for number, rows in enumerate(files)
        ]

    def run(self, spec: JobSpec, scored: Sequence[UnitDone]) -> None:
        """Runs all phases."""
        source = random.Random(self.seed)
        self.phases.clear()
        self.tally.clear()
        while (plan := self.next_phase(spec, scored)) is not None:
            done = {
                task.unit_id: self._run_unit(task, spec, source)
                for task in source.sample(plan.tasks, len(plan.tasks))
            }
            self.phases[plan.phase] = [done[unit] for unit in sorted(done)]

    def next_phase(self, spec: JobSpec, scored: Sequence[UnitDone]) -> PhasePlan | None:
        """Returns the next phase, its lists stored."""
        plan = next_phase(
            spec, SPEC_REF, scored, self.phases, lambda ref: self.store.get(ref.key, sha256=ref.sha256)
        )
        for key, data in (plan.attachments if plan is not None else {}).items():
            self.store.put(key, data)
        return plan

    def outputs(self, role: str) -> list[ObjectRef]:
        """Returns what counted units wrote in a role."""
        refs = (ref for records in self.phases.values() for done in records for ref in self._all(done))
        return [ref for ref in refs if ref.role == role]

    def data(self) -> dict[str, Row]:
        """Returns the rows of `data/` by id, with the folder each stands in."""
        found: dict[str, Row] = {}
        for ref in self.outputs("samples"):
            rows = pq.read_table(io.BytesIO(self.store.get(ref.key, sha256=ref.sha256))).to_pylist()
            assert len(rows) == ref.rows
            assert [row["sample_id"] for row in rows] == sorted(row["sample_id"] for row in rows)
            for row in rows:
                assert row["sample_id"] not in found
                found[row["sample_id"]] = row | {"folder": ref.key.split("/")[1]}
        return found

    def train(self) -> dict[str, bytes]:
        """Returns the tars of `train/` by name."""
        return {ref.key: self.store.get(ref.key) for ref in self.outputs("train_shard")}

    def _run_unit(self, task: UnitTask, spec: JobSpec, source: random.Random) -> UnitDone:
        handler = FinaliseHandler(FinaliserConfig(image_threads=2))
        attempts = []
        for _ in range(source.choice([1, 1, 2])):
            context = new_context(task, spec, self.store, self.folder)
            attempts.append((context.attempt, handler.handle(context)))
        attempt, result = source.choice(attempts)
        for pair, count in result.tally.items():
            if task.input.finalise.phase == FinalisePhase.FINALISE_PHASE_WRITE_DATA:
                self.tally[pair] += count
        return self._record(task, attempt, result)

    def _record(self, task: UnitTask, attempt: str, result: UnitResult) -> UnitDone:
        outputs, listed = reference_list(result.outputs, task.job_id)
        for key, data in listed.items():
            self.store.put(key, data)
        return UnitDone(
            job_id=task.job_id,
            stage=Stage.STAGE_FINALISE,
            unit_id=task.unit_id,
            input_digest=task.input_digest,
            attempt=attempt,
            rows_in=result.rows_in,
            counts=result.counts(),
            outputs=outputs,
        )

    def _put_shard(self, rows: Sequence[Row], unit_id: str) -> UnitDone:
        name = unit_id.replace("/", ".")
        shard, placed = f"shards/{name}-00000000.tar", []
        sink = io.BytesIO()
        with tarfile.open(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for row in rows:
                data = image_of(row)
                header = tarfile.TarInfo(f"{row['sample_id'].hex()}.jpg")
                header.size = len(data)
                placed.append((tar.offset + 512, len(data)))
                tar.addfile(header, io.BytesIO(data))
        self.store.put(shard, sink.getvalue())
        stored = [
            row | {"shard": shard, "tar_offset": offset, "tar_size": size}
            for row, (offset, size) in zip(rows, placed, strict=True)
        ]
        key = f"steps/scores/{name}-00000000.parquet"
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(stored, SCORED), sink)
        self.store.put(key, sink.getvalue())
        outputs, _ = reference_list([self.store.refer(key, rows=len(rows), role="scores")], "j1")
        return UnitDone(job_id="j1", stage=Stage.STAGE_SCORE, unit_id=f"{unit_id}/e/s", outputs=outputs)

    def _all(self, done: UnitDone) -> list[ObjectRef]:
        if not done.outputs.HasField("listed"):
            return list(done.outputs.inline)
        listed = done.outputs.listed
        return list(References.FromString(self.store.get(listed.key, sha256=listed.sha256)).inline)


def image_of(row: Row) -> bytes:
    """Returns the stored image of a row, of any bytes."""
    name: bytes = row["sample_id"]
    return name * (1 + name[0] % 5) + b"end"


def cut(rows: list[Row], size: int) -> list[list[Row]]:
    """Cuts rows into files."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


@dataclass(frozen=True)
class Truth:
    """How each sample ends, by its id in hex."""

    clusters: dict[str, str]
    verdicts: dict[str, tuple[str, str]]

    @property
    def kept(self) -> list[str]:
        """Returns the kept ids, ascending."""
        return sorted(name for name, (outcome, _) in self.verdicts.items() if outcome == "kept")


def naive_finalisation(rows: list[Row], spec: JobSpec) -> Truth:
    """Finalises a set in memory, pair by pair."""
    clusters = _naive_clusters(rows, spec.finalise.max_hash_distance)
    verdicts = {row["sample_id"]: _naive_verdict(row, spec) for row in rows}
    for choice in choices_of(spec):
        groups: defaultdict[Any, list[Row]] = defaultdict(list)
        for row in rows:
            if verdicts[row["sample_id"]][0] == "kept":
                groups[_choice_key(row, choice, clusters)].append(row)
        for group in groups.values():
            group.sort(key=lambda row: (_choice_rank(row, choice), row["sample_id"]))
            for row in group[spec.finalise.max_per_domain if choice == CAP else 1 :]:
                verdicts[row["sample_id"]] = ("filtered", _REASONS[choice])
    return Truth(
        clusters={name.hex(): cluster.hex() for name, cluster in clusters.items()},
        verdicts={name.hex(): verdict for name, verdict in verdicts.items()},
    )


CLUSTER = FinalisePhase.FINALISE_PHASE_CHOOSE_CLUSTER
URL = FinalisePhase.FINALISE_PHASE_CHOOSE_URL
CAP = FinalisePhase.FINALISE_PHASE_CHOOSE_CAP
_REASONS = {CLUSTER: "duplicate_cluster", URL: "duplicate_url", CAP: "over_cap"}


def _naive_clusters(rows: list[Row], distance: int) -> dict[bytes, bytes]:
    def near(row: Row, other: Row) -> bool:
        if row["content_sha256"] == other["content_sha256"]:
            return True
        if not row["phash"] or not other["phash"]:
            return False
        return (int(row["phash"], 16) ^ int(other["phash"], 16)).bit_count() <= distance

    return {row["sample_id"]: min(other["sample_id"] for other in rows if near(row, other)) for row in rows}


def _naive_verdict(row: Row, spec: JobSpec) -> tuple[str, str]:
    if row["outcome"] == "failed":
        return "failed", row["reason"]
    if row["similarity"] < round(spec.score.min_similarity["*"], 6):
        return "filtered", "low_similarity"
    if row["unsafe_score"] > round(spec.score.max_unsafe_score, 6):
        return "filtered", "unsafe"
    return "kept", ""


def _choice_key(row: Row, choice: Phase, clusters: dict[bytes, bytes]) -> Any:
    return {CLUSTER: clusters[row["sample_id"]], URL: row["url_id"], CAP: row["domain"]}[choice]


def _choice_rank(row: Row, choice: Phase) -> float:
    return -row["similarity"] if choice == URL else 0.0


def check_data(found: dict[str, Row], rows: list[Row], truth: Truth) -> None:
    """Compares `data/` with the truth, row by row and column by column."""
    expected = {row["sample_id"].hex(): row for row in rows}
    assert found.keys() == expected.keys()
    for name, row in found.items():
        given = expected[name]
        assert (row["verdict"], row["reason"]) == truth.verdicts[name]
        assert row["cluster_id"] == truth.clusters[name]
        assert (row["URL"], row["TEXT"], row["LANGUAGE"]) == (given["url"], given["text"], given["language"])
        assert (row["WIDTH"], row["HEIGHT"]) == (given["original_width"], given["original_height"])
        assert (row["stored_width"], row["stored_height"]) == (given["width"], given["height"])
        assert row["hash"] == mmh3.hash64(given["url"] + given["text"])[0]
        assert row["folder"] == {"en": "en", None: "nolang"}.get(given["language"], "multi")
        same = ("content_sha256", "md5", "phash", "page_url", "crawl", "wat_file", "warc_offset", "model")
        assert {column: row[column] for column in same} == {column: given[column] for column in same}
        assert row["url_id"] == given["url_id"].hex()
        assert row["similarity"] is None or abs(row["similarity"] - given["similarity"]) < 1e-6
