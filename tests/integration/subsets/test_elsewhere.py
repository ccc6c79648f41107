"""`pairmill subset --target`: the same verbs at an explorer that serves the dataset."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from typer.testing import CliRunner, Result

from pairmill.errors import RetriableError
from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectInfo
from pairmill_protos.explorer.v1.subset_service_pb2 import (
    ExportFormat,
    ExportState,
    Recipe,
    SaveSubsetRequest,
    StartExportRequest,
    WatchExportRequest,
)
from pairmill_standalone.cli.api_connection import Connection, open_channel
from pairmill_standalone.cli.app import build_app
from pairmill_standalone.cli.subset_client import SubsetClient
from pairmill_standalone.cli.subset_errors import EXPLORER, option_of
from pairmill_standalone.cli.subset_place import TARGET_VARIABLE, chosen
from tests.conftest import REPOSITORY
from tests.fakes.failing_store import FailingStore
from tests.fakes.processes import wait_until
from tests.fakes.rpc import TokenFile, callers
from tests.fakes.subset_explorer import DATASET, SubsetExplorer, subset_explorer
from tests.integration.subsets.conftest import COMPLETE

Call: TypeAlias = Callable[..., Result]


@pytest.fixture
def call() -> Call:
    """Calls `pairmill subset` with these arguments."""
    runner = CliRunner()
    return lambda *arguments: runner.invoke(build_app(), ["subset", *map(str, arguments)])


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return callers(tmp_path)


@pytest.fixture
def explorer(stored: Path, tmp_path: Path, tokens: TokenFile) -> Iterator[SubsetExplorer]:
    with subset_explorer(stored, tmp_path / "explorer", tokens) as served:
        yield served


class Held(FailingStore):
    """A dataset whose third tar is not written before it may be."""

    def __init__(self, dataset: Path) -> None:
        super().__init__(DirectoryStore(dataset), fails="", times=0)
        self.at_it, self.go_on = threading.Event(), threading.Event()

    def put_file(self, key: str, path: Path) -> ObjectInfo:
        if key.endswith("00002.tar"):
            self.at_it.set()
            self.go_on.wait(60)
        return super().put_file(key, path)


def facts(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_every_verb_answers_as_it_does_in_the_folder(
    call: Call, stored: Path, explorer: SubsetExplorer
) -> None:
    there = explorer.options()
    recipe = ("--where", "languages=en", "--size", 150, "--seed", 2**62 + 1)
    created = facts(call("create", DATASET, "english", *recipe, "--json", *there))
    assert created["recipe"]["seed"] == str(2**62 + 1)
    assert (
        facts(call("list", DATASET, "--json", *there)) == facts(call("list", stored, "--json")) == [created]
    )
    previews = [
        facts(call("preview", place, "english", "--json", *options))
        for place, options in ((DATASET, there), (stored, ()))
    ]
    assert previews[0] == previews[1]
    size = ("--shard-samples", 100)
    exported = facts(call("export", DATASET, "english", *size, "--watch", "--json", *there))
    assert exported["state"] == "EXPORT_STATE_COMPLETE"
    assert (stored / exported["folder"] / "data" / "00000.tar").is_file()
    assert facts(call("export", stored, "english", *size, "--json")) == exported
    assert facts(call("list", DATASET, "--exports", "--json", *there)) == [exported]
    same = call("diff", DATASET, exported["export_id"], exported["export_id"], *there)
    assert (same.exit_code, "0 added" in same.stdout) == (0, True)
    cancelled = call("cancel", DATASET, exported["export_id"], *there)
    assert (cancelled.exit_code, "cancelled" in cancelled.stdout) == (0, True)
    assert not (stored / exported["folder"] / "subset.json").exists()


def test_exports_that_differ_answer_no(call: Call, explorer: SubsetExplorer) -> None:
    ids, there = [], explorer.options()
    for size in (100, 110):
        facts(call("create", DATASET, "some", "--size", size, "--json", *there))
        export = facts(call("export", DATASET, "some", "--format", "ids", "--watch", "--json", *there))
        ids.append(export["export_id"])
    different = call("diff", DATASET, *ids, *there)
    assert (different.exit_code, "10 added" in different.stdout) == (1, True)


def test_without_watch_an_export_is_begun_and_goes_on_by_itself(
    call: Call, stored: Path, explorer: SubsetExplorer
) -> None:
    there = explorer.options()
    facts(call("create", DATASET, "some", "--json", *there))
    begun = call("export", DATASET, "some", *there)
    assert begun.exit_code == 0
    assert "--watch follows it" in begun.stderr
    wait_until(lambda: (stored / "exports" / begun.stdout.strip() / "subset.json").is_file())
    watched = call("export", DATASET, "some", "--watch", *there)
    assert watched.exit_code == 0
    assert f"{DATASET}/exports/{begun.stdout.strip()}" in watched.stdout


def test_a_watch_that_is_broken_off_goes_on_with_the_same_call(
    call: Call, stored: Path, tmp_path: Path, tokens: TokenFile
) -> None:
    held = Held(stored)
    with subset_explorer(held, tmp_path / "explorer", tokens) as explorer:
        there = explorer.options()
        facts(call("create", DATASET, "some", "--json", *there))
        arguments = ["export", DATASET, "some", "--shard-samples", 150, "--watch", *there]
        process = subprocess.Popen(
            [sys.executable, "-m", "pairmill_standalone", "subset", *map(str, arguments)],
            cwd=REPOSITORY,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        wait_until(lambda: held.at_it.is_set() and explorer.measured("pairmill_rpc_streams_open") == 1.0)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert (process.returncode, "goes on, the same call shows it again" in said) == (130, True)
        [export] = facts(call("list", DATASET, "--exports", "--json", *there))
        assert export["state"] == "EXPORT_STATE_RUNNING"
        held.go_on.set()
        ended = facts(call(*arguments, "--json"))
        assert (ended["export_id"], ended["state"]) == (export["export_id"], "EXPORT_STATE_COMPLETE")


def test_a_watch_goes_on_over_a_restart_of_the_explorer(
    stored: Path, tmp_path: Path, tokens: TokenFile
) -> None:
    """The explorer that comes back goes on with the export."""
    held, told, seen = Held(stored), list[str](), list[ExportState.ValueType]()
    with ExitStack() as first:
        served = first.enter_context(subset_explorer(held, tmp_path / "explorer", tokens))
        connection = Connection(target=served.target, token_file=tokens.token_file("operate"), insecure=True)
        with open_channel(connection, EXPLORER) as (channel, caller):
            client = SubsetClient(channel, replace(caller, tell=told.append), DATASET)
            client.save_subset(SaveSubsetRequest(recipe=Recipe(name="some")))
            request = StartExportRequest(name="some", format=ExportFormat.EXPORT_FORMAT_WEBDATASET)
            request.shard_samples = 150
            export_id = client.start_export(request).export.export_id

            def watch() -> None:
                for answer in client.watch_export(WatchExportRequest(export_id=export_id)):
                    seen.append(answer.export.state)

            watching = threading.Thread(target=watch)
            watching.start()
            wait_until(lambda: held.at_it.is_set() and bool(seen))
            held.go_on.set()
            first.close()
            wait_until(lambda: bool(told) or not watching.is_alive())
            with subset_explorer(stored, tmp_path / "explorer", tokens, listen=served.target):
                watching.join(60)
    assert not watching.is_alive()
    assert seen[-1] == COMPLETE
    assert all("the export goes on" in text for text in told)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["create", DATASET, "a/b"], "NAME: "),
        (["create", DATASET, "a", "--min-score", "0.1"], "--min-score: "),
        (["create", DATASET, "a", "--where", "width=9..1"], "--where width"),
        (["create", DATASET, "a", "--description", "x" * 2001], "--description: "),
        (["create", "other", "a"], "DIR: 'other' is not served; one of: first"),
        (["preview", DATASET, "nothing"], "NAME: there is no recipe nothing"),
        (["export", DATASET, "nothing"], "NAME: "),
        (["export", DATASET, "nothing", "--format", "zip"], "--format: "),
        (["export", DATASET, "nothing", "--scratch", "/tmp"], "--scratch: "),
        (["export", DATASET, "nothing", "--bundle", "/tmp"], "--bundle: "),
        (["cancel", DATASET, "x"], "EXPORT: there is no export"),
        (["diff", DATASET, "x", "y"], "OLD: "),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_a_refusal_is_named_by_its_option(
    call: Call, explorer: SubsetExplorer, arguments: list[str], field: str
) -> None:
    ended = call(*arguments, *explorer.options())
    assert (ended.exit_code, f"pairmill: {field}" in ended.stderr) == (2, True), ended.stderr


def test_h3_a_wrong_token_or_too_small_a_role_is_a_wrong_request(
    call: Call, explorer: SubsetExplorer, tmp_path: Path
) -> None:
    (tmp_path / "wrong").write_text("pmt_wrong")
    reached = ("--target", explorer.target, "--insecure")
    for caller in (tmp_path / "wrong", tmp_path / "absent"):
        refused = call("list", DATASET, *reached, "--token-file", caller)
        assert (refused.exit_code, "pairmill: --token-file: " in refused.stderr) == (2, True), refused.stderr
    assert "--token-file: is not given" in call("list", DATASET, *reached).stderr
    reading = explorer.options("read")
    assert call("list", DATASET, *reading).exit_code == 0
    refused = call("create", DATASET, "some", *reading)
    assert (refused.exit_code, "pairmill: --token-file: " in refused.stderr) == (2, True)


def test_an_explorer_that_is_not_there_is_given_up_in_time(call: Call, tokens: TokenFile) -> None:
    reached = ("--target", "127.0.0.1:1", "--token-file", tokens.token_file("read"), "--insecure")
    for verb in (("list", DATASET), ("preview", DATASET, "some"), ("diff", DATASET, "x", "y")):
        ended = call(*verb, *reached, "--timeout", 0.5)
        assert (
            ended.exit_code,
            "RetriableError: 127.0.0.1:1 did" in ended.stderr.replace("does", "did"),
        ) == (
            1,
            True,
        )


def test_a_watch_gives_up_once_its_patience_is_over(
    explorer: SubsetExplorer, tokens: TokenFile, stored: Path
) -> None:
    connection = Connection(target="127.0.0.1:1", token_file=tokens.token_file("read"), insecure=True)
    with open_channel(connection, EXPLORER) as (channel, caller):
        client = SubsetClient(channel, caller, DATASET, patience_seconds=0.3)
        with pytest.raises(RetriableError, match="does not answer"):
            list(client.watch_export(WatchExportRequest(export_id="0" * 24)))


def test_the_environment_names_the_explorer_for_what_is_no_place_of_its_own(
    call: Call, explorer: SubsetExplorer, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TARGET_VARIABLE, explorer.target)
    monkeypatch.setenv("PAIRMILL_TOKEN_FILE", str(explorer.tokens.token_file("operate")))
    monkeypatch.setenv("PAIRMILL_INSECURE", "true")
    facts(call("create", DATASET, "some", "--json"))
    assert [one["recipe"]["name"] for one in facts(call("list", stored, "--json"))] == ["some"]
    assert "is not served" in call("list", stored, "--target", explorer.target).stderr


@pytest.mark.parametrize(
    ("place", "is_named", "target"),
    [
        ("first", False, "explorer:7701"),
        ("s3://bucket/first", False, ""),
        ("s3://bucket/first", True, "explorer:7701"),
        ("/tmp", False, ""),
        ("/tmp", True, "explorer:7701"),
    ],
)
def test_a_target_of_the_environment_is_for_names_alone(place: str, is_named: bool, target: str) -> None:
    assert chosen(place, Connection(target="explorer:7701"), is_named=is_named).target == target


@pytest.mark.parametrize(
    ("field", "option"),
    [
        ("dataset", "DIR"),
        ("recipe.max_results", "--max-results"),
        ("recipe.sampling.group_by", "--group-by"),
        ("recipe.sampling.weights['en']", "--weight 'en'"),
        ("recipe.filters.similarity.min", "--where similarity.min"),
        ("recipe.collapse.cosine", "--unlike"),
        ("recipe.parts[1].text", "recipe.parts[1].text"),
        ("shard_samples", "--shard-samples"),
        ("request", "request"),
    ],
)
def test_fields_are_told_by_their_options(field: str, option: str) -> None:
    assert option_of(field) == option


@pytest.mark.parametrize("verb", ["create", "list", "preview", "export", "cancel", "diff"])
def test_every_verb_has_an_example_and_the_options_of_a_connection(call: Call, verb: str) -> None:
    shown = " ".join(call(verb, "--help").output.split())
    assert f"pairmill subset {verb}" in shown.split("Example:")[1]
    for option in ("--target", "--token-file", "--ca-file", "--timeout"):
        assert option in shown, option
