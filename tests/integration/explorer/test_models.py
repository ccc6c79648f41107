"""The models of queries: found by their bundle's digest, in process or in Triton."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pairmill.errors import RetriableError
from pairmill_explorer.encoding.shelf import ModelConfig, open_shelf
from pairmill_explorer.images.children import ImageChildren
from pairmill_models.bundle import CARD_NAME, load_bundle
from pairmill_models.tiny import bundle_path
from pairmill_models.triton_settings import TritonConfig


@pytest.fixture
def children() -> Iterator[ImageChildren]:
    """Children that are never started: nothing here is an image."""
    with closing(ImageChildren(1)) as children:
        yield children


def test_while_triton_is_away_a_text_may_be_tried_again_f1(children: ImageChildren) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        config = ModelConfig(
            triton_target=f"127.0.0.1:{nobody.getsockname()[1]}",
            triton=TritonConfig(request_timeout_seconds=0.3, patience_seconds=0.3),
        )
        with closing(open_shelf(config, children)) as shelf:
            encoder = shelf.get(load_bundle(bundle_path()).digest)
            assert encoder is not None
            with pytest.raises(RetriableError, match="triton"):
                encoder.text("a red tree")


def test_a_bundle_is_found_in_a_folder_of_bundles_once_it_is_there(
    children: ImageChildren, tmp_path: Path
) -> None:
    with closing(open_shelf(ModelConfig(bundles=(tmp_path / "bundles",)), children)) as shelf:
        digest = _other_bundle(tmp_path / "other")
        assert shelf.get(digest) is None
        shutil.copytree(tmp_path / "other", tmp_path / "bundles" / "mine")
        encoder = shelf.get(digest)
        assert encoder is not None
        assert encoder.text("a red tree").shape == (encoder.dimensions,)


def test_a_damaged_bundle_is_not_used(children: ImageChildren, tmp_path: Path) -> None:
    digest = _other_bundle(tmp_path / "other")
    tower = tmp_path / "other" / "text.onnx"
    tower.write_bytes(tower.read_bytes()[:-1])
    with closing(open_shelf(ModelConfig(bundles=(tmp_path / "other",)), children)) as shelf:
        assert shelf.get(digest) is None


def _other_bundle(folder: Path) -> str:
    """Copies the tiny bundle with a card that says the same in other bytes; returns its digest."""
    shutil.copytree(bundle_path(), folder)
    card = folder / CARD_NAME
    card.write_bytes(card.read_bytes() + b"\n")
    return load_bundle(folder).digest
