"""Real WATs and WARCs: the numbers are right, and no file ends in an exception."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from pairmill_crawler.adapters.detectors import detector_named
from pairmill_crawler.adapters.sources import Sources
from pairmill_crawler.config import SourceConfig
from pairmill_crawler.crawl import crawl_wat
from pairmill_crawler.urls import ImageUrl, document_base, image_url
from tests.unit.crawler.wats import Crawled, Held, collect, order, rules

pytestmark = pytest.mark.shared_data


def crawled(path: Path) -> Crawled:
    given = order(wat=str(path), rules=rules(max_record_bytes=32 << 20, detector="cld2"))
    return collect(crawl_wat(given, Sources(SourceConfig()), detector_named, Held()))


def test_real_wats_give_the_expected_links(shared_data: Path) -> None:
    with (shared_data / "wat-derived/EXPECTED.tsv").open() as file:
        expected = list(csv.DictReader(file, delimiter="\t"))
    assert len(expected) == 9
    for line in expected:
        found = crawled(shared_data / line["wat"])
        images = len(found.rows) + found.counts.get("no_alt", 0)
        assert (line["wat"], images) == (line["wat"], int(line["img_src_links"]))
        assert len(found.rows) == int(line["img_with_nonblank_alt"])
        assert len(set(found.pairs)) == int(line["distinct_abs_url_alt"])
        records = found.counts["no_html_metadata"] + len({row["wat_offset"] for row in found.rows})
        assert records <= int(line["warc_records"])
        assert set(found.counts) <= {"no_alt", "no_html_metadata", "not_image_link"}


@pytest.mark.parametrize("name", ["example", "parse"])
def test_the_addresses_of_images_that_are_known_to_exist_come_out(shared_data: Path, name: str) -> None:
    wat = {"example": "aut", "parse": "node-parseMe"}[name]
    pairs = set(crawled(shared_data / f"wat-derived/{wat}.warc.wat.gz").pairs)
    with (shared_data / f"wat-derived/E2E-{name}.tsv").open() as file:
        lines = list(csv.DictReader(file, delimiter="\t"))
    assert lines
    assert {line["image_url"] for line in lines} <= {url for url, _ in pairs}


@pytest.mark.parametrize("folder", ["wat-derived", "wat-edge", "wat-real", "warc"])
def test_b1_no_file_ends_in_an_exception(shared_data: Path, folder: str) -> None:
    paths = [path for path in (shared_data / folder).rglob("*") if path.is_file() and path.suffix != ".tsv"]
    assert paths
    for path in paths:
        found = crawled(path)
        assert len(found.rows) + found.drops.counts.total() > 0, path


def test_b1_a_clipped_file_is_truncated_and_a_bad_member_corrupt(shared_data: Path) -> None:
    clipped = crawled(shared_data / "warc/chatnoir-resiliparse/clipped.warc.gz")
    assert clipped.counts == {"truncated": 1}
    corrupt = crawled(shared_data / "warc/webarchive-commons/double-single-inflate-error.gz")
    assert corrupt.counts["corrupt_gzip"] == 1


def test_c8_addresses_resolve_as_the_url_standard_says(shared_data: Path) -> None:
    cases = json.loads(
        (shared_data / "urls/ada/urltestdata.json").read_text(encoding="utf-8", errors="replace")
    )
    checked = 0
    for case in cases:
        if not isinstance(case, dict) or not (case["base"] or "").startswith(("http://", "https://")):
            continue
        found = image_url(case["input"], document_base(case["base"], ""), 10_000)
        if isinstance(found, ImageUrl):
            assert found.url == case["href"].partition("#")[0], case["input"]
            checked += 1
        elif case.get("failure"):
            checked += 1
        else:
            assert not case["href"].startswith("http") or _is_refused(case["href"], case["input"]), case[
                "input"
            ]
    assert checked > 100


def test_c8_no_real_address_escapes(shared_data: Path) -> None:
    base = document_base("http://page.test/", "")
    for line in (shared_data / "urls/kasztp_6000.txt").read_text(errors="replace").splitlines():
        found = image_url(line, base, 2083)
        assert not isinstance(found, ImageUrl) or found.url.isascii()


def _is_refused(href: str, raw: str) -> bool:
    """What the standard lets pass and we do not: ports, line breaks, nothing at all."""
    port = href.partition("://")[2].partition("/")[0].rpartition(":")[2]
    return port.isdigit() or "%0" in href.lower() or "\n" in raw or "\r" in raw or not raw.strip()
