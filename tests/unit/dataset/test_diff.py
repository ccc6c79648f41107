"""U0: what makes two datasets the same, and what does not."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pairmill.dataset import roles
from pairmill.dataset.diff import DiffReport, diff
from pairmill.dataset.manifest import Manifest, content_version, read_manifest
from pairmill.errors import ConfigurationError, CorruptObjectError, InvalidRecordError
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import Stage
from tests.fakes.dataset import build_dataset
from tests.fakes.dataset_options import Options, save_manifest, small_spec
from tests.fakes.dataset_world import Candidate, Scores, make_world, with_noise
from tests.unit.dataset.conftest import first_file

WORLD = make_world(candidates=50)


def _built(folder: Path, **options: object) -> Path:
    build_dataset(folder, Options(**{"world": WORLD, **options}))  # type: ignore[arg-type]  # options by name
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _built(tmp_path_factory.mktemp("base"))


def test_a1_a10_other_attempts_in_another_order_are_the_same_dataset(base: Path, tmp_path: Path) -> None:
    other = _built(tmp_path, attempt_seed=7, shuffled=True)
    report = diff(base, other)
    assert report.same
    assert report.compared == len(WORLD)
    assert not report.settings
    assert "the same dataset" in next(report.lines())


@pytest.mark.parametrize("partition_rows", [1, 7, 1_000_000])
def test_memory_is_bounded_by_ranges_of_ids(partition_rows: int, base: Path, tmp_path: Path) -> None:
    other = _built(tmp_path, attempt_seed=7)
    report = diff(base, other, partition_rows=partition_rows)
    assert report.same
    assert report.compared == len(WORLD)


def test_dead_letters_are_candidates_too(tmp_path: Path) -> None:
    one = _built(tmp_path / "one", dead_stage=Stage.STAGE_DOWNLOAD)
    two = _built(tmp_path / "two", dead_stage=Stage.STAGE_DOWNLOAD, attempt_seed=3)
    report = diff(one, two)
    assert report.same
    assert report.compared == len(WORLD)


def test_a_lost_unit_shows(base: Path, tmp_path: Path) -> None:
    report = diff(base, _built(tmp_path, dead_stage=Stage.STAGE_EMBED))
    assert not report.same
    assert "outcome" in report.columns
    assert any(row.outcome == "dead_letter" for row in report.funnel)


def test_a_missing_sample_shows(base: Path, tmp_path: Path) -> None:
    missing = WORLD[3]
    report = diff(base, _built(tmp_path, world=tuple(one for one in WORLD if one is not missing)))
    assert (report.only_in_a, report.only_in_b) == (1, 0)
    assert report.examples_a == [missing.key]
    assert any(row.stage == "plan" for row in report.funnel)


@pytest.mark.parametrize(
    ("column", "shown"),
    [
        ("TEXT", "text"),
        ("LANGUAGE", "language"),
        ("page_url", "page_url"),
        ("wat_file", "wat_file"),
        ("content_sha256", "content_sha256"),
        ("md5", "md5"),
        ("phash", "phash"),
        ("cluster_id", "cluster_id"),
        ("rule_version", "rule_version"),
        ("verdict", "outcome"),
        ("reason", "reason"),
    ],
)
def test_each_column_of_u0_is_compared(column: str, shown: str, base: Path, copy_of: Copy) -> None:
    other = copy_of(base)
    _change(other, column, "0123" * 8)
    report = diff(base, other)
    assert not report.same
    assert set(report.columns) == {shown}
    assert report.columns[shown].count == 1
    (example,) = report.columns[shown].examples
    assert example[2] == "0123" * 8
    assert any(shown in line for line in report.lines())


@pytest.mark.parametrize("column", ["WIDTH", "HEIGHT", "warc_offset"])
def test_numbers_of_u0_are_compared(column: str, base: Path, copy_of: Copy) -> None:
    other = copy_of(base)
    _change(other, column, 7)
    assert not diff(base, other).same


@pytest.mark.parametrize("column", ["shard", "tar_offset", "stored_width", "licence", "model"])
def test_what_u0_leaves_open_is_not_compared(column: str, base: Path, copy_of: Copy) -> None:
    other = copy_of(base)
    _change(other, column, 7 if column in ("tar_offset", "stored_width") else "other")
    assert diff(base, other).same


@pytest.mark.parametrize(
    ("column", "shown"), [("reason", "reason"), ("caption", "text"), ("wat_file", "wat_file")]
)
def test_failed_candidates_are_compared_by_the_shard_index(
    column: str, shown: str, base: Path, copy_of: Copy
) -> None:
    other = copy_of(base)
    entry = first_file(other, roles.SHARD_INDEX)
    table = pq.read_table(other / entry.path)
    place = table.column("outcome").to_pylist().index("failed")
    _set(other / entry.path, column, place, "tls_error")
    report = diff(base, other)
    assert set(report.columns) == {shown}


@pytest.mark.parametrize(("role", "column"), [(roles.SAMPLES, "similarity"), (roles.SHARD_INDEX, "language")])
def test_a_file_without_a_column_is_damaged(role: str, column: str, base: Path, copy_of: Copy) -> None:
    other = copy_of(base)
    path = other / first_file(other, role).path
    pq.write_table(pq.read_table(path).drop_columns([column]), path)
    with pytest.raises(CorruptObjectError, match=f"no column {column}"):
        diff(base, other)


@pytest.mark.parametrize(("distance", "same"), [(0.0009, True), (0.0011, False)])
def test_scores_are_compared_to_a_thousandth(distance: float, same: bool, base: Path, copy_of: Copy) -> None:
    other = copy_of(base)
    entry = first_file(other, roles.SAMPLES)
    table = pq.read_table(other / entry.path)
    place = table.column("verdict").to_pylist().index("kept")
    score = table.column("AESTHETIC_SCORE")[place].as_py()
    _set(other / entry.path, "AESTHETIC_SCORE", place, score + distance)
    report = diff(base, other)
    assert report.same is same
    assert report.score_difference["AESTHETIC_SCORE"] == pytest.approx(distance, abs=1e-6)


def test_an_unknown_score_is_not_equal_to_a_known_one(base: Path, copy_of: Copy) -> None:
    other = copy_of(base)
    _change(other, "pwatermark", None)
    assert set(diff(base, other).columns) == {"pwatermark"}


def test_rows_without_an_id_are_refused_with_what_to_do(base: Path, copy_of: Copy) -> None:
    other = copy_of(base)
    _change(other, "sample_id", "no id")
    with pytest.raises(InvalidRecordError, match="pairmill audit"):
        diff(base, other)


def test_the_funnel_is_compared(base: Path, copy_of: Copy) -> None:
    other = copy_of(base)
    manifest = read_manifest(other)
    funnel = tuple(
        replace(row, count=row.count + 1) if row.reason == "no_alt" else row for row in manifest.funnel
    )
    _save(other, replace(manifest, funnel=funnel))
    report = diff(base, other)
    assert [(row.stage, row.reason, row.b - row.a) for row in report.funnel] == [("crawl", "no_alt", 1)]


def _wave_of_one(spec: JobSpec) -> None:
    spec.wave_size = 1


def _other_id_version(spec: JobSpec) -> None:
    spec.id_version = 2


@pytest.mark.parametrize(("change", "name"), [(_wave_of_one, "wave_size"), (_other_id_version, "id_version")])
def test_u6_other_waves_or_ids_are_refused(
    change: Callable[[JobSpec], None], name: str, base: Path, tmp_path: Path
) -> None:
    spec = small_spec()
    change(spec)
    with pytest.raises(ConfigurationError, match=name):
        diff(base, _built(tmp_path, spec=spec))


def test_other_thresholds_are_told_and_their_effect_shows(base: Path, tmp_path: Path) -> None:
    spec = small_spec()
    spec.score.max_unsafe_score = 0.3
    report = diff(base, _built(tmp_path, spec=spec))
    assert not report.same
    assert [name for name, _, _ in report.settings] == ["score.max_unsafe_score"]


# Verdicts that are too close to call


def _close_world(seed: int) -> tuple[Candidate, ...]:
    """Scores crowd round the thresholds, URLs have several texts, contents several copies."""
    draw = random.Random(seed)
    world = make_world(candidates=80, seed=seed)
    return tuple(
        replace(
            one,
            url=world[number // 3 * 3].url,
            host=world[number // 3 * 3].host,
            content=world[number // 6 * 6].content,
            failure="",
            retries=0,
            scores=Scores(similarity=draw.uniform(0.197, 0.21), unsafe=draw.choice((0.1, 0.4995, 0.6))),
        )
        for number, one in enumerate(world)
    )


def _all_choices() -> JobSpec:
    spec = small_spec()
    spec.finalise.max_per_domain = 3
    return spec


@pytest.mark.parametrize("seed", range(6))
def test_u0_noise_below_a_thousandth_never_makes_another_dataset(seed: int, tmp_path: Path) -> None:
    world = _close_world(seed)
    folders = [
        _built(
            tmp_path / str(number),
            world=with_noise(world, 0.00049, seed=100 * seed + number),
            spec=_all_choices(),
            attempt_seed=number,
        )
        for number in range(2)
    ]
    report = diff(*folders)
    assert report.same, "\n".join(report.lines())
    assert 0 < report.left_out < report.compared


def test_u0_noise_does_change_verdicts_so_that_leaving_out_is_needed(tmp_path: Path) -> None:
    differing = 0
    for number in range(2):
        world = _close_world(number)
        folders = [
            _built(
                tmp_path / f"{number}{side}", world=with_noise(world, 0.00049, seed=side), spec=_all_choices()
            )
            for side in range(2)
        ]
        differing += diff(*folders).left_out_differing
    assert differing > 0


def test_a_verdict_that_is_not_close_is_compared_though_others_are_left_out(tmp_path: Path) -> None:
    world = _close_world(1)
    far = replace(world[0], url="https://far.test/1.jpg", host="far.test", content=999_999)
    far = replace(far, scores=Scores(similarity=0.35, unsafe=0.1))
    here = _built(tmp_path / "here", world=(*world[1:], far))
    there = _built(tmp_path / "there", world=(*world[1:], far), attempt_seed=2)
    for entry in read_manifest(there).files:
        if entry.role == roles.SAMPLES:
            ids = pq.read_table(there / entry.path).column("sample_id").to_pylist()
            if far.key in ids:
                _set(there / entry.path, "verdict", ids.index(far.key), "filtered")
    report = diff(here, there)
    assert report.left_out > 0
    assert [example[0] for example in report.columns["outcome"].examples] == [far.key]


def test_nothing_is_left_out_where_nothing_is_close(tmp_path: Path) -> None:
    world = tuple(
        replace(one, url=f"https://{one.host}/{number}.jpg", scores=Scores(similarity=0.3, unsafe=0.1))
        for number, one in enumerate(make_world(candidates=30, seed=4))
    )
    report = diff(_built(tmp_path / "a", world=world), _built(tmp_path / "b", world=world, attempt_seed=2))
    assert report.same
    assert report.left_out == 0


Copy = Callable[[Path], Path]


@pytest.fixture
def copy_of(tmp_path: Path) -> Copy:
    def copied(folder: Path) -> Path:
        for path in folder.rglob("*"):
            target = tmp_path / "copy" / path.relative_to(folder)
            if path.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
        return tmp_path / "copy"

    return copied


def _change(folder: Path, column: str, value: object) -> None:
    """Changes a value of a sample whose verdict is certain."""
    entry = first_file(folder, roles.SAMPLES)
    table = pq.read_table(folder / entry.path)
    similarity = table.column("similarity").to_pylist()
    place = next(place for place, score in enumerate(similarity) if score is not None and score > 0.25)
    _set(folder / entry.path, column, place, value)


def _set(path: Path, column: str, place: int, value: object) -> None:
    table = pq.read_table(path)
    index = table.schema.get_field_index(column)
    values = table.column(column).to_pylist()
    values[place] = value
    field = table.schema.field(index)
    pq.write_table(table.set_column(index, field, pa.array(values, field.type)), path)


def _save(folder: Path, manifest: Manifest) -> None:
    save_manifest(folder, replace(manifest, version=content_version(manifest, manifest.files)))


def test_a_report_is_plain_values_for_json(base: Path, copy_of: Copy) -> None:
    other = copy_of(base)
    _change(other, "TEXT", "x")
    fields = diff(base, other).as_dict()
    assert fields["same"] is False
    assert DiffReport().as_dict()["same"] is True
