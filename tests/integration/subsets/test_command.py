"""`pairmill subset`: what it prints, and how it ends."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from typer.testing import CliRunner, Result

from deploy.local.s3 import S3Server
from pairmill.store.s3 import S3Store
from pairmill.store.settings import S3Config
from pairmill_protos.explorer.v1.subset_service_pb2 import Export, ExportState
from pairmill_standalone.cli.app import build_app
from pairmill_standalone.cli.subset_view import print_export, trouble_of
from tests.conftest import REPOSITORY
from tests.fakes.processes import wait_until
from tests.integration.subsets.conftest import Rows

Call: TypeAlias = Callable[..., Result]


@pytest.fixture
def call() -> Call:
    """Calls `pairmill subset` with these arguments."""
    runner = CliRunner()
    return lambda *arguments: runner.invoke(build_app(), ["subset", *map(str, arguments)])


def facts(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_subset_from_a_recipe_to_files(call: Call, stored: Path, rows: Rows) -> None:
    created = facts(
        call("create", stored, "english", "--where", "languages=en", "--where", "similarity=0.2..", "--json")
    )
    assert created["revision"] == 1
    previewed = facts(call("preview", stored, "english", "--json"))
    wanted = [row for row in rows if row["LANGUAGE"] == "en" and row["similarity"] >= 0.2]
    assert previewed["samples"] == len(wanted)
    exported = facts(call("export", stored, "english", "--shard-samples", 100, "--json"))
    assert exported["state"] == "EXPORT_STATE_COMPLETE"
    assert exported["samples_done"] + exported["without_image"] == len(wanted)
    assert (stored / exported["folder"] / "data" / "00000.tar").is_file()
    again = facts(call("export", stored, "english", "--shard-samples", 100, "--json"))
    assert again == exported
    shown = call("export", stored, "english", "--shard-samples", 100)
    assert str(stored / exported["folder"]) in shown.stdout
    assert [one["export_id"] for one in facts(call("list", stored, "--exports", "--json"))] == [
        exported["export_id"]
    ]
    assert [one["recipe"]["name"] for one in facts(call("list", stored, "--json"))] == ["english"]
    assert "english" in call("list", stored).stdout
    assert "en" in call("preview", stored, "english").stdout


def test_an_export_that_was_cancelled_elsewhere_is_not_told_as_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cancelled = Export(export_id="0" * 24, state=ExportState.EXPORT_STATE_CANCELLED, folder="exports/0/")
    print_export(cancelled, "out/first")
    shown = capsys.readouterr()
    assert trouble_of(cancelled)
    assert not shown.out
    assert trouble_of(cancelled) in shown.err


def test_two_exports_that_differ_answer_no(call: Call, stored: Path) -> None:
    exports = []
    for size in (100, 110):
        facts(call("create", stored, "some", "--size", size, "--seed", 4, "--json"))
        exports.append(facts(call("export", stored, "some", "--format", "ids", "--json"))["export_id"])
    different = call("diff", stored, *exports, "--json")
    assert different.exit_code == 1
    found = json.loads(different.stdout)
    assert (found["common"], found["added"], found["removed"]) == (100, 10, 0)
    assert len(found["added_ids"]) == 10
    assert call("diff", stored, exports[0], exports[0]).exit_code == 0
    assert "10 added" in call("diff", stored, *exports).stdout


def test_every_option_of_a_recipe_is_kept(call: Call, stored: Path, tmp_path: Path, rows: Rows) -> None:
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"\xff\xd8\xff")
    sample = rows[0]["sample_id"]
    saved = facts(
        call(
            *("create", stored, "all", "--text", "a cat", "--image", picture, "--like", sample),
            *("--modality", "text", "--min-score", 0.1, "--max-results", 500, "--unlike", 0.9),
            *("--one-per-cluster", "--group-by", "language", "--max-per-group", 9, "--weight", "en=0.5"),
            *("--weight", "=0", "--default-weight", 0.25, "--size", 50, "--seed", -3, "--description", "why"),
            *("--where", "fetched_at=2024-01-01..2025-01-01T00:00:00+01:00", "--where", "safe_mode=show"),
            *("--where", "text_contains=x=y", "--where", "buckets=en,multi", "--json"),
        )
    )["recipe"]
    assert [next(iter(part)) for part in saved["parts"]] == ["text", "image", "sample_id"]
    assert saved["sampling"]["weights"] == {"en": 0.5, "": 0.0}
    assert saved["collapse"] == {"phash_distance": 0, "cosine": 0.9}
    assert saved["filters"]["text_contains"] == "x=y"
    assert saved["filters"]["buckets"] == ["en", "multi"]
    assert saved["filters"]["fetched_at"]["before"] == "2024-12-31T23:00:00Z"
    assert (saved["seed"], saved["size"], saved["modality"]) == ("-3", "50", "MODALITY_TEXT")
    file = tmp_path / "recipe.json"
    file.write_text(json.dumps(saved))
    again = facts(call("create", stored, "again", "--recipe", file, "--json"))
    assert again["digest"] == facts(call("list", stored, "--json"))[1]["digest"]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["create", "{}", "a/b"], "NAME"),
        (["create", "{}", "a", "--min-score", "0.1"], "--min-score"),
        (["create", "{}", "a", "--where", "colour=red"], "--where"),
        (["create", "{}", "a", "--where", "similarity=high"], "--where"),
        (["create", "{}", "a", "--where", "similarity=a..b"], "similarity"),
        (["create", "{}", "a", "--where", "fetched_at=yesterday.."], "--where"),
        (["create", "{}", "a", "--where", "safe_mode=maybe"], "--where"),
        (["create", "{}", "a", "--weight", "en=much", "--group-by", "language"], "--weight"),
        (["create", "{}", "a", "--modality", "sound"], "--modality"),
        (["create", "{}", "a", "--recipe", "{}/dataset.json"], "--recipe"),
        (["export", "{}", "nothing"], "NAME"),
        (["export", "{}", "nothing", "--format", "zip"], "--format"),
        (["preview", "{}", "nothing"], "NAME"),
        (["diff", "{}", "x", "y"], "OLD"),
        (["cancel", "{}", "x"], "EXPORT"),
        (["create", "{}", "a", "--where", "width=9..1"], "--where width"),
        (["create", "{}", "a", "--weight", "en=2", "--group-by", "language"], "--weight"),
        (["create", "{}", "a", "--group-by", "colour"], "--group-by"),
        (["create", "{}", "a", "--unlike", "0.9"], "--unlike"),
        (["create", "{}", "a", "--seed", str(2**63)], "--seed"),
        (["list", "{}/nowhere"], "DIR"),
    ],
    ids=lambda value: " ".join(value[2:]) if isinstance(value, list) else None,
)
def test_a_wrong_request_is_named_with_its_field(
    call: Call, stored: Path, arguments: list[str], field: str
) -> None:
    ended = call(*(argument.replace("{}", str(stored)) for argument in arguments))
    assert ended.exit_code == 2, ended.output
    assert field in ended.stderr


def test_what_is_not_given_stays_as_it_stands_in_the_recipe_and_what_is_replaces_it(
    call: Call, stored: Path, tmp_path: Path, rows: Rows
) -> None:
    """Seed 0 and no description are values as any other."""
    file, sample = tmp_path / "recipe.json", rows[0]["sample_id"]
    stands = {
        "parts": [{"sample_id": sample}],
        "modality": "MODALITY_TEXT",
        "max_results": "20",
        "sampling": {"group_by": "language", "max_per_group": "5"},
        "seed": str(2**62 + 1),
        "description": "why",
    }
    file.write_text(json.dumps(stands))
    kept = facts(call("create", stored, "some", "--recipe", file, "--json"))["recipe"]
    assert {name: kept[name] for name in stands if name != "parts"} == {
        name: value for name, value in stands.items() if name != "parts"
    }
    options = ("--seed", 0, "--description", "", "--modality", "image", "--max-per-group", 6)
    replaced = facts(call("create", stored, "some", "--recipe", file, *options, "--json"))["recipe"]
    assert "seed" not in replaced  # proto3's JSON leaves out what is 0
    assert "description" not in replaced
    assert replaced["modality"] == "MODALITY_IMAGE"
    assert replaced["sampling"] == {"group_by": "language", "max_per_group": "6"}


def test_a_failed_or_complete_export_is_cancelled_and_leaves_nothing(call: Call, stored: Path) -> None:
    facts(call("create", stored, "some", "--json"))
    exported = facts(call("export", stored, "some", "--format", "urls", "--json"))
    shown = call("cancel", stored, exported["export_id"])
    assert (shown.exit_code, "cancelled" in shown.stdout) == (0, True)
    assert not [path for path in (stored / exported["folder"]).rglob("*") if path.is_file()]
    assert facts(call("cancel", stored, exported["export_id"], "--json"))["state"] == "EXPORT_STATE_CANCELLED"


def test_a_dataset_without_an_index_is_told_how_to_get_one(call: Call, stored: Path) -> None:
    (stored / "index" / "current.json").unlink()
    ended = call("list", stored)
    assert ended.exit_code == 2
    assert "pairmill index build" in ended.stderr


def test_ctrl_c_stops_an_export_and_the_same_call_goes_on(call: Call, stored: Path) -> None:
    facts(call("create", stored, "some", "--json"))
    command = [sys.executable, "-m", "pairmill_standalone", "subset", "export", str(stored), "some"]
    process = subprocess.Popen(
        [*command, "--shard-samples", "100"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    wait_until(lambda: any((stored / "exports" / "jobs").glob("*/job.json")) or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode in (130, 0), error  # it may have been done before
    ended = facts(call("export", stored, "some", "--shard-samples", 100, "--json"))
    assert ended["state"] == "EXPORT_STATE_COMPLETE"


def test_a_dataset_in_a_bucket_is_cut_as_one_in_a_folder(
    call: Call,
    stored: Path,
    tmp_path: Path,
    s3_server: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PAIRMILL_S3__ENDPOINT", s3_server.endpoint)
    monkeypatch.setenv("PAIRMILL_S3__CREDENTIALS_FILE", str(s3_server.credentials_file))
    bucket = f"datasets-{secrets.token_hex(6)}"
    s3_server.make_bucket(bucket)
    config = S3Config(endpoint=s3_server.endpoint, credentials_file=s3_server.credentials_file)
    with S3Store(bucket, "one", config) as store:
        for path in sorted(stored.rglob("*")):
            key = path.relative_to(stored).as_posix()
            if path.is_file() and not key.startswith("."):
                store.put_file(key, path)
        found = []
        for place in (str(stored), f"s3://{bucket}/one"):
            facts(call("create", place, "some", "--seed", 5, "--size", 400, "--scratch", tmp_path, "--json"))
            arguments = ("--shard-samples", 150, "--scratch", tmp_path, "--json")
            found.append(facts(call("export", place, "some", *arguments)))
        assert found[0]["export_id"] == found[1]["export_id"]
        folder = stored / found[0]["folder"]
        for path in (path for path in folder.rglob("*") if path.is_file()):
            key = path.relative_to(stored).as_posix()
            assert store.get(key) == path.read_bytes(), key
