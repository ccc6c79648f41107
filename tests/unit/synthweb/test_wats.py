"""WATs as Common Crawl writes them, and as nobody should."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import can_ada

from pairmill_synthweb.wat import members, write_wats
from pairmill_synthweb.world import DEFECT_DROPS, Defect, Page
from tests.unit.synthweb.worlds import world


def payload_of(member: bytes) -> tuple[bytes, bytes]:
    """Header and payload of a record, by either kind of line ends."""
    data = gzip.decompress(member)
    for end in (b"\r\n\r\n", b"\n\n"):
        head, separator, rest = data.partition(end)
        if separator:
            return head, rest
    raise AssertionError(data[:100])


def test_each_record_is_a_member_of_its_own() -> None:
    wat = world().wats[0]
    found = list(members(world(), wat))
    pages = sum(isinstance(record, Page) for record in wat.records)
    assert len(found) == 1 + 3 * pages + (len(wat.records) - pages)
    assert payload_of(found[0])[0].startswith(b"WARC/1.0\r\nWARC-Type: warcinfo")


def test_content_length_is_right() -> None:
    for member in list(members(world(), world().wats[0]))[:200]:
        data = gzip.decompress(member)
        if not data.startswith(b"WARC/1.0"):
            continue
        head, payload = payload_of(member)
        fields = dict(line.split(b": ", 1) for line in head.replace(b"\r", b"").split(b"\n")[1:])
        end = b"\r\n\r\n" if b"\r\n" in head else b"\n\n"
        assert len(payload) == int(fields[b"Content-Length"]) + len(end)


def test_a_page_has_request_response_and_metadata_in_the_json_of_common_crawl() -> None:
    documents: list[dict[str, Any]] = []
    for member in list(members(world(), world().wats[0]))[1:]:
        head, payload = payload_of(member)
        if b"application/json" not in head:
            continue
        try:
            document = json.loads(payload)
        except (json.JSONDecodeError, RecursionError):
            continue
        if isinstance(document, dict) and isinstance(document.get("Envelope"), dict):
            documents.append(document)
    kinds = [one["Envelope"].get("WARC-Header-Metadata", {}).get("WARC-Type") for one in documents]
    assert {"request", "response", "metadata"} <= set(kinds)
    response = documents[kinds.index("response")]
    html = response["Envelope"]["Payload-Metadata"]["HTTP-Response-Metadata"]["HTML-Metadata"]
    assert {"path", "url"} <= html["Links"][0].keys()
    assert response["Container"]["Filename"].endswith(".warc.gz")
    offsets = [int(one["Container"]["Offset"]) for one in documents if "Container" in one]
    assert len(set(offsets)) > len(offsets) // 2


def test_equal_worlds_give_equal_bytes(tmp_path: Path) -> None:
    first = write_wats(world(), tmp_path / "one")
    second = write_wats(world(), tmp_path / "two")
    assert [path.name for path in first] == [wat.name for wat in world().wats]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_every_spelling_of_a_url_resolves_to_it() -> None:
    seen = set()
    for wat in world().wats:
        for page in wat.pages():
            base = can_ada.parse(page.base or page.url)
            for link in page.links:
                if link.candidate >= 0 and link.url is not None:
                    parsed = base + link.url
                    parsed.hash = ""
                    assert parsed.href == world().candidates[link.candidate].url
                    seen.add(link.url != parsed.href)
    assert seen == {True, False}


def test_every_defect_is_there_once_or_more_and_has_a_reason() -> None:
    found = {record for wat in world().wats for record in wat.records if isinstance(record, Defect)}
    assert found == set(Defect) == set(DEFECT_DROPS)


def test_b1_the_last_wat_ends_in_the_middle_of_a_member() -> None:
    *_, last = members(world(), world().wats[-1])
    inflater = zlib.decompressobj(31)
    inflater.decompress(last)
    assert not inflater.eof


def test_b2_a_corrupt_member_cannot_be_inflated_and_the_next_can() -> None:
    wat = world().wats[len(world().wats) // 2]
    found = list(members(world(), wat))
    broken = []
    for place, member in enumerate(found[:-1]):
        try:
            gzip.decompress(member)
        except (zlib.error, EOFError, gzip.BadGzipFile):
            broken.append(place)
    assert len(broken) == 1
    assert gzip.decompress(found[broken[0] + 1])


def test_b4_a_bomb_is_small_and_inflates_over_the_cap() -> None:
    bombs = [
        member
        for wat in world().wats
        for member, record in zip(_defects(wat.name), _records(wat.name), strict=True)
        if record is Defect.BOMB
    ]
    assert bombs
    assert all(len(member) < 100_000 for member in bombs)
    assert all(len(gzip.decompress(member)) > world().rules.max_record_bytes for member in bombs)


def _records(name: str) -> list[Defect]:
    wat = next(wat for wat in world().wats if wat.name == name)
    return [record for record in wat.records if isinstance(record, Defect)]


def _defects(name: str) -> list[bytes]:
    """The members of a WAT's defects, in order."""
    wat = next(wat for wat in world().wats if wat.name == name)
    found = iter(list(members(world(), wat))[1:])
    chosen = []
    for record in wat.records:
        if isinstance(record, Page):
            for _ in range(3):
                next(found)
        else:
            chosen.append(next(found))
    return chosen
