"""A bundle is brought whole and verified, or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pairmill.errors import ConfigurationError, RetriableError
from pairmill.store.port import ObjectInfo
from pairmill_models.bundle import CARD_NAME, Bundle, load_bundle
from pairmill_models.bundle_fetch import copy_bundle, fetch_bundle
from pairmill_models.tiny import bundle_path
from pairmill_standalone.cli.app import build_app
from tests.fakes.onnx_bundle import random_bundle
from tests.fakes.store import MemoryStore


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return random_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def store(original: Bundle) -> MemoryStore:
    kept = MemoryStore(strict=False)
    for name in (CARD_NAME, *original.files):
        kept.put(name, original.path(name).read_bytes())
    return kept


def test_what_the_store_holds_stands_in_the_folder(
    store: MemoryStore, original: Bundle, tmp_path: Path
) -> None:
    found = fetch_bundle(store, tmp_path / "deep" / "b", wanted_digest=original.digest)
    assert (found.folder, found.digest) == (tmp_path / "deep" / "b", original.digest)
    assert found == load_bundle(found.folder)
    assert [path.name for path in found.folder.parent.iterdir()] == ["b"]


def test_what_a_killed_fetch_left_goes_and_what_others_left_stays(store: MemoryStore, tmp_path: Path) -> None:
    for name in (".b-0123456789abcdef", ".b-old"):
        (tmp_path / name / "b").mkdir(parents=True)
    fetch_bundle(store, tmp_path / "b")
    assert {path.name for path in tmp_path.iterdir()} == {"b", ".b-old"}


def test_one_that_is_there_is_checked_and_not_fetched_again(
    store: MemoryStore, original: Bundle, tmp_path: Path
) -> None:
    folder = fetch_bundle(store, tmp_path / "b").folder
    name = next(iter(original.files))
    del store.objects[name]  # nobody asks for it
    assert fetch_bundle(store, folder).digest == original.digest
    (folder / name).write_bytes(b"damaged")
    with pytest.raises(ConfigurationError, match=name):
        fetch_bundle(store, folder)


def test_what_was_compared_on_its_way_is_not_read_again(original: Bundle, tmp_path: Path) -> None:
    """Bundles have gigabytes."""

    class Exchanging(MemoryStore):
        def fetch(self, key: str, path: Path, *, sha256: bytes | None = None) -> ObjectInfo:
            info = super().fetch(key, path, sha256=sha256)
            if key != CARD_NAME:
                path.write_bytes(b"\0" * info.size_bytes)  # nobody looks
            return info

    store = Exchanging(strict=False)
    for name in (CARD_NAME, *original.files):
        store.put(name, original.path(name).read_bytes())
    assert fetch_bundle(store, tmp_path / "b").files == original.files


def test_what_stops_short_on_the_disk_is_not_taken(original: Bundle, tmp_path: Path) -> None:
    class Short(MemoryStore):
        def fetch(self, key: str, path: Path, *, sha256: bytes | None = None) -> ObjectInfo:
            info = super().fetch(key, path, sha256=sha256)
            if key != CARD_NAME:
                path.write_bytes(path.read_bytes()[:-1])
            return info

    store = Short(strict=False)
    for name in (CARD_NAME, *original.files):
        store.put(name, original.path(name).read_bytes())
    with pytest.raises(ConfigurationError, match=next(iter(original.files))):
        fetch_bundle(store, tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def _remove_file(path: Path) -> None:
    path.unlink()


def _flip(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def _make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("harm", [_remove_file, _flip, _make_pipe])
def test_nothing_is_copied_of_a_folder_with_a_missing_or_damaged_file(
    harm: Callable[[Path], None], original: Bundle, tmp_path: Path
) -> None:
    name = sorted(original.files)[-1]
    source = Path(shutil.copytree(original.folder, tmp_path / "source"))
    harm(source / name)
    with pytest.raises(ConfigurationError, match=f"source: {name}"):
        copy_bundle(source, tmp_path / "to" / "b")
    with pytest.raises(ConfigurationError, match="pinned to 000"):
        copy_bundle(original.folder, tmp_path / "to" / "b", wanted_digest="000")
    assert list((tmp_path / "to").iterdir()) == []


def test_another_one_of_the_name_is_replaced(store: MemoryStore, original: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "b"
    before = copy_bundle(bundle_path(), folder)
    assert before.digest != original.digest
    assert fetch_bundle(store, folder).digest == original.digest
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        CARD_NAME,
        *original.files,
    }


def _lack(store: MemoryStore, name: str) -> None:
    del store.objects[name]


def _damage(store: MemoryStore, name: str) -> None:
    store.put(name, b"other bytes")


@pytest.mark.parametrize("harm", [_lack, _damage])
def test_nothing_stands_where_a_file_is_missing_or_another(
    harm: Callable[[MemoryStore, str], None], store: MemoryStore, original: Bundle, tmp_path: Path
) -> None:
    name = sorted(original.files)[-1]
    harm(store, name)
    with pytest.raises(ConfigurationError, match=name):
        fetch_bundle(store, tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_leads_out_of_the_folder_is_refused_before_anything_is_written(
    store: MemoryStore, tmp_path: Path
) -> None:
    card = json.loads(store.objects[CARD_NAME])
    card["files"]["../../escaped"] = {"bytes": 1, "sha256": "00" * 32}
    store.put(CARD_NAME, json.dumps(card).encode())
    with pytest.raises(ConfigurationError, match="outside the folder"):
        fetch_bundle(store, tmp_path / "x" / "b")
    assert not (tmp_path / "escaped").exists()


def test_a_prefix_without_a_bundle_and_another_digest_are_said(store: MemoryStore, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"bundle\.json is not there"):
        fetch_bundle(MemoryStore(), tmp_path / "b")
    with pytest.raises(ConfigurationError, match="pinned to 000"):
        fetch_bundle(store, tmp_path / "b", wanted_digest="000")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_away_is_no_wrong_request(store: MemoryStore, tmp_path: Path) -> None:
    store.away = True
    with pytest.raises(RetriableError):
        fetch_bundle(store, tmp_path / "b")


def test_the_command_brings_the_bundle_of_the_package_and_of_a_folder(tmp_path: Path) -> None:
    tiny = load_bundle(bundle_path())
    for source, name in (("tiny", "first"), (str(tmp_path / "first"), "second")):
        said = CliRunner().invoke(build_app(), ["bundle", "fetch", source, str(tmp_path / name)])
        assert said.exit_code == 0, said.output
        assert tiny.digest[:12] in said.output
        assert load_bundle(tmp_path / name).digest == tiny.digest
    refused = CliRunner().invoke(
        build_app(), ["bundle", "fetch", str(tmp_path / "none"), str(tmp_path / "x")]
    )
    assert refused.exit_code == 2
