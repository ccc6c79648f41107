"""Queries over HTTP, all their way: Pairmill against `clip-retrieval back`, over the same lists."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from typing import Final

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from pairmill.store.directory import DirectoryStore
from pairmill_index.arrays import NO_ROW, Floats
from pairmill_index.opened import open_index
from tests.bench.figures import Column, Figure, Result, Sample
from tests.bench.isolated import in_own_process
from tests.bench.peers import peer_command
from tests.bench.peers_run import run_peer
from tests.bench.processes import family
from tests.bench.search_build import ROOMY, ROWS, have_built
from tests.bench.search_client import asked, ids_of, knn_bodies
from tests.bench.search_found import own_search, recalls, timed
from tests.bench.search_servers import DATASET, READY_SECONDS, ClipBack, Explorer, PeerIndex, Server
from tests.bench.setup import Setup
from tests.bench.vectors import SearchWorld

RESULTS: Final = 40
REQUESTS: Final = 400
WARM_UP: Final = 40
CONNECTIONS: Final = 4

RECALL: Final = Figure("recall@10 of its answers", "")
PER_SECOND: Final = Figure("queries, one connection", "1/s")
P50: Final = Figure("latency, one connection, p50", "ms")
P95: Final = Figure("latency, one connection, p95", "ms")
MANY_PER_SECOND: Final = Figure(f"queries, {CONNECTIONS} connections", "1/s")
MANY_P95: Final = Figure(f"latency, {CONNECTIONS} connections, p95", "ms")
CPU: Final = Figure("server's CPU time per query", "ms")
SEARCH_CPU: Final = Figure("of that, the search", "ms")
AROUND_CPU: Final = Figure("of that, everything around the search", "ms")
SEARCH: Final = Figure("by its own metrics: search", "ms")
METADATA: Final = Figure("by its own metrics: metadata", "ms")
ANSWER: Final = Figure("size of an answer", "kB")
TIMES_PER_SECOND: Final = Figure("queries with one connection, in relation to clip-retrieval's", "")
TIMES_SEARCH: Final = Figure("CPU time of the search, in relation to clip-retrieval's", "")
TIMES_AROUND: Final = Figure("CPU time around the search: clip-retrieval's in relation to it", "")

_OWN_STEPS: Final = {
    SEARCH: "pairmill_knn_step_seconds_{} search",
    METADATA: "pairmill_knn_step_seconds_{} rows",
}
_PEER_STEPS: Final = {SEARCH: "knn_index_time_{} ", METADATA: "metadata_get_time_{} "}


def benchmark(setup: Setup) -> Result:
    """Asks all servers the same, turn by turn."""
    rows = setup.size(ROWS, least=60_000)
    world = SearchWorld.made(setup.folder("search"), rows)
    in_own_process(prepare, world)
    labels = ("Pairmill", "clip-retrieval, metadata in memory", "clip-retrieval, metadata mapped")
    samples: dict[str, list[Sample]] = {label: [] for label in labels}
    for _ in range(setup.runs):
        turn = dict(zip(labels, one_turn(world), strict=True))
        for label, sample in turn.items():
            found = sample if label == labels[0] else {**sample, **ratios(sample, turn[labels[0]])}
            samples[label].append(found)
    return Result(
        name="search-serve",
        setup=f"{rows:,} samples, the same inverted lists, of {ROOMY:,} bytes a vector, with as many looked "
        f"into for each query; {REQUESTS} vectors that are not in the index, the {RESULTS} nearest pictures "
        "of each with metadata; one core for a search; the asking process is on the same machine",
        columns=[Column(label=label, samples=runs) for label, runs in samples.items()],
    )


def prepare(world: SearchWorld) -> None:
    """Builds the index unless it is there, and lays it out for the peer."""
    have_built(world, ROOMY)
    PeerIndex.laid_out(world)


def one_turn(world: SearchWorld) -> list[Sample]:
    """Measures each server, alone on the machine as far as this benchmark goes."""
    laid = PeerIndex(folder=world.folder / "clip-back")
    own, peer = in_own_process(own_search_ms, world), peer_search_ms(world, laid)
    servers: list[tuple[Server, float, Mapping[Figure, str]]] = [(Explorer(world), own, _OWN_STEPS)]
    servers += [(ClipBack(laid, arrow=arrow), peer, _PEER_STEPS) for arrow in (False, True)]
    return [in_own_process(measure, world, *served) for served in servers]


def own_search_ms(world: SearchWorld) -> float:
    """Returns the CPU time of a search alone."""
    with open_index(DirectoryStore(world.dataset), world.folder / "open") as index:
        search = own_search(index.segments[0], RESULTS)
        return float(np.median(timed(search, world.queries(REQUESTS))[1]))


def peer_search_ms(world: SearchWorld, laid: PeerIndex) -> float:
    """Returns the CPU time of a search alone, as `clip-retrieval back` does it."""
    asked_file, found = world.folder / "queries.npy", world.folder / "found.npy"
    np.save(asked_file, world.queries(REQUESTS))
    index = laid.folder / "parquet" / "image.index"
    command = peer_command(
        "peers_query", index, asked_file, found, f"--depth={RESULTS}", "--reconstruct", "--mapped"
    )
    return float(run_peer(command).answer()["p50_ms"])


def measure(world: SearchWorld, server: Server, search_ms: float, steps: Mapping[Figure, str]) -> Sample:
    """Starts a server, asks it over one and over several connections, and stops it."""
    queries = world.queries(REQUESTS)
    bodies = knn_bodies(queries, DATASET, RESULTS)
    server.launch()
    server.wait_ready(seconds=READY_SECONDS)
    try:
        asked(server.port, bodies[:WARM_UP], connections=1)
        before, cpu = metrics_of(server), cpu_seconds(server)
        alone = asked(server.port, bodies, connections=1)
        after, cpu = metrics_of(server), cpu_seconds(server) - cpu
        crowded = asked(server.port, bodies, connections=CONNECTIONS)
    finally:
        server.stop()
    cpu_ms = cpu / len(bodies) * 1000
    return {
        RECALL: in_own_process(recall_of, world, queries, [ids_of(answer) for answer in alone.answers]),
        PER_SECOND: alone.per_second,
        P50: alone.percentile_ms(50),
        P95: alone.percentile_ms(95),
        MANY_PER_SECOND: crowded.per_second,
        MANY_P95: crowded.percentile_ms(95),
        CPU: cpu_ms,
        SEARCH_CPU: search_ms,
        AROUND_CPU: cpu_ms - search_ms,
        **{figure: step_ms(before, after, name) for figure, name in steps.items()},
        ANSWER: sum(map(len, alone.answers)) / len(bodies) / 1000,
    }


def ratios(peer: Sample, own: Sample) -> Sample:
    """Returns how the peer compares with Pairmill in the same turn."""
    return {
        TIMES_PER_SECOND: own[PER_SECOND] / peer[PER_SECOND],
        TIMES_SEARCH: peer[SEARCH_CPU] / own[SEARCH_CPU],
        TIMES_AROUND: peer[AROUND_CPU] / own[AROUND_CPU],
    }


def recall_of(world: SearchWorld, queries: Floats, ids: list[list[int]]) -> float:
    """Returns the share of the ten nearest that answers hold; ids are rows of the only segment."""
    with open_index(DirectoryStore(world.dataset), world.folder / "open") as index:
        segment, padded = index.segments[0], np.full((len(ids), 10), NO_ROW, dtype=np.int64)
        for rows, found in zip(padded, ids, strict=True):
            rows[: len(found)] = found[:10]
        return recalls(segment, queries, padded)[10]


def cpu_seconds(server: Server) -> float:
    """Returns the CPU time of a server's processes until now."""
    return sum(process.cpu_seconds for process in family(server.pid))


def metrics_of(server: Server) -> dict[str, float]:
    """Returns the values that a server tells Prometheus, by name and labels."""
    with urllib.request.urlopen(f"http://{server.address}/metrics", timeout=60) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return {
        f"{sample.name} {sample.labels.get('step', '')}": sample.value
        for found in families
        for sample in found.samples
        if "bucket" not in sample.name
    }


def step_ms(before: Mapping[str, float], after: Mapping[str, float], step: str) -> float:
    """Returns a step's mean between two looks, given the name of its sum and its count."""
    sums, counts = (step.format(kind) for kind in ("sum", "count"))
    return (after[sums] - before[sums]) / (after[counts] - before[counts]) * 1000
