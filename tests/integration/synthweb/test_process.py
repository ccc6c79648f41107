"""A prepared world on disk, and a process that serves it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pairmill.errors import ConfigurationError
from pairmill.jobspec.profiles import profile
from pairmill.jobspec.settings import apply_settings
from pairmill_models.assemble import assemble_bundle
from pairmill_models.bundle import Bundle, Thresholds
from pairmill_synthweb.kinds.table import least_candidates
from pairmill_synthweb.prepare import PreparedWorld, open_world, prepare_world
from pairmill_synthweb.truth.table import read_truth
from tests.fakes.onnx_bundle import random_card, write_model
from tests.integration.synthweb.raw_client import ask

SIZE = least_candidates()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A model that knows nothing and recommends nothing, so that no score is near a threshold."""
    folder = tmp_path_factory.mktemp("bundle")
    write_model(folder)
    return assemble_bundle(folder, random_card(thresholds=Thresholds()))


@pytest.fixture(scope="module")
def prepared(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> PreparedWorld:
    return prepare_world(tmp_path_factory.mktemp("world"), bundle, candidates=SIZE)


@contextmanager
def served(prepared: PreparedWorld, bundle: Bundle, *extra: str) -> Iterator[subprocess.Popen[str]]:
    """Runs the process; it must not outlive the test, whatever happens."""
    arguments = ["--world", prepared.folder, "--bundle", bundle.folder, "--candidates", SIZE, *extra]
    command = [sys.executable, "-m", "pairmill_synthweb", *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def address(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def test_a_prepared_world_has_wats_truth_and_settings(prepared: PreparedWorld) -> None:
    assert [path.exists() for path in prepared.wats] == [True] * len(prepared.wats)
    truth = read_truth(prepared.truth)
    assert truth.rows.num_rows == SIZE
    assert set(truth.rows["outcome"].to_pylist()) == {"kept", "filtered", "failed"}
    spec = profile("default")
    apply_settings(spec, dict(prepared.settings))
    assert spec.wave_size == prepared.world.rules.wave_size


def test_the_same_call_opens_what_is_there(prepared: PreparedWorld, bundle: Bundle) -> None:
    before = {path: path.stat().st_mtime_ns for path in (*prepared.wats, prepared.truth)}
    again = prepare_world(prepared.folder, bundle, candidates=SIZE)
    assert again.world == prepared.world
    assert {path: path.stat().st_mtime_ns for path in (*again.wats, again.truth)} == before


def test_another_call_makes_another_world(prepared: PreparedWorld, bundle: Bundle, tmp_path: Path) -> None:
    first = prepare_world(tmp_path, bundle, candidates=SIZE)
    assert read_truth(first.truth).rows.equals(read_truth(prepared.truth).rows)
    other = prepare_world(tmp_path, bundle, candidates=SIZE, seed=2)
    assert other.world.seed == 2
    assert not read_truth(other.truth).rows.equals(read_truth(prepared.truth).rows)


def test_a_world_of_another_version_is_refused_and_made_anew(bundle: Bundle, tmp_path: Path) -> None:
    made = prepare_world(tmp_path, bundle, candidates=SIZE)
    stored = json.loads((tmp_path / "world.json").read_text())
    (tmp_path / "world.json").write_text(json.dumps(stored | {"digest": "00" * 32}))
    with pytest.raises(ConfigurationError, match="another version"):
        open_world(tmp_path)
    assert prepare_world(tmp_path, bundle, candidates=SIZE).world == made.world


def test_a_folder_without_a_world_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no synthetic web"):
        open_world(tmp_path)


def test_g9_what_healed_is_well_after_a_kill(prepared: PreparedWorld, bundle: Bundle) -> None:
    resource = next(one for one in prepared.world.resources if one.kind == "heals_500" and one.failures == 2)
    statuses = []
    for _ in range(3):
        with served(prepared, bundle) as process:
            statuses.append(ask(address(process)["port"], resource.host, resource.target).status)
            process.send_signal(signal.SIGKILL)
    assert statuses == [500, 500, 200]


def test_it_says_where_it_is_and_leaves_its_journal(
    prepared: PreparedWorld, bundle: Bundle, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.json"
    resource = next(one for one in prepared.world.resources if one.kind == "not_found")
    with served(prepared, bundle, "--journal", str(journal)) as process:
        found = address(process)
        assert f"example=127.0.0.1:{found['port']}" in found["connect_to"]
        assert found["wats"] == [str(path) for path in prepared.wats]
        ask(found["port"], resource.host, resource.target)
        process.terminate()
        assert process.wait(timeout=30) == 0
    facts = json.loads(journal.read_text())
    assert facts["requests"] == 1
    assert facts["violations"] == [{"kind": "robots_not_asked", "url": resource.url}]


def test_by_another_name_it_gives_out_its_wats_its_truth_and_what_a_job_is_told(
    prepared: PreparedWorld,
) -> None:
    with prepared.web() as web:
        order = json.loads(ask(web.port, "web:7900", "/job.json").body)
        assert order == {"wats": [wat.name for wat in prepared.wats], "settings": dict(prepared.settings)}
        assert ask(web.port, "10.1.2.3", "/truth.parquet").body == prepared.truth.read_bytes()
        wat = prepared.wats[0]
        assert ask(web.port, "web", f"/wat/{wat.name}").body == wat.read_bytes()
        assert ask(web.port, "web", "/wat/../world.json").status == 404
        assert web.journal.unknown_urls() == ["web/wat/../world.json"]


def test_its_own_hosts_give_out_nothing_of_that(prepared: PreparedWorld) -> None:
    with prepared.web() as web:
        host = next(iter(prepared.world.hosts))
        assert ask(web.port, host, "/job.json").status == 404


def test_it_ends_with_whoever_started_it(prepared: PreparedWorld, bundle: Bundle) -> None:
    with served(prepared, bundle, "--watch-stdin") as process:
        address(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=30) == 1


def test_a_wrong_bundle_is_named(prepared: PreparedWorld, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pairmill_synthweb", "--world", prepared.folder, "--bundle", tmp_path]
    ended = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2
    assert "bundle" in ended.stderr
