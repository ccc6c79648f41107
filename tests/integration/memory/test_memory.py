"""Memory does not grow with the work, measured in processes of their own, set up as services are."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pairmill.memory import ENVIRONMENT, give_back_freed_memory
from pairmill.schemas import CANDIDATES
from pairmill_crawler.candidate_file import CandidateFile
from pairmill_models.bundle import load_bundle
from pairmill_models.onnx_embedder import OnnxEmbedder
from pairmill_models.tiny import bundle_path
from tests.bench.isolated import in_own_process
from tests.bench.processes import read_process

MEGABYTE = 10**6
BLOCK_ROWS = 4096
LOOK_SECONDS = 0.005


@pytest.fixture
def services_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("services_environment")
def test_what_threads_have_freed_goes_back_to_the_system() -> None:
    assert in_own_process(left_by_threads) < 48 * MEGABYTE


@pytest.mark.usefixtures("services_environment")
def test_four_times_the_candidates_of_a_wat_take_no_more_memory(tmp_path: Path) -> None:
    few, many = (in_own_process(growth_by_candidates, tmp_path, blocks) for blocks in (20, 80))
    assert many < few + 16 * MEGABYTE


@pytest.mark.usefixtures("services_environment")
def test_long_texts_take_hardly_more_memory_than_short_ones() -> None:
    assert in_own_process(growth_by_long_texts) < 12 * MEGABYTE


def test_whoever_has_set_an_option_has_the_last_word() -> None:
    chosen = {"MALLOC_ARENA_MAX": "7"}
    assert in_own_process(environment_after, chosen) == {**ENVIRONMENT, **chosen}


def test_the_command_chooses_before_pyarrow_does() -> None:
    script = "import sys, pairmill_standalone.__main__; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def environment_after(env: dict[str, str]) -> dict[str, str]:
    give_back_freed_memory(env)
    return env


def left_by_threads() -> int:
    """Builds and frees columns of megabytes in threads, and returns how much the process keeps of them.

    They come to more than 200 MB, which is what stays where allocators are left to themselves.
    """
    pa.array([1])  # imports what pyarrow looks for
    before = private_bytes()
    threads = [threading.Thread(target=build_columns) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return private_bytes() - before


def build_columns() -> None:
    columns = [pa.array(np.arange(400_000)).cast(pa.string()) for _ in range(4)]
    assert sum(column.nbytes for column in columns) > 12 * MEGABYTE


def growth_by_candidates(folder: Path, blocks: int) -> int:
    """Writes a candidate file and returns by how much memory rose meanwhile at most."""
    scratch = folder / str(blocks)
    scratch.mkdir()
    candidates = CandidateFile(scratch, ranges=1)
    candidates.add(block_of_candidates(0))

    def work() -> None:
        for number in range(1, blocks):
            candidates.add(block_of_candidates(number))
        candidates.write(scratch / "candidates.parquet")

    return most_memory_during(work)


def block_of_candidates(number: int) -> pa.Table:
    random = np.random.default_rng(number)
    ids = [random.bytes(16) for _ in range(BLOCK_ROWS)]
    known: dict[str, pa.Array[Any]] = {
        "sample_id": pa.array(ids, pa.binary(16)),
        "url_id": pa.array(ids, pa.binary(16)),
        "url": pa.array([f"https://host-{value.hex()}.test/images/of/the/page/1.jpg" for value in ids]),
        "text": pa.array([f"a text about the picture {value.hex()} that has some length" for value in ids]),
        "bucket": pa.array(random.integers(0, 4096, BLOCK_ROWS), pa.int32()),
        "wat_offset": pa.array(np.arange(BLOCK_ROWS), pa.int64()),
        "link_index": pa.array(np.zeros(BLOCK_ROWS), pa.int32()),
    }
    columns = [
        known[field.name] if field.name in known else pa.nulls(BLOCK_ROWS, field.type) for field in CANDIDATES
    ]
    return pa.Table.from_arrays(columns, schema=CANDIDATES)


def growth_by_long_texts() -> int:
    """Embeds blocks of short and then of long texts, and returns by how much memory rose with these."""
    embedder = OnnxEmbedder(load_bundle(bundle_path()))
    for _ in range(3):
        embedder.embed_texts(["a red circle"] * 128)
    return most_memory_during(lambda: embedder.embed_texts(["a red circle on a blue square " * 20] * 128))


def most_memory_during(work: Callable[[], object]) -> int:
    """Returns how far memory rose above where it was, looked at all the time."""
    before, ended = private_bytes(), threading.Event()
    seen = [before]

    def watch() -> None:
        while not ended.wait(LOOK_SECONDS):
            seen.append(private_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    work()
    ended.set()
    watcher.join()
    return max(seen) - before


def private_bytes() -> int:
    process = read_process(os.getpid())
    assert process is not None
    return process.private_bytes
