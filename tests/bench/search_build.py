"""Building indices: Pairmill against autofaiss, over the same embeddings and within equal budgets."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from pairmill.dataset.reader import Dataset
from pairmill.store.directory import DirectoryStore
from pairmill_index.arrays import Floats, Halves, Rows
from pairmill_index.build import build_index
from pairmill_index.layout import FOLDER, graph_key
from pairmill_index.manifest import IndexVersion, Modality
from pairmill_index.opened import OpenSegment, open_index
from pairmill_index.options import BuildOptions, cores
from pairmill_index.progress import Progress, no_progress
from pairmill_index.publish import current_or_none, read_version
from pairmill_index.rule import choose
from tests.bench.figures import Column, Figure, Result, Sample
from tests.bench.isolated import CPU, MEMORY, SECONDS, in_own_process, metered
from tests.bench.peers import peer_command
from tests.bench.peers_run import run_peer
from tests.bench.search_found import DEPTHS, best_scores, own_search, scores_of, shares_found, timed
from tests.bench.setup import Setup
from tests.bench.vectors import DIMENSIONS, SearchWorld

ROWS: Final = 1_000_000
PEER_MEMORY: Final = 2_500_000_000  # bytes; less than 2.1 GB and autofaiss begins none of a million vectors
BUDGETS: Final = (300, 2_500)  # bytes of lists for a vector; a vector of 512 halves has 1,024
ROOMY: Final = BUDGETS[-1]  # what lists find is good by itself too
QUERIES: Final = 400
LATENCY_MS: Final = 10.0
PATIENCE: Final = 10  # times the CPU time of Pairmill's index that autofaiss gets
PEER: Final = "autofaiss"
BEST: Final = "best.npy"  # cosines of what is nearest indeed

LISTS: Final = Figure("CPU time of the picture index alone", "s")
STEPS: Final = {step: Figure(f"of that, {step}", "s") for step in ("training", "filling", "measuring")}
INDEX: Final = Figure("size of the picture index", "MB")
SEARCHED: Final = (10, 100)  # rows asked for; recall@1 and @10 are of searches for ten
QUERY: Final = {depth: Figure(f"a query, the {depth} nearest, CPU time", "ms") for depth in SEARCHED}
RECALLS: Final = {depth: Figure(f"recall@{depth}", "") for depth in DEPTHS}
UNFINISHED: Final = Figure("stopped unfinished, after that CPU time", "")
CPU_SHARE: Final = Figure("CPU time of the picture index, as a share of autofaiss'", "")
MEMORY_SHARE: Final = Figure("peak memory, as a share of autofaiss'", "")


def benchmark(setup: Setup) -> Result:
    """Builds with both, turn by turn, once for each budget."""
    rows = setup.size(ROWS, least=60_000)
    world = SearchWorld.made(setup.folder("search"), rows)
    columns = []
    for number, per_vector in enumerate(BUDGETS):
        budget, runs = per_vector * rows, setup.runs if number == 0 else 1
        ours, theirs = [], []
        for _ in range(runs):
            ours.append(in_own_process(measure_own, world, budget))
            theirs.append(measure_peer(world, budget, PATIENCE * ours[-1][LISTS]))
            ours[-1] = {**ours[-1], **shares(ours[-1], theirs[-1])}
        columns += [
            Column(label=f"{name}, {per_vector} bytes a vector", samples=samples)
            for name, samples in (("Pairmill", ours), (PEER, theirs))
        ]
    return Result(
        name="search-build",
        setup=f"{rows:,} samples with vectors of 512 dimensions in clusters, pictures and texts; queries are "
        f"{QUERIES} vectors that are not in the index, on one core; budgets are those of an index's lists, "
        f"{LATENCY_MS:g} ms a query; Pairmill builds two indices, {PEER} that of the pictures alone",
        columns=columns,
    )


def shares(own: Sample, peer: Sample) -> Sample:
    """Returns what was measured in relation to autofaiss in the same turn."""
    return {CPU_SHARE: own[LISTS] / peer[LISTS], MEMORY_SHARE: own[MEMORY] / peer[MEMORY]}


def build_own(world: SearchWorld, budget: int, progress: Progress = no_progress) -> IndexVersion:
    """Builds the index anew; the budget is that of each modality's lists."""
    shutil.rmtree(world.dataset / FOLDER, ignore_errors=True)
    options = BuildOptions(memory_bytes=2 * budget, latency_ms=LATENCY_MS)
    store = DirectoryStore(world.dataset)
    scratch = world.folder / "scratch"
    return build_index(Dataset.open(store), store, options, scratch=scratch, progress=progress)


