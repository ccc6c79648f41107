"""`pairmill index remove` says which of the addresses it was given it did not find."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from pairmill.idarrays import hex_of
from pairmill.store.directory import DirectoryStore
from pairmill_index.build import build_index
from pairmill_index.options import BuildOptions
from pairmill_standalone.cli.app import build_app
from tests.fakes.vector_dataset import VectorDataset


def test_g8_an_address_that_no_sample_has_is_named_and_the_others_are_removed(tmp_path: Path) -> None:
    world = VectorDataset(tmp_path / "dataset", dimensions=8)
    world.folder.mkdir()
    world.add(30)
    build_index(world.publish(), DirectoryStore(world.folder), BuildOptions(), scratch=tmp_path / "scratch")
    known = f"https://a.example/{hex_of(world.ids[:1]).to_pylist()[0]}.jpg"
    urls = ("--url", known, "--url", "https://a.example/mistyped.jpg")
    ended = CliRunner().invoke(build_app(), ["index", "remove", str(world.folder), *urls, "--json"])
    assert ended.exit_code == 0
    assert json.loads(ended.stdout)["removed_rows"] == 1
    assert "https://a.example/mistyped.jpg" in ended.stderr
    assert known not in ended.stderr
