"""The page over a real dataset: `pairmill demo`, then `pairmill explore`, driven as a user would."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from pairmill.dataset.reader import Dataset
from tests.browser.conftest import Visit, visits
from tests.browser.guard import Guard
from tests.browser.waiting import scroll_until
from tests.browser.window import PHONE
from tests.e2e.command import pairmill, start

CANDIDATES: Final = 400


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small dataset."""
    folder = tmp_path_factory.mktemp("real") / "demo"
    ended = pairmill("demo", "--candidates", CANDIDATES, "--out", folder)
    assert (folder / "dataset.json").exists(), ended.err
    return folder


@pytest.fixture(scope="session")
def address(demo: Path) -> Iterator[str]:
    """Where `pairmill explore` serves it."""
    with start("explore", demo, "--port", 0, "--no-browser", "--json") as process:
        assert process.stdout is not None
        yield str(json.loads(process.stdout.readline())["address"]).rstrip("/")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


@pytest.fixture
def open_real(browser: Browser, address: str) -> Iterator[Visit]:
    """Opens an address of the real explorer in a new window."""
    yield from visits(browser, address, Guard(address))


def cards(page: Page) -> list[str]:
    expect(page.locator(".card:not(.ghost)").first).to_be_visible()
    ids: list[str] = page.locator(".card").evaluate_all("(all) => all.map((card) => card.dataset.sample)")
    return ids


def test_a_text_finds_samples_with_their_stored_pictures(open_real: Visit) -> None:
    page = open_real("?q=two red hearts")
    expect(page.locator(".summary")).to_contain_text("nearest first")
    picture = page.locator(".card img").first
    expect(picture).to_have_js_property("complete", value=True)
    assert picture.evaluate("(image) => image.naturalWidth") > 0


def test_a_samples_own_picture_finds_it_again(open_real: Visit, address: str, browser: Browser) -> None:
    page = open_real("?verdicts=kept")
    sample = cards(page)[0]
    image = page.request.get(f"{address}/api/v1/images/demo/{sample}?side=0").body()
    page.locator("input[type=file]").set_input_files(
        FilePayload(name="own.jpg", mimeType="image/jpeg", buffer=image)
    )
    expect(page.locator(".chip.part")).to_be_visible()
    expect(page.locator(".summary")).to_contain_text("nearest first")
    assert sample in cards(page)[:5]


def test_more_like_this_begins_with_the_sample_itself(open_real: Visit) -> None:
    page = open_real("?q=a blue star")
    sample = cards(page)[0]
    page.locator(".card").first.hover()
    page.locator(".card").first.get_by_role("button", name="More like this").click()
    expect(page.locator(".chip.part")).to_be_visible()
    expect(page.locator(".card").first).to_have_attribute("data-sample", sample)


def test_results_go_on_to_the_last_sample(open_real: Visit, demo: Path) -> None:
    page = open_real("?safe=blur")
    rows = sum(batch.num_rows for batch in Dataset.open(demo).samples(["sample_id"]))
    expect(page.locator(".panel-count")).to_have_text(f"{rows} of {rows} samples")
    scroll_until(page, page.get_by_text("That is all."))
    assert len(set(cards(page))) == rows


def test_h6_what_is_unsafe_is_hidden_then_covered(open_real: Visit) -> None:
    page = open_real("?unsafe_score=0.6..")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.get_by_role("radio", name="Blurred").check(force=True)
    expect(page.locator(".card .covered").first).to_be_visible()


def test_a_filter_leaves_what_the_parquet_says(open_real: Visit, demo: Path) -> None:
    page = open_real("?safe=blur&languages=de&similarity=0.6..")
    rows = [
        row
        for batch in Dataset.open(demo).samples(["LANGUAGE", "similarity"])
        for row in batch.to_pylist()
        if row["LANGUAGE"] == "de" and (row["similarity"] or 0.0) >= 0.6
    ]
    assert rows
    expect(page.locator(".panel-count")).to_contain_text(f"{len(rows)} of")


def test_a_sample_says_where_it_is_from(open_real: Visit) -> None:
    page = open_real("?q=a green tree", PHONE)
    page.locator(".card-open").first.click()
    detail = page.get_by_role("dialog", name="Sample")
    for title in ("Scores", "Where it was found", "Consent evidence"):
        expect(detail.get_by_role("heading", name=title)).to_be_visible()


def test_funnel_dropped_and_threshold_show_the_dataset(open_real: Visit, demo: Path) -> None:
    page = open_real("?view=funnel")
    given = {
        line["stage"]: line["count"]
        for line in json.loads((demo / "dataset.json").read_text())["funnel"]
        if line["outcome"] == "in"
    }
    expect(page.locator(".stage[data-stage=download] .stage-given")).to_have_text(str(given["download"]))
    page.get_by_role("link", name="Dropped").click()
    expect(page.locator(".dropped-row").first).to_be_visible()
    page.get_by_role("link", name="Threshold").click()
    expect(page.locator(".cut-sum")).to_contain_text("would be kept")
    expect(page.get_by_role("region", name="Just kept").locator(".card").first).to_be_visible()


def test_a_report_is_filed_beside_the_dataset(open_real: Visit, demo: Path) -> None:
    page = open_real("?q=a yellow house")
    page.locator(".card-open").first.click()
    page.get_by_role("button", name="Report", exact=True).click()
    form = page.get_by_role("dialog", name="Report this sample")
    form.get_by_label("In your words").fill("Please remove it.")
    form.get_by_role("button", name="Send report").click()
    expect(form).to_contain_text("The report is filed")
    filed = [json.loads(path.read_text()) for path in (demo / "reports").rglob("*.json")]
    assert [report["message"] for report in filed] == ["Please remove it."]


def test_a_query_becomes_a_subset_and_the_subset_a_file(open_real: Visit, demo: Path) -> None:
    page = open_real("?q=a red circle&languages=en")
    page.get_by_role("button", name="Make a subset").click()
    page.get_by_label("Name").fill("red-circles")
    page.get_by_label("At most so many nearest").fill("25")
    expect(page.locator(".preview .facts")).to_contain_text("25")
    page.get_by_role("button", name="Save recipe").click()
    page.get_by_label("Written as").select_option("Parquet: all columns")
    page.get_by_role("button", name="Export", exact=True).click()
    export = page.locator(".export")
    expect(export).to_have_attribute("data-state", "complete", timeout=60_000)
    folder = demo / (export.locator("code").text_content() or "")
    tables = [pq.read_table(path) for path in folder.rglob("*.parquet")]
    assert sum(table.num_rows for table in tables) == 25
    assert {language for table in tables for language in table["LANGUAGE"].to_pylist()} == {"en"}
