"""A bundle is what its card says, to the byte, or it is refused with what is wrong and what to do."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairmill.errors import ConfigurationError
from pairmill_models.bundle import CARD_NAME, Bundle, TextTower, load_bundle, write_bundle
from pairmill_models.inspect import bundle_facts
from tests.fakes.onnx_bundle import HEADS, random_bundle, random_card, write_model


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return random_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def folder(original: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original.folder, tmp_path / "copy"))


def edit_card(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    card = json.loads((folder / CARD_NAME).read_text())
    change(card)
    (folder / CARD_NAME).write_text(json.dumps(card))


def refusal(folder: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_bundle(folder)
    return str(caught.value)


def test_what_is_written_is_what_is_read(original: Bundle) -> None:
    loaded = load_bundle(original.folder)
    assert loaded == original
    assert replace(loaded.card, known=None) == random_card()
    assert loaded.digest == hashlib.sha256((original.folder / CARD_NAME).read_bytes()).hexdigest()
    assert loaded.model_version == f"r1+{loaded.digest[:12]}"
    assert dict(loaded.thresholds.min_similarity) == {"en": 0.28, "*": 0.26}
    assert loaded.thresholds.max_unsafe_score == 0.5
    assert loaded.thresholds.min_aesthetic_score is None
    assert (loaded.dimensions, loaded.image_size) == (16, 8)
    assert [head.score for head in loaded.heads] == [head.score for head in HEADS]


def test_equal_parts_give_equal_bytes(original: Bundle, tmp_path: Path) -> None:
    again = random_bundle(tmp_path / "again")
    assert again.digest == original.digest
    assert random_bundle(tmp_path / "other", seed=2).digest != original.digest


def test_every_file_of_a_bundle_is_known_by_its_digest(original: Bundle) -> None:
    on_disk = {
        path.relative_to(original.folder).as_posix() for path in original.folder.rglob("*") if path.is_file()
    }
    assert set(original.files) == on_disk - {CARD_NAME}


def test_one_flipped_byte_in_any_file_is_found(folder: Path, original: Bundle) -> None:
    for name in original.files:
        path = folder / name
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        assert f"{name} has {len(data)} bytes and SHA-256" in refusal(folder)
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    assert load_bundle(folder).digest == original.digest


def test_f6_a_bundle_that_is_not_the_one_wanted_is_refused(folder: Path, original: Bundle) -> None:
    assert load_bundle(folder, wanted_digest=original.digest) == load_bundle(folder)
    with pytest.raises(ConfigurationError, match="pinned to 00000000"):
        load_bundle(folder, wanted_digest="0" * 64)


def test_everything_wrong_is_said_at_once(folder: Path) -> None:
    (folder / "text.onnx").unlink()
    (folder / "image.onnx").write_bytes(b"")
    edit_card(folder, lambda card: card.update(dimensions=0, name=""))
    lines = refusal(folder).splitlines()
    assert len(lines) == 4
    for line, words in zip(
        lines, ("name is empty", "dimensions is 0", "image.onnx", "text.onnx"), strict=True
    ):
        assert words in line
        assert line.startswith(f"bundle: {folder}")
        assert "export the bundle again" in line


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "heads/../../secret", "a\\b", "", "a\0b"])
def test_a_path_that_leaves_the_folder_is_refused(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_bytes(b"secret")
    facts = {"bytes": 6, "sha256": hashlib.sha256(b"secret").hexdigest()}
    edit_card(folder, lambda card: card["files"].update({name: facts}))
    assert "lies outside the folder" in refusal(folder)


def test_a_link_that_leaves_the_folder_is_refused(folder: Path) -> None:
    elsewhere = folder.parent / "elsewhere.onnx"
    (folder / "text.onnx").rename(elsewhere)
    (folder / "text.onnx").symlink_to(elsewhere)
    assert "'text.onnx' lies outside the folder" in refusal(folder)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"[1]", "Expected `object`"),
        (b"{}", "missing required field `name`"),
        (b"\xff\xfe{}", "malformed"),
        (b'{"name": 1}', r"\$\.name"),
        (b"[" * 100_000, "recursion|Expected `object`"),
    ],
    ids=["empty", "cut", "list", "no-fields", "no-text", "wrong-type", "deep"],
)
def test_a_broken_card_is_refused_with_what_is_wrong(folder: Path, content: bytes, words: str) -> None:
    (folder / CARD_NAME).write_bytes(content)
    with pytest.raises(ConfigurationError, match=words):
        load_bundle(folder)


def test_a_folder_without_a_card_is_refused(tmp_path: Path) -> None:
    assert "name a folder that holds a bundle.json" in refusal(tmp_path)
    assert "name a folder that holds a bundle.json" in refusal(tmp_path / "absent")


def test_a_card_of_a_later_format_is_refused(folder: Path) -> None:
    edit_card(folder, lambda card: card.update(format=2))
    assert "format 2 is unknown" in refusal(folder)


def test_facts_of_a_later_version_do_not_disturb(folder: Path, original: Bundle) -> None:
    edit_card(folder, lambda card: card.update(news="something new"))
    assert load_bundle(folder).card == original.card


def test_a_file_that_is_named_has_to_be_part_of_it(folder: Path) -> None:
    edit_card(folder, lambda card: card["files"].pop("text.onnx"))
    assert "text.onnx is named but not among its files" in refusal(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"min_similarity": {"en": 28}}, "min_similarity.en is 28, -1 to 1"),
        ({"min_similarity": {}, "max_unsafe_score": -0.1}, "max_unsafe_score is -0.1, 0 to 1"),
        ({"min_similarity": {}, "max_toxicity": 2}, "max_toxicity is 2, 0 to 1"),
    ],
)
def test_a_threshold_off_its_scale_is_refused(folder: Path, change: dict[str, Any], words: str) -> None:
    edit_card(folder, lambda card: card.update(thresholds=change))
    assert words in refusal(folder)


def test_what_is_no_regular_file_is_refused(folder: Path) -> None:
    (folder / "text.onnx").unlink()
    os.mkfifo(folder / "text.onnx")
    (folder / "image.onnx").unlink()
    (folder / "image.onnx").mkdir()
    edit_card(folder, lambda card: card["files"].update({"x" * 5000: {"bytes": 1, "sha256": ""}}))
    lines = refusal(folder).splitlines()
    assert len(lines) == 3
    assert "no regular file" in lines[0]
    assert "no regular file" in lines[1]
    assert "File name too long" in lines[2]


@settings(max_examples=150, deadline=None)
@given(place=st.integers(min_value=0), byte=st.integers(min_value=0, max_value=255))
def test_a_changed_card_is_refused_or_another_bundle(original: Bundle, place: int, byte: int) -> None:
    data = bytearray((original.folder / CARD_NAME).read_bytes())
    data[place % len(data)] = byte
    with tempfile.TemporaryDirectory() as name:
        folder = Path(shutil.copytree(original.folder, Path(name) / "copy"))
        (folder / CARD_NAME).write_bytes(data)
        try:
            found = load_bundle(folder).digest
        except ConfigurationError:
            return
    assert found == hashlib.sha256(data).hexdigest()


def test_two_heads_for_one_score_are_refused(tmp_path: Path) -> None:
    heads = [HEADS[0], replace(HEADS[1], score="unsafe_score")]
    write_model(tmp_path, heads=heads)
    with pytest.raises(ConfigurationError, match="2 heads for unsafe_score"):
        write_bundle(tmp_path, random_card(heads))


def test_towers_by_language_are_not_taken_for_one_tower(tmp_path: Path) -> None:
    write_model(tmp_path)
    towers = tuple(TextTower(context_length=8, pad_id=0, languages=(name,)) for name in ("en", "*"))
    with pytest.raises(ConfigurationError, match="2 text towers"):
        write_bundle(tmp_path, random_card(text=towers))


def test_its_facts_are_plain_values(original: Bundle) -> None:
    facts = json.loads(json.dumps(bundle_facts(original)))
    assert facts["digest"] == original.digest
    assert facts["image"]["size"] == 8
    assert facts["bytes"] == sum(facts["files"].values()) > 0
    assert {head["score"] for head in facts["heads"]} == {head.score for head in HEADS}
