"""The models of queries: found by their bundle's digest, in process or in Triton."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pairmill.errors import RetriableError
from pairmill.store.directory import DirectoryStore
from pairmill_explorer.encoding.shelf import ModelConfig, ModelTroubleError, open_shelf
from pairmill_explorer.images.children import ImageChildren
from pairmill_explorer.open import CoreConfig, open_explorer
from pairmill_models.bundle import CARD_NAME, load_bundle
from pairmill_models.tiny import bundle_path
from pairmill_models.triton_settings import TritonConfig
from pairmill_protos.explorer.v1.search_service_pb2 import ListDatasetsRequest, SearchRequest


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
    with (
        closing(open_shelf(ModelConfig(bundles=(tmp_path / "other",)), children)) as shelf,
        pytest.raises(ModelTroubleError, match=r"text\.onnx"),
    ):
        shelf.get(digest)


def test_a_card_that_cannot_be_read_hides_no_other_bundle(children: ImageChildren, tmp_path: Path) -> None:
    unreadable_bundle(tmp_path / "a")
    digest = _other_bundle(tmp_path / "b")
    with closing(open_shelf(ModelConfig(bundles=(tmp_path,)), children)) as shelf:
        assert shelf.get(digest) is not None
        with pytest.raises(ModelTroubleError, match=r"a/bundle\.json: Input/output error"):
            shelf.get("0" * 64)


def test_an_explorer_starts_with_a_card_that_cannot_be_read_and_says_so(folder: Path, tmp_path: Path) -> None:
    unreadable_bundle(tmp_path / "bundles" / "mine")
    config = CoreConfig(
        scratch=tmp_path / "own",
        poll_seconds=3600,
        image_processes=1,
        model=ModelConfig(bundles=(tmp_path / "bundles",)),
    )
    with open_explorer({"demo": DirectoryStore(folder)}, config) as explorer:
        (info,) = explorer.search.list_datasets(ListDatasetsRequest()).datasets
        assert not info.can_encode
        assert "mine/bundle.json: Input/output error" in info.trouble
        hits = explorer.search.search(SearchRequest(page_size=1)).hits
        (tmp_path / "bundles" / "mine" / CARD_NAME).unlink()
        explorer.datasets.refresh()
        assert explorer.datasets.get("").trouble == ""
        assert explorer.search.search(SearchRequest(page_size=1)).hits == hits


def unreadable_bundle(folder: Path) -> None:
    """Makes a folder with a card that is a file and gives no bytes, whoever reads it."""
    folder.mkdir(parents=True)
    (folder / CARD_NAME).symlink_to("/proc/self/mem")


def _other_bundle(folder: Path) -> str:
    """Copies the tiny bundle with a card that says the same in other bytes; returns its digest."""
    shutil.copytree(bundle_path(), folder)
    card = folder / CARD_NAME
    card.write_bytes(card.read_bytes() + b"\n")
    return load_bundle(folder).digest
