"""What is fetched once is there whole or not at all."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.local.cache import Cache
from deploy.local.commands import require, run
from deploy.local.errors import FetchError, MissingToolError
from tests.fakes.processes import Child, wait_until

KEY = "thing-1"


def _build(folder: Path) -> None:
    (folder / "whole").write_text("yes")


def test_a_component_is_built_once(tmp_path: Path) -> None:
    built: list[Path] = []
    cache = Cache(tmp_path / "cache")

    def build(folder: Path) -> None:
        built.append(folder)
        _build(folder)

    first, second = cache.provide(KEY, build), cache.provide(KEY, build)
    assert first == second == tmp_path / "cache" / KEY
    assert len(built) == 1
    assert (first / "whole").read_text() == "yes"


def test_a_build_that_fails_leaves_nothing_and_is_done_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        run(["false"])

    with pytest.raises(FetchError, match="false ended with code 1"):
        cache.provide(KEY, fail)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []
    assert [path.name for path in cache.provide(KEY, _build).iterdir()] == ["whole"]


def test_a_fetch_that_was_killed_is_done_again_and_its_rest_removed(tmp_path: Path) -> None:
    with Child("tests.fakes.cut_off_fetch", tmp_path, KEY) as child:
        child.wait_for_lines(1)
        child.signal(signal.SIGKILL)
        child.wait()
    assert len(list(tmp_path.glob(f".{KEY}-*.part"))) == 1
    folder = Cache(tmp_path).provide(KEY, _build)
    assert [path.name for path in folder.iterdir()] == ["whole"]
    assert list(tmp_path.glob("*.part")) == list(tmp_path.glob(".*.part")) == []


def test_of_two_that_want_the_same_one_builds_and_the_other_waits(tmp_path: Path) -> None:
    built: list[Path] = []
    may_go_on, started = threading.Event(), threading.Event()

    def build(folder: Path) -> None:
        built.append(folder)
        started.set()
        assert may_go_on.wait(30)
        _build(folder)

    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(Cache(tmp_path).provide, KEY, build) for _ in range(2)]
        wait_until(started.is_set)
        may_go_on.set()
        assert {call.result(30) for call in calls} == {tmp_path / KEY}
    assert len(built) == 1


def test_the_cache_lies_where_the_user_wants_it(tmp_path: Path) -> None:
    assert Cache.of_user({"XDG_CACHE_HOME": str(tmp_path)}).root == tmp_path / "pairmill"
    assert Cache.of_user({}).root == Path.home() / ".cache" / "pairmill"


def test_a_missing_program_is_named_with_what_would_provide_it() -> None:
    with pytest.raises(MissingToolError, match="no-such-program is needed for a test: buy one") as caught:
        require("no-such-program", used_for="a test", remedy="buy one")
    assert caught.value.remedy == "buy one"
