"""A finished dataset in a folder: the real walk, with units carried out by a few lines each."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import tempfile
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from pathlib import Path

from pairmill.dataset import roles
from pairmill.dataset.assemble import EndedJob, assemble
from pairmill.dataset.manifest import Manifest
from pairmill.dataset.source import FolderFiles
from pairmill.ledger.root import JobRoot
from pairmill.ledger.walk import Closing, Walk
from pairmill.units import list_key, new_task, object_key, range_of_bucket
from pairmill_protos.job.v1.job_pb2 import ImagePolicy, JobSpec
from pairmill_protos.unit.v1.unit_pb2 import (
    Cancel,
    DownloadInput,
    EmbedInput,
    FinalisePhase,
    LedgerRecord,
    ObjectRef,
    ScoreInput,
    Stage,
    UnitInput,
    UnitTask,
)
from tests.fakes import dataset_files as files
from tests.fakes.dataset_options import Options, save_manifest
from tests.fakes.dataset_records import Effect, done_record, failed_record
from tests.fakes.dataset_verdicts import Ends, ends_by_scores, final_ends
from tests.fakes.dataset_world import Candidate


def build_dataset(folder: Path, options: Options | None = None) -> Manifest:
    """Writes a dataset that closes into a folder and returns its manifest with all files."""
    return Builder(folder, options or Options()).run()


class Builder:
    """Carries out a job's units and writes what they would write."""

    def __init__(self, folder: Path, options: Options, root: JobRoot | None = None) -> None:
        """`root` is that of a job which was admitted elsewhere."""
        self._folder = folder
        self._options = options
        self._draw = random.Random(options.attempt_seed)
        self._held: dict[str, list[Candidate]] = {}  # candidates of open download units
        self._by_shard: dict[str, list[Candidate]] = {}
        self._places: dict[str, files.Place] = {}
        self._scored: list[Candidate] = []
        self._ends: Ends = {}
        self._root = root or self._admit(options.spec)

    @property
    def spec(self) -> JobSpec:
        """The job as admitted."""
        return self._root.spec

    @property
    def spec_ref(self) -> ObjectRef:
        """The reference of the spec, as tasks carry it."""
        return self._root.spec_ref

    def carry_out(self, task: UnitTask) -> LedgerRecord:
        """Does a unit's work as its stage would, and returns its record."""
        return self._work(task)

    @property
    def scored(self) -> list[Candidate]:
        """The candidates that were downloaded."""
        return self._scored

    def start_from(self, base: Builder) -> None:
        """Takes over what a base version downloaded."""
        self._scored = list(base._scored)
        self._places = dict(base._places)

    def hold(self, unit_id: str, candidates: list[Candidate]) -> None:
        """Says which candidates a repair's download unit holds, by its id without the job."""
        self._held[f"{self.spec.job_id}/{unit_id}"] = candidates
        again = {candidate.key for candidate in candidates}
        self._scored = [one for one in self._scored if one.key not in again]

    def run(self) -> Manifest:
        walk, records = Walk(self._root, self._load), list[LedgerRecord]()
        dead = 0 if self._options.dead_stage is None else 3
        waves = range(self._root.waves)
        queue = deque(task for wave in waves for task in self._root.crawl_tasks(wave))
        while True:
            for expected in walk.take_expected():
                self._store(expected.attachments)
                queue.append(expected.task)
            if not queue or walk.cancelled:
                return self._finish(walk, records)
            task = self._next(queue)
            if dead and task.stage == self._options.dead_stage:
                record = failed_record(task, self._attempt())
                dead -= 1
                if dead:
                    queue.appendleft(task)
            else:
                record = self._work(task)
            walk.feed(len(records) * 3, record)
            records.append(record)
            if len(records) == self._options.cancel_after:
                cancel = LedgerRecord(cancel=Cancel(job_id=task.job_id, why="enough"))
                walk.feed(len(records) * 3, cancel)
                records.append(cancel)

    def _next(self, queue: deque[UnitTask]) -> UnitTask:
        if self._options.shuffled:
            queue.rotate(self._draw.randrange(len(queue)))
        return queue.popleft()

    def _admit(self, given: JobSpec) -> JobRoot:
        spec = JobSpec()
        spec.CopyFrom(given)
        wats = tuple(f"/data/{number}.wat.gz" for number in range(spec.wat_count))
        spec.wat_list.CopyFrom(self._named("lists", "".join(f"{wat}\n" for wat in wats).encode(), "list"))
        spec.job_id = "j" + hashlib.sha256(spec.SerializeToString(deterministic=True)).hexdigest()[:12]
        ref = self._named(spec.job_id, spec.SerializeToString(deterministic=True), "spec")
        return JobRoot(spec=spec, spec_ref=ref, wats=wats)

    def _named(self, name: str, data: bytes, role: str) -> ObjectRef:
        return self._put(list_key(name, hashlib.sha256(data).digest()), data, role, 0)

    def _put(self, key: str, data: bytes, role: str, rows: int, partition: int | None = None) -> ObjectRef:
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        digest = hashlib.sha256(data).digest()
        return ObjectRef(key=key, bytes=len(data), sha256=digest, rows=rows, role=role, partition=partition)

    def _store(self, attachments: dict[str, bytes]) -> None:
        for key, data in attachments.items():
            self._put(key, data, "list", 0)

    def _load(self, ref: ObjectRef) -> bytes:
        return (self._folder / ref.key).read_bytes()

    # Units

    def _attempt(self) -> str:
        return f"{self._draw.getrandbits(32):08x}"

    def _work(self, task: UnitTask) -> LedgerRecord:
        work: dict[Stage.ValueType, Callable[[UnitTask, str], Effect]] = {
            Stage.STAGE_CRAWL: self._crawl,
            Stage.STAGE_PLAN: self._plan,
            Stage.STAGE_DOWNLOAD: self._download,
            Stage.STAGE_EMBED: self._embed,
            Stage.STAGE_SCORE: self._score,
            Stage.STAGE_FINALISE: self._finalise,
        }
        attempt = self._attempt()
        effect = work[task.stage](task, attempt)
        record, attachments = done_record(task, attempt, effect, self._draw.randrange(600))
        self._store(attachments)
        return record

    def _crawl(self, task: UnitTask, attempt: str) -> Effect:
        wat = task.input.crawl.wat_index
        found = [candidate for candidate in self._options.world if candidate.wat == wat]
        candidates = ObjectRef(key=f"steps/{wat}-{attempt}", role="candidates", rows=len(found))
        key = object_key("drop_samples", task.unit_id, attempt, ".parquet")
        dropped = self._put(key, files.drop_samples_file(wat), roles.DROP_SAMPLES, 2)
        counts = Counter({("passed", ""): len(found), ("dropped", "no_alt"): 5, ("dropped", "bad_scheme"): 2})
        return Effect(counts=counts, outputs=[candidates, dropped])

    def _plan(self, task: UnitTask, attempt: str) -> Effect:
        spec, wave, number = self._root.spec, task.input.plan.wave, task.input.plan.range
        rows = [
            candidate
            for candidate in sorted(self._options.world, key=lambda candidate: candidate.url_key)
            if self._root.wave_of(candidate.wat) == wave
            and range_of_bucket(candidate.bucket, spec.plan.ranges) == number
        ]
        size = spec.plan.unit_rows
        key = object_key("steps/plan", task.unit_id, attempt, ".parquet")
        plan = self._put(key, files.plan_file(rows, size), "plan", len(rows))
        tasks = []
        for group, start in enumerate(range(0, len(rows), size)):
            held = rows[start : start + size]
            download = DownloadInput(rows=plan, row_group=group, first_bucket=held[0].bucket)
            tasks.append(self._child(task, f"/d{group:05d}", UnitInput(download=download), len(held)))
            self._held[tasks[-1].unit_id] = held
        return Effect(counts=Counter({("passed", ""): len(rows)}), outputs=[plan], follow_ups=tasks)

    def _download(self, task: UnitTask, attempt: str) -> Effect:
        round_number = task.input.download.retry_round
        held = self._held[task.unit_id]
        later = [candidate for candidate in held if candidate.retries > round_number]
        ended = [candidate for candidate in held if candidate.retries <= round_number]
        counts = Counter({("handed_on", "http_5xx"): len(later)})
        outputs, tasks = self._shard(task, attempt, ended, counts) if ended else ([], [])
        if later:
            rest = self._put(
                object_key("steps/rest", task.unit_id, attempt, ".parquet"),
                files.plan_file(later, len(later)),
                "rest",
                len(later),
            )
            download = DownloadInput(rows=rest, retry_round=round_number + 1, waits=True)
            tasks.append(self._child(task, f".r{round_number + 1}", UnitInput(download=download), len(later)))
            self._held[tasks[-1].unit_id] = later
        return Effect(counts=counts, outputs=outputs, follow_ups=tasks)

    def _shard(
        self, task: UnitTask, attempt: str, ended: list[Candidate], counts: Counter[tuple[str, str]]
    ) -> tuple[list[ObjectRef], list[UnitTask]]:
        good = sorted(
            (candidate for candidate in ended if not candidate.failure),
            key=lambda candidate: candidate.key,
        )
        outputs, places = [], dict[str, tuple[int, int]]()
        tar_key = object_key("shards", task.unit_id, attempt, ".tar")
        if good:
            tar, places = files.webdataset((one.key, files.sample_parts(one)) for one in good)
            outputs.append(self._put(tar_key, tar, roles.SHARD, len(good)))
        index = files.index_file(files.index_rows(ended, places, task.input.download.retry_round + 1))
        key = object_key("shards", task.unit_id, attempt, ".parquet")
        outputs.append(self._put(key, index, roles.SHARD_INDEX, len(ended)))
        stats = json.dumps({"count": len(ended), "successes": len(good)}).encode()
        key = object_key("shards", task.unit_id, attempt, "_stats.json")
        outputs.append(self._put(key, stats, roles.SHARD_STATS, 0))
        counts["passed", ""] += len(good)
        for candidate in ended:
            if candidate.failure:
                counts["failed", candidate.failure] += 1
        if not good:
            return outputs, []
        self._by_shard[tar_key] = good
        for one, (offset, size) in ((one, places[one.key]) for one in good):
            self._places[one.key] = (tar_key, offset, size)
        embed = EmbedInput(shard=outputs[0], shard_index=outputs[1])
        return outputs, [self._child(task, "/e", UnitInput(embed=embed), len(good))]

    def _embed(self, task: UnitTask, attempt: str) -> Effect:
        shard = task.input.embed.shard.key
        held = self._by_shard[shard]
        good = [candidate for candidate in held if candidate.scores.similarity is not None]
        outputs = []
        if good:
            for folder, prefix, suffix, role, data in (
                ("img_emb", "img_emb_", ".npy", roles.IMAGE_EMBEDDINGS, files.embeddings(good, 0)),
                ("text_emb", "text_emb_", ".npy", roles.TEXT_EMBEDDINGS, files.embeddings(good, 1)),
                (
                    "metadata",
                    "metadata_",
                    ".parquet",
                    roles.EMBEDDING_METADATA,
                    files.metadata_file(good, shard),
                ),
            ):
                key = object_key(f"embeddings/{folder}", task.unit_id, attempt, suffix, prefix)
                outputs.append(self._put(key, data, role, len(good)))
        score = ScoreInput(shard=task.input.embed.shard, shard_index=task.input.embed.shard_index)
        counts = Counter({("passed", ""): len(good), ("failed", "bad_embedding"): len(held) - len(good)})
        follow_up = self._child(task, "/s", UnitInput(score=score), len(held))
        return Effect(counts=counts, outputs=outputs, follow_ups=[follow_up])

    def _score(self, task: UnitTask, attempt: str) -> Effect:
        held = self._by_shard[task.input.score.shard.key]
        self._scored.extend(held)
        ends = ends_by_scores(held, self.spec)
        outputs = self._place_images(task, attempt, held, ends)
        key = object_key("steps/scores", task.unit_id, attempt, ".parquet")
        scores = ObjectRef(key=key, role="scores", rows=len(held), bytes=1, sha256=b"s" * 32)
        return Effect(counts=Counter(ends), outputs=[*outputs, scores])

    def _place_images(
        self, task: UnitTask, attempt: str, held: list[Candidate], ends: list[tuple[str, str]]
    ) -> list[ObjectRef]:
        """Whose bytes stay is a policy of the job (U11)."""
        policy = self._root.spec.image.policy
        if policy == ImagePolicy.IMAGE_POLICY_ALL:
            return []
        self._places.update((one.key, (None, None, None)) for one in held)
        passing = [one for one, end in zip(held, ends, strict=True) if end == ("kept", "")]
        if policy == ImagePolicy.IMAGE_POLICY_NONE or not passing:
            return []
        tar, places = files.webdataset((one.key, files.sample_parts(one)) for one in passing)
        key = object_key("shards", task.unit_id, attempt, ".tar")
        self._places.update((one.key, (key, *places[one.key])) for one in passing)
        return [self._put(key, tar, roles.KEPT_SHARD, len(passing))]

    # Finalisation: one partition

    def _finalise(self, task: UnitTask, attempt: str) -> Effect:
        phase = task.input.finalise.phase
        if phase == FinalisePhase.FINALISE_PHASE_WRITE_DATA:
            return self._write_data(task, attempt)
        if phase == FinalisePhase.FINALISE_PHASE_WRITE_TRAIN:
            return self._write_train(task)
        written = {
            FinalisePhase.FINALISE_PHASE_SCATTER: ("step_rows", "step_contents"),
            FinalisePhase.FINALISE_PHASE_THRESHOLDS: ("step_choice",),
            FinalisePhase.FINALISE_PHASE_CHOOSE_CLUSTER: ("step_choice",),
            FinalisePhase.FINALISE_PHASE_CHOOSE_URL: ("step_choice",),
        }.get(phase, ())
        outputs = [
            ObjectRef(
                key=f"steps/{phase}-{attempt}-{role}",
                role=role,
                rows=task.rows,
                bytes=1,
                sha256=b"f" * 32,
                partition=0,
            )
            for role in written
        ]
        return Effect(counts=Counter({("passed", ""): task.rows}), outputs=outputs)

    def _write_data(self, task: UnitTask, attempt: str) -> Effect:
        self._ends = final_ends(self._scored, self.spec)
        by_bucket: defaultdict[str, list[Candidate]] = defaultdict(list)
        for candidate in sorted(self._scored, key=lambda candidate: candidate.key):
            bucket = "en" if candidate.language == "en" else "multi" if candidate.language else "nolang"
            by_bucket[bucket].append(candidate)
        outputs = []
        for bucket, held in sorted(by_bucket.items()):
            rows = [files.sample_row(one, *self._ends[one.key], self._places[one.key]) for one in held]
            key = object_key(f"data/{bucket}", task.unit_id, attempt, ".parquet", "part-")
            outputs.append(self._put(key, files.samples_file(rows), roles.SAMPLES, len(rows)))
        counts = Counter((verdict, reason) for verdict, reason, _ in self._ends.values())
        kept = ObjectRef(
            key=f"steps/kept-{attempt}",
            role="step_kept",
            rows=counts["kept", ""],
            bytes=1,
            sha256=b"k" * 32,
            partition=0,
        )
        return Effect(counts=counts, outputs=[*outputs, kept])

    def _write_train(self, task: UnitTask) -> Effect:
        kept = sorted(
            (one for one in self._scored if self._ends[one.key][0] == "kept"), key=lambda one: one.key
        )
        size, number = self._root.spec.finalise.train_shard_samples, task.input.finalise.partition
        here = kept[number * size : (number + 1) * size]
        name = f"train/{task.job_id}/{number:05d}"
        tar, places = files.webdataset((one.key, files.sample_parts(one)) for one in here)
        index = files.train_index_file(here, places)
        outputs = [
            self._put(f"{name}.parquet", index, roles.TRAIN_INDEX, len(here)),
            self._put(f"{name}.tar", tar, roles.TRAIN_SHARD, len(here)),
        ]
        return Effect(counts=Counter({("passed", ""): len(here)}), outputs=outputs)

    def _child(self, task: UnitTask, suffix: str, unit_input: UnitInput, rows: int) -> UnitTask:
        return new_task(
            spec=self._root.spec_ref,
            job_id=task.job_id,
            unit_id=task.unit_id + suffix,
            unit_input=unit_input,
            rows=rows,
        )

    def _finish(self, walk: Walk, records: list[LedgerRecord]) -> Manifest:
        dead = any(closing is Closing.FAILED for _, closing in walk.closings)
        job = EndedJob(
            walk=walk,
            records=((3 * place, record) for place, record in enumerate(records)),
            load=self._load,
            why=["a unit failed three times"] if dead else [],
            inherited=self._options.inherited,
        )
        with tempfile.TemporaryDirectory() as scratch:
            manifest = assemble(job, FolderFiles(self._folder), self._copy, Path(scratch))
        save_manifest(self._folder, manifest, self._options.max_inline_files)
        return manifest

    def _copy(self, key: str, path: Path) -> None:
        (self._folder / key).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, self._folder / key)
