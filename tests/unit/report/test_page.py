"""The report's page: self-contained, safe whatever the texts are, and the same for the same facts."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pairmill.dataset.manifest import FunnelRow
from pairmill_gateway.report import ReportFacts, render_report
from pairmill_gateway.report.model import (
    GallerySample,
    Histogram,
    LostExample,
    Rate,
    RoleTotal,
    Share,
    SizeMap,
    Threshold,
)

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</bdi></p></section><h1>gone",
    "&lt;b&gt;&#x3c;script",
    "javascript:alert(1)",
    "\x00\x1b[31m\u202eevil\ud800",
    "<svg/onload=alert(1)>",
    "]]><!--",
    'https://a.test/"onclick=alert(1)',
)
ADDRESSES = (
    "javascript:alert(1)",
    "JAVASCRIPT:alert(1)",
    " javascript:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "//evil.test/x",
    "file:///etc/passwd",
    "https://",
    "http://[bad",
    "https://ok.test/a b",
    "https://ok.test/\u0000",
)


class _Page(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend((tag, name, value or "") for name, value in attrs)

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def values(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]


def _sample(text: str = "a red kite", url: str = "https://a.test/1.jpg", **changes: object) -> GallerySample:
    sample = GallerySample(
        sample_id="0" * 32,
        url=url,
        text=text,
        page_url="https://a.test/",
        language="en",
        width=640,
        height=480,
        reason="",
        scores={"similarity": 0.31, "punsafe": 0.01},
        thumbnail=b"\xff\xd8\xffjpeg",
    )
    return replace(sample, **changes)  # type: ignore[arg-type]  # fields by name


def _row(stage: str, outcome: str, reason: str, count: int) -> FunnelRow:
    return FunnelRow(stage=stage, outcome=outcome, reason=reason, count=count)


FUNNEL = (
    _row("crawl", "in", "", 1000),
    _row("crawl", "passed", "", 300),
    _row("crawl", "dropped", "no_alt", 600),
    _row("crawl", "dropped", "no_html_metadata", 100),
    _row("plan", "in", "", 300),
    _row("plan", "passed", "", 200),
    _row("plan", "dropped", "duplicate_sample", 100),
    _row("download", "in", "", 200),
    _row("download", "passed", "", 120),
    _row("download", "failed", "http_4xx", 80),
    _row("embed", "in", "", 120),
    _row("embed", "passed", "", 120),
    _row("finalise", "in", "", 120),
    _row("finalise", "kept", "", 50),
    _row("finalise", "filtered", "low_similarity", 70),
    _row("dataset", "in", "", 200),
    _row("dataset", "kept", "", 50),
    _row("dataset", "filtered", "low_similarity", 70),
    _row("dataset", "failed", "http_4xx", 80),
)

FACTS = ReportFacts(
    job_id="j0123",
    profile="default",
    crawl="CC-TEST",
    state="complete",
    why=(),
    bundle="tiny 1",
    version="ab" * 32,
    code_version="0.1.0",
    wats=3,
    funnel=FUNNEL,
    totals=(RoleTotal(role="samples", files=3, rows=120, bytes=12_345),),
    histograms=(
        Histogram(
            name="similarity",
            low=0.0,
            high=0.5,
            kept=(0, 0, 5, 9, 1),
            dropped=(1, 4, 2, 0, 0),
            unknown=2,
            thresholds=(Threshold(value=0.26, label="others"), Threshold(value=0.28, label="en")),
        ),
    ),
    sizes=SizeMap(edges=(16, 64, 256), counts=((1, 2), (0, 7))),
    languages=(Share(name="de", candidates=9, downloaded=5, kept=2),),
    domains=(Share(name="a.test", candidates=9, downloaded=5, kept=2),),
    domains_counted=1,
    rate=Rate(
        start=datetime(2026, 1, 1, 12, tzinfo=UTC), step_seconds=10, downloads=(5.0, 9.0), embedded=(0.0, 4.0)
    ),
    kept=(_sample(),),
    dropped={"low_similarity": (_sample(reason="low_similarity"),)},
    lost={"http_4xx": (LostExample(url="https://a.test/2.jpg", text="gone", detail="404"),)},
)


def test_the_page_is_self_contained() -> None:
    page = _Page(render_report(FACTS))
    assert "script" not in page.tags
    assert not {"link", "iframe", "object", "embed", "base", "form", "audio", "video"} & set(page.tags)
    assert page.values("src")
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.values("src"))
    assert not page.values("srcset")
    assert "@import" not in render_report(FACTS)
    assert "url(" not in re.sub(r"url\(#(fade|g)\d+\)", "", render_report(FACTS))


def test_the_policy_allows_this_style_sheet_and_inlined_images_alone() -> None:
    text = render_report(FACTS)
    (policy,) = [value for value in _Page(text).values("content") if "default-src" in value]
    style = text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.split("; ") == [
        "default-src 'none'",
        "img-src data:",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert not _Page(text).values("style")  # the policy would not allow them


def test_equal_facts_give_equal_pages() -> None:
    assert render_report(FACTS) == render_report(FACTS)


@pytest.mark.parametrize("text", HOSTILE)
def test_h5_foreign_text_stays_text(text: str) -> None:
    clean, hostile = _Page(render_report(FACTS)), _Page(render_report(_spoilt(text)))
    assert hostile.tags == clean.tags
    names = [(tag, name) for tag, name, _ in clean.attributes]
    assert [(tag, name) for tag, name, _ in hostile.attributes if name != "title"] == [
        pair for pair in names if pair[1] != "title"
    ]
    assert not [name for _, name, _ in hostile.attributes if name.startswith("on")]
    render_report(_spoilt(text)).encode()  # whatever stood there, it is UTF-8 now


def _spoilt(text: str) -> ReportFacts:
    share = Share(name=text, candidates=9, downloaded=5, kept=2)
    return replace(
        FACTS,
        crawl=text,
        bundle=text,
        languages=(share,),
        domains=(share,),
        kept=(_sample(text=text),),
        dropped={"low_similarity": (_sample(text=text, reason="low_similarity"),)},
        lost={"http_4xx": (LostExample(url=text, text=text, detail=text),)},
    )


@pytest.mark.parametrize("url", ADDRESSES)
def test_h5_only_web_addresses_become_links(url: str) -> None:
    page = _Page(render_report(replace(FACTS, kept=(_sample(url=url),), dropped={})))
    assert not page.values("href")


def test_links_say_nothing_of_where_they_were_clicked() -> None:
    page = _Page(render_report(FACTS))
    assert page.values("href") == ["https://a.test/1.jpg"] * 2
    assert set(page.values("rel")) == {"noopener noreferrer nofollow"}
    assert "no-referrer" in page.values("content")


def test_h6_what_is_not_known_to_be_safe_is_hidden_until_clicked() -> None:
    hidden = _sample(hidden=True, scores={"similarity": 0.3, "punsafe": None})
    page = render_report(replace(FACTS, kept=(_sample(), hidden)))
    assert page.count('class="shot veiled"') == 1
    assert "not known to be safe" in page
    assert "Show the 1 hidden image<" in page
    assert "hidden image" not in render_report(FACTS)


def test_a_sample_without_its_bytes_has_a_placeholder() -> None:
    page = render_report(replace(FACTS, kept=(_sample(thumbnail=None, hidden=True),)))
    assert "no image stored" in page
    assert "click to show" not in page


def test_the_numbers_are_those_of_the_funnel() -> None:
    shown = "".join(_Page(render_report(FACTS)).text)
    assert "links read900" in shown
    assert "candidates20022.2 % of links" in shown
    assert "downloaded12060.0 % of candidates" in shown
    assert "kept5025.0 % of candidates" in shown
    assert "no_html_metadata 100" in shown
    assert "Image-text similarity is below the threshold" in shown


def test_a_job_without_anything_has_a_page_too() -> None:
    empty = ReportFacts(
        job_id="j",
        profile="default",
        crawl="",
        state="cancelled",
        why=("the job was cancelled",),
        bundle="",
        version="",
        code_version="",
        wats=1,
        funnel=(),
        totals=(),
    )
    page = render_report(empty)
    assert "the job was cancelled" in page
    assert "Nothing went in" in page


@pytest.mark.shared_data
def test_h5_real_texts_with_markup_stay_text(shared_data: Path) -> None:
    (path,) = (shared_data / "url-caption").rglob("*.parquet")
    table = pq.read_table(path)
    rows = table.to_pylist()
    columns = {name.lower(): name for name in table.column_names}
    samples = tuple(
        _sample(text=str(row[columns.get("caption", columns.get("text", ""))]), url=str(row[columns["url"]]))
        for row in rows
    )
    page = _Page(render_report(replace(FACTS, kept=samples)))
    assert page.tags.count("img") == len(samples) + 1
    assert "script" not in page.tags
