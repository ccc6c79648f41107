"""Images are examined in child processes; what a child dies of costs one row (A7, E4, E5)."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pairmill.jobspec.profiles import profile
from pairmill.reasons import reason_name
from pairmill_downloader.adapters.decoders import DecoderPool
from pairmill_downloader.images.examine import Examined
from pairmill_downloader.images.phash import distance
from pairmill_downloader.known_good import check_known_good
from tests.fakes.decoder_work import BURNER, KILLER, touchy_examiner
from tests.fakes.download import picture

MEMORY = 3 * 2**30
RULES = profile("everything").image

IMAGE_REASONS = {"truncated_image", "decode_error", "bomb", "not_an_image", "unsupported_format"}
MAY_DIFFER = {
    "images/Pillow/png_decompression_dos.png": "",  # its bomb is metadata, which is dropped
    "images/image-png/bugfixes__issue_430.png": "",
    "images/datadiligence/sample_c2pa.png": "opt_out_embedded",
}


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    made = DecoderPool(processes=2, memory_bytes=MEMORY)
    yield made
    made.close()


def test_a7_e4_an_image_that_kills_its_decoder_twice_costs_itself_alone() -> None:
    pool = DecoderPool(processes=1, memory_bytes=MEMORY, factory=touchy_examiner)
    try:
        ends = [pool.submit(data, RULES).result(60) for data in (b"one", KILLER, b"two")]
    finally:
        pool.close()
    assert [reason_name(end.reason) for end in ends] == ["", "decoder_crash", ""]
    assert "-11" in ends[1].detail
    assert len(ends[1].hashes.sha256) == 64


def test_e5_processor_time_is_limited_by_the_jobs_rule() -> None:
    rules = profile("everything").image
    rules.decode_timeout_seconds = 0.3
    pool = DecoderPool(processes=1, memory_bytes=MEMORY, factory=touchy_examiner)
    try:
        ends = [pool.submit(data, rules).result(60) for data in (BURNER, b"one")]
    finally:
        pool.close()
    assert [reason_name(end.reason) for end in ends] == ["decode_timeout", ""]


def test_the_pool_passes_the_services_self_test(pool: DecoderPool) -> None:
    check_known_good(pool)


def test_many_images_at_once_each_get_their_own_answer(pool: DecoderPool) -> None:
    bodies = [picture(seed) for seed in range(20)]
    ends = [future.result(60) for future in [pool.submit(body, RULES) for body in bodies]]
    again = [pool.submit(body, RULES).result(60) for body in bodies]
    assert ends == again
    assert len({end.hashes.sha256 for end in ends}) == 20


@pytest.mark.shared_data
def test_e1_to_e12_odd_and_hostile_images_end_as_expected(pool: DecoderPool, shared_data: Path) -> None:
    with (shared_data / "images" / "EXPECTED-pillow13.tsv").open() as file:
        expected = list(csv.DictReader(file, delimiter="\t"))
    futures = [pool.submit((shared_data / row["path"]).read_bytes(), RULES) for row in expected]
    wrong = []
    counts: Counter[str] = Counter()
    for row, future in zip(expected, futures, strict=True):
        found = future.result(120)
        counts[reason_name(found.reason)] += 1
        wrong += _differences(row, found)
    assert not wrong
    assert counts[""] > 350
    assert not counts["decoder_crash"]
    assert not counts["decode_timeout"]


def _differences(row: dict[str, str], found: Examined) -> list[str]:
    path, reason = row["path"], reason_name(found.reason)
    if path in MAY_DIFFER:
        return [] if reason == MAY_DIFFER[path] else [f"{path}: {reason}"]
    if row["status"] != "ok":
        return [] if reason in IMAGE_REASONS else [f"{path}: {reason!r} in spite of {row['status']}"]
    name = {"MPO": "jpeg"}.get(row["format"], row["format"].lower())
    if name not in RULES.formats:
        return [] if reason == "unsupported_format" else [f"{path}: {reason}"]
    size = f"{found.original_width}x{found.original_height}"
    if (reason, found.format, size) != ("", name, row["upright"]):
        return [f"{path}: {reason} {found.format} {size} {found.detail}"]
    return []


@pytest.mark.shared_data
def test_e14_an_altered_photo_stays_within_a_few_bits(pool: DecoderPool, shared_data: Path) -> None:
    folder = shared_data / "near-dup" / "ThreatExchange"
    hashes = {
        path.stem: found.stored.phash
        for path in sorted(folder.iterdir())
        if (found := pool.submit(path.read_bytes(), RULES).result(60)).stored is not None
    }
    original = hashes.pop("aaa-orig")
    moved = {"bridge-3-rotate-180", "bridge-5-flipx"}
    bits = {name: distance(original, phash) for name, phash in hashes.items()}
    assert max(count for name, count in bits.items() if name not in moved) <= 6
    assert min(bits[name] for name in moved) > 16
