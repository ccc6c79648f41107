"""Whole runs over WATs made from real WARCs, with images served by replaying the WARC they came from."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
import pytest

from pairmill.dataset.reader import Dataset
from tests.e2e.command import pairmill, succeed
from tests.fakes.replay import Recorded, recorded_responses, replay

pytestmark = [pytest.mark.shared_data, pytest.mark.slow]

_SOURCES: Final = {
    "E2E-example.tsv": ("aut.warc.wat.gz", "aut/example.warc.gz"),
    "E2E-parse.tsv": ("node-parseMe.warc.wat.gz", "node-warc/parseMe.warc.gz"),
}
_QUICKLY: Final = (
    *("--set", "download.retry_delay_seconds=0.1"),
    *("--set", "download.host_delay_seconds=0.005"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The images that the WARCs are known to hold, and how to reach them."""

    rows: list[dict[str, str]]
    wats: list[Path]
    options: list[str]
    env: dict[str, str]

    def run(self, out: Path, *options: str) -> Dataset:
        """Runs the pipeline over the WATs."""
        wats = [text for wat in self.wats for text in ("--wat", str(wat))]
        succeed("run", *wats, "--out", out, *self.options, *_QUICKLY, *options, env=self.env)
        return Dataset.open(out)


@pytest.fixture(scope="module")
def known(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    derived = shared_data / "wat-derived"
    rows: list[dict[str, str]] = []
    responses: dict[str, Recorded] = {}
    for table, (_, warc) in _SOURCES.items():
        with (derived / table).open() as file:
            rows.extend(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        responses |= recorded_responses(shared_data / "warc" / warc)
    with replay(responses, tmp_path_factory.mktemp("replay")) as server:
        routes = server.connect_to(row["image_url"] for row in rows)
        yield Known(
            rows=rows,
            wats=[derived / wat for wat, _ in _SOURCES.values()],
            options=[
                *("--allow-network", "127.0.0.0/8"),
                *(text for route in routes for text in ("--connect-to", route)),
            ],
            env={"PAIRMILL_CA_FILE": str(server.ca_file)},
        )


def test_every_known_image_is_kept_by_the_profile_everything(known: Known, tmp_path: Path) -> None:
    dataset = known.run(tmp_path / "out", "--profile", "everything")
    found = {
        (row["URL"], row["TEXT"]): row for batch in dataset.samples(_COLUMNS) for row in batch.to_pylist()
    }
    assert {(row["image_url"], row["alt"]) for row in known.rows} <= found.keys()
    for row in known.rows:
        sample = found[row["image_url"], row["alt"]]
        assert sample["verdict"] == "kept"
        assert sample["content_sha256"] == row["sha256"]
        assert (sample["WIDTH"], sample["HEIGHT"]) == (int(row["width"]), int(row["height"]))
    assert len({sample["content_sha256"] for sample in found.values()}) == 24
    assert pairmill("audit", tmp_path / "out").code == 0


def test_the_rules_of_laion_5b_give_the_reason_that_follows_from_each_row(
    known: Known, tmp_path: Path
) -> None:
    dataset = known.run(tmp_path / "out", "--profile", "laion-5b")
    ends = {(row["url"], row["caption"]): row["reason"] for row in _shard_rows(dataset)}
    for row in known.rows:
        reason = ends.get((row["image_url"], row["alt"]), "alt_too_short")
        assert reason == _laion_reason(row), row
    assert Counter(map(_laion_reason, known.rows)).keys() >= {"", "alt_too_short", "body_too_small"}
    for batch in dataset.samples(["similarity", "LANGUAGE", "verdict"]):
        for sample in batch.to_pylist():
            least = 0.28 if sample["LANGUAGE"] == "en" else 0.26
            assert (sample["verdict"] == "kept") == (sample["similarity"] >= least)


def test_every_other_wat_ends_with_its_counts(shared_data: Path, tmp_path: Path) -> None:
    used = {wat for wat, _ in _SOURCES.values()}
    folders = ("wat-derived", "wat-edge", "wat-real")
    wats = [
        path
        for folder in folders
        for path in sorted((shared_data / folder).rglob("*"))
        if path.is_file() and path.suffix != ".tsv" and path.name not in used
    ]
    ended = pairmill("extract", *wats, "--out", tmp_path / "links.parquet", "--json")
    facts = ended.json()
    assert ended.code == 1  # done, and some of the odd ones are shorter than they say
    assert {Path(wat).parent.parent.name for wat in facts["incomplete"]} == {"wat-edge"}
    assert facts["wats"] == len(wats)
    assert facts["rows_in"] == facts["candidates"] + sum(facts["left_out"].values())
    assert pq.read_metadata(tmp_path / "links.parquet").num_rows == facts["candidates"] > 0


def _shard_rows(dataset: Dataset) -> Iterator[dict[str, Any]]:
    for batch in dataset.shard_index(["url", "caption", "reason"]):
        yield from batch.to_pylist()


def _laion_reason(row: dict[str, str]) -> str:
    """The first of the published rules that a row breaks; none if it is downloaded."""
    if len(row["alt"]) < 5:
        return "alt_too_short"
    if int(row["bytes"]) < 5000:
        return "body_too_small"
    return "" if row["format"] in ("JPEG", "PNG", "WEBP") else "unsupported_format"


_COLUMNS: Final = ["URL", "TEXT", "WIDTH", "HEIGHT", "content_sha256", "verdict"]