def have_built(world: SearchWorld, per_vector: int) -> None:
    """Builds the index unless there is one of the kind that this many bytes a vector give."""
    budget = per_vector * world.rows
    wanted = choose(rows=world.rows, dimensions=DIMENSIONS, memory_bytes=budget, latency_ms=LATENCY_MS)
    store = DirectoryStore(world.dataset)
    current = current_or_none(store)
    segments = read_version(store, current).segments if current is not None else ()
    if {index.kind for segment in segments for index in segment.indices} != {wanted.kind}:
        build_own(world, budget)


def measure_own(world: SearchWorld, budget: int) -> Sample:
    """Builds with Pairmill, and measures what it took and what the index finds."""
    steps = Steps()
    version, usage = metered(lambda: build_own(world, budget, steps))
    spent = steps.of(Modality.IMAGE)
    with open_index(DirectoryStore(world.dataset), world.folder / "open") as index:
        (segment,) = index.segments
        size = (world.dataset / graph_key(version.segments[0].segment_id, Modality.IMAGE)).stat().st_size
        return {
            **usage.figures(),
            LISTS: sum(spent.values()),
            **{figure: spent[f"{step} {Modality.IMAGE}"] for step, figure in STEPS.items()},
            INDEX: size / 1e6,
            **finds(segment, world),
        }


def finds(segment: OpenSegment, world: SearchWorld) -> Sample:
    """Returns how much the index finds, and how long it takes."""
    queries, found, milliseconds = world.queries(QUERIES), {}, {}
    for depth in SEARCHED:
        found[depth], spent = timed(own_search(segment, depth), queries)
        milliseconds[depth] = float(np.median(spent))
    best = best_scores(segment, queries)
    np.save(world.folder / BEST, best)
    return figures(milliseconds, queries, found, segment.vectors(Modality.IMAGE), best)


def figures(
    milliseconds: Mapping[int, float],
    queries: Floats,
    found: Mapping[int, Rows],
    vectors: Halves,
    best: Floats,
) -> Sample:
    """Returns figures of searches for that many rows each."""
    shares = {depth: shares_found(scores_of(vectors, queries, found[depth]), best) for depth in SEARCHED}
    return {
        **{QUERY[depth]: milliseconds[depth] for depth in SEARCHED},
        **{RECALLS[depth]: shares[max(depth, min(SEARCHED))][depth] for depth in DEPTHS},
    }


def measure_peer(world: SearchWorld, budget: int, patience: float) -> Sample:
    """Builds with autofaiss, for so many seconds of CPU time at most, and measures the same."""
    index = world.folder / "peer.index"
    index.unlink(missing_ok=True)
    command = peer_command(
        "peers_build",
        world.dataset / "embeddings" / "img_emb",
        index,
        f"--index-memory={budget // 1000}KB",
        f"--available-memory={max(2 * budget, PEER_MEMORY) // 1000}KB",
        f"--milliseconds={LATENCY_MS}",
        f"--threads={cores()}",
    )
    ended = run_peer(command, cpu_seconds=patience)
    spent = {
        SECONDS: ended.seconds,
        CPU: ended.cpu_seconds,
        MEMORY: ended.peak_bytes / 1e6,
        LISTS: ended.cpu_seconds,
        UNFINISHED: float(ended.facts is None),
    }
    if ended.facts is None:
        return spent
    if not index.is_file():
        raise RuntimeError("autofaiss built nothing and says so above")
    return {**spent, INDEX: index.stat().st_size / 1e6, **peer_finds(world, index)}


def peer_finds(world: SearchWorld, index: Path) -> Sample:
    """Returns how much an index of autofaiss finds: its rows are those of the files, one after the other."""
    queries, found, milliseconds = world.queries(QUERIES), {}, {}
    asked = world.folder / "queries.npy"
    np.save(asked, queries)
    for depth in SEARCHED:
        rows = world.folder / f"found-{depth}.npy"
        facts = run_peer(peer_command("peers_query", index, asked, rows, f"--depth={depth}")).answer()
        found[depth], milliseconds[depth] = np.load(rows), float(facts["p50_ms"])
    files = sorted((world.dataset / "embeddings" / "img_emb").glob("*.npy"))
    stored = np.concatenate([np.load(file) for file in files])
    return figures(milliseconds, queries, found, stored, np.load(world.folder / BEST))


class Steps:
    """Adds up the time of a build's steps, as it tells of them."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu_seconds: dict[str, float] = {}
        self._step, self._started = "", (time.monotonic(), time.process_time())

    def __call__(self, step: str, done: int, total: int) -> None:
        """Ends a step where another one begins."""
        del done, total  # only the turn from one to the next counts
        if step == self._step:
            return
        now = time.monotonic(), time.process_time()
        for sums, before, after in zip((self.seconds, self.cpu_seconds), self._started, now, strict=True):
            sums[self._step] = sums.get(self._step, 0.0) + after - before
        self._step, self._started = step, now

    def of(self, modality: Modality) -> dict[str, float]:
        """Returns the CPU seconds of a modality's steps."""
        return {step: spent for step, spent in self.cpu_seconds.items() if step.endswith(f" {modality}")}
