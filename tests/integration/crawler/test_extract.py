"""Extraction of WATs to one table, in real child processes."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pairmill.errors import ConfigurationError
from pairmill.jobspec.profiles import profile
from pairmill.schemas import CANDIDATES
from pairmill_crawler.extract import ExtractProgress, extract_wats
from pairmill_protos.job.v1.job_pb2 import CrawlRules
from tests.unit.crawler.wats import image, info_record, page_record, wat_of


@pytest.fixture
def wats(tmp_path: Path) -> list[str]:
    paths = []
    for wat in range(3):
        links = [image(f"/{wat}/{n}.jpg", f"picture {n} of file {wat}") for n in range(50)]
        path = tmp_path / f"{wat}.wat.gz"
        path.write_bytes(wat_of(info_record(), page_record(*links, image("/x.jpg", ""))))
        paths.append(str(path))
    return paths


def rules() -> CrawlRules:
    return profile("everything").crawl_rules


def test_all_candidates_stand_in_one_table_with_counts_of_the_rest(wats: list[str], tmp_path: Path) -> None:
    told: list[ExtractProgress] = []
    out = tmp_path / "out.parquet"
    summary = extract_wats(
        [*wats, wats[0], "/no/such.wat.gz"], rules(), out, told.append, crawl="CC-X", workers=2
    )
    assert summary.candidates == 150
    assert summary.left_out == {"no_html_metadata": 3, "no_alt": 3, "source_missing": 1}
    assert summary.incomplete == {"/no/such.wat.gz": "source_missing"}
    assert (summary.wats, summary.rows_in) == (4, 157)
    table = pq.read_table(out)
    assert table.schema.names == CANDIDATES.names
    assert table.num_rows == 150
    assert table.column("wat_index").to_pylist() == [0] * 50 + [1] * 50 + [2] * 50
    assert set(table.column("crawl").to_pylist()) == {"CC-X"}
    assert (told[-1].wats_done, told[-1].candidates, told[-1].left_out) == (4, 150, 7)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "0.wat.gz",
        "1.wat.gz",
        "2.wat.gz",
        "out.parquet",
    ]


def test_b10_an_interrupted_extraction_goes_on_with_what_is_done(wats: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"

    def interrupt(progress: ExtractProgress) -> None:
        if progress.wats_done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract_wats(wats, rules(), out, interrupt, workers=1)
    assert not out.exists()
    read: list[int] = []
    summary = extract_wats(wats, rules(), out, lambda progress: read.append(progress.source_bytes), workers=1)
    assert summary.candidates == 150
    assert 0 < read[-1] < sum(Path(wat).stat().st_size for wat in wats)
    other = tmp_path / "other.parquet"
    extract_wats(wats, rules(), other, lambda _: None)
    assert pq.read_table(out).equals(pq.read_table(other))


@pytest.mark.parametrize("suffix", [".parquet", ".json"])
def test_b10_parts_of_which_some_were_removed_already_are_made_anew(
    wats: list[str], tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / "out.parquet"

    def interrupt(progress: ExtractProgress) -> None:
        if progress.wats_done == len(wats):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract_wats(wats, rules(), out, interrupt, workers=1)
    next((tmp_path / "out.parquet.parts").glob(f"*{suffix}")).unlink()
    assert extract_wats(wats, rules(), out, lambda _: None, workers=1).candidates == 150
    assert pq.read_table(out).num_rows == 150


def test_a_part_of_another_place_in_the_list_is_not_taken(wats: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"

    def interrupt(progress: ExtractProgress) -> None:
        if progress.wats_done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract_wats(wats, rules(), out, interrupt, workers=1)
    extract_wats(wats[::-1], rules(), out, lambda _: None, workers=1)
    assert pq.read_table(out).column("wat_index").to_pylist() == [0] * 50 + [1] * 50 + [2] * 50


def test_a_part_of_other_rules_or_of_another_file_is_not_taken(wats: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"

    def interrupt(progress: ExtractProgress) -> None:
        if progress.wats_done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract_wats(wats, rules(), out, interrupt, workers=1)
    strict = rules()
    strict.min_text_characters = 10_000
    summary = extract_wats(wats, strict, out, lambda _: None)
    assert (summary.candidates, summary.left_out["alt_too_short"]) == (0, 150)
    assert pq.read_table(out).num_rows == 0


def test_rules_that_cannot_be_kept_are_refused(wats: list[str], tmp_path: Path) -> None:
    wrong = rules()
    wrong.language_detector = "crystal ball"
    with pytest.raises(ConfigurationError, match="language_detector"):
        extract_wats(wats, wrong, tmp_path / "out.parquet", lambda _: None)
