"""`pairmill index`: what it prints, what it exits with, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pairmill.idarrays import hex_of
from tests.fakes.vector_dataset import VectorDataset
from tests.integration.cli.conftest import Call


@pytest.fixture
def world(tmp_path: Path) -> VectorDataset:
    made = VectorDataset(tmp_path / "dataset", dimensions=8)
    made.folder.mkdir()
    made.add(300)
    made.publish()
    return made


def test_an_index_is_built_shown_and_checked(call: Call, world: VectorDataset) -> None:
    built = call("index", "build", world.folder, "--memory", "512MB", "--json")
    assert built.exit_code == 0
    facts = json.loads(built.stdout)
    assert facts["rows"] == 300
    assert facts["memory_bytes"] == 512 * 2**20
    shown = json.loads(call("index", "info", world.folder, "--json").stdout)
    assert shown == facts
    assert "300 samples serve" in call("index", "build", world.folder).output
    checked = call("index", "check", world.folder, "--json")
    assert checked.exit_code == 0
    assert json.loads(checked.stdout)["rows"] == 300


def test_new_samples_are_added_and_info_says_when_there_are_some(call: Call, world: VectorDataset) -> None:
    call("index", "build", world.folder)
    world.add(20)
    world.publish()
    assert "pairmill index add" in call("index", "info", world.folder).output
    added = call("index", "add", world.folder, "--json")
    facts = json.loads(added.stdout)
    assert (facts["rows"], facts["is_up_to_date"]) == (320, True)
    compacted = json.loads(call("index", "compact", world.folder, "--full", "--json").stdout)
    assert len(compacted["segments"]) == 3


def test_g8_samples_are_removed_by_address_and_by_id(
    call: Call, world: VectorDataset, tmp_path: Path
) -> None:
    call("index", "build", world.folder)
    some = hex_of(world.ids[:3]).to_pylist()
    ids = tmp_path / "ids.txt"
    ids.write_text(f"{some[0]}\n{some[1]}\n")
    removed = call(
        "index", "remove", world.folder, "--ids", ids, "--url", f"https://a.example/{some[2]}.jpg", "--json"
    )
    assert removed.exit_code == 0
    assert json.loads(removed.stdout)["removed_rows"] == 3
    pairs = np.array([tuple(one) for one in world.ids[3:5]], dtype=[("high", "u8"), ("low", "u8")])
    np.save(tmp_path / "ids.npy", pairs)
    removed = call("index", "remove", world.folder, "--ids", tmp_path / "ids.npy", "--json")
    assert json.loads(removed.stdout)["removed_rows"] == 5


def test_h1_a_damaged_file_is_named_and_exits_1(call: Call, world: VectorDataset) -> None:
    call("index", "build", world.folder)
    path = next((world.folder / "index").rglob("image.npy"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    checked = call("index", "check", world.folder)
    assert checked.exit_code == 1
    assert path.relative_to(world.folder).as_posix() in checked.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("info",), "pairmill index build"),
        (("add",), "pairmill index build"),
        (("build", "--memory", "much"), "--memory: 'much' is no size"),
        (("remove",), "--ids"),
    ],
    ids=["nothing to show", "nothing to add to", "no size", "nothing to remove"],
)
def test_wrong_requests_exit_2_and_name_the_fix(
    call: Call, world: VectorDataset, arguments: tuple[str, ...], says: str
) -> None:
    verb, *options = arguments
    result = call("index", verb, world.folder, *options)
    assert result.exit_code == 2
    assert says in result.stderr


def test_files_that_hold_no_ids_are_refused(call: Call, world: VectorDataset, tmp_path: Path) -> None:
    call("index", "build", world.folder)
    for name, data in (("a.txt", b"not hex"), ("b.npy", b"no array"), ("c.txt", b"\xff\xfe")):
        (tmp_path / name).write_bytes(data)
        result = call("index", "remove", world.folder, "--ids", tmp_path / name)
        assert (result.exit_code, name in result.stderr) == (2, True)
