"""Stored images are shown small or whole, and nothing that they hold takes the explorer with it."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from pairmill.dataset.tar_writer import TarWriter
from pairmill.errors import CorruptObjectError
from pairmill.store.directory import DirectoryStore
from pairmill_explorer.desk import SearchDesk
from pairmill_explorer.encoding.shelf import ModelConfig, open_shelf
from pairmill_explorer.errors import BadRequestError, NotFoundError
from pairmill_explorer.images.children import ImageChildren
from pairmill_explorer.images.stored import ImagePlace, read_image
from pairmill_explorer.images.work import Answer, Item, Refused, ToSquare, ToThumbnail, work_on
from pairmill_explorer.open import Explorer
from pairmill_explorer.ports import NotEmbeddableError
from pairmill_models.bundle import load_bundle
from pairmill_models.onnx_embedder import OnnxEmbedder
from pairmill_models.tiny import bundle_path
from pairmill_protos.explorer.v1.search_pb2 import Filters, SafeMode, Sample
from pairmill_protos.explorer.v1.search_service_pb2 import SearchRequest

SHOW = Filters(safe_mode=SafeMode.SAFE_MODE_SHOW)
KEY = "ab" * 16
DEADLY = b"this kills the child"


def deadly_work() -> Callable[[Item], Answer]:
    """Work that one picture ends."""

    def work(item: Item) -> Answer:
        if item.data == DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        return work_on(item)

    return work


def picture(width: int = 300, height: int = 200, seed: int = 1) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return bytes(simplejpeg.encode_jpeg(pixels, quality=90, colorspace="RGB"))


@pytest.fixture(scope="module")
def children() -> Iterator[ImageChildren]:
    with closing(ImageChildren(1, factory=deadly_work)) as children:
        yield children


@pytest.fixture
def desk(explorer: Explorer) -> SearchDesk:
    return explorer.search


def samples(desk: SearchDesk, *, unsafe: bool) -> list[Sample]:
    hits = desk.search(SearchRequest(filters=SHOW, page_size=1000)).hits
    return [hit.sample for hit in hits if hit.sample.has_image and hit.sample.unsafe == unsafe]


def size_of(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as image:
        return image.size


def test_an_image_is_shown_as_stored_and_smaller(desk: SearchDesk) -> None:
    sample = samples(desk, unsafe=False)[0]
    stored = desk.image("demo", sample.sample_id, 0)
    assert stored is not None
    assert stored.startswith(b"\xff\xd8\xff")
    small = desk.image("demo", sample.sample_id, 100)
    assert small is not None
    assert max(size_of(small)) <= 128
    assert desk.image("demo", sample.sample_id, 100) is small


def test_an_unsafe_image_is_shown_only_on_request_h6(desk: SearchDesk) -> None:
    sample = samples(desk, unsafe=True)[0]
    assert desk.image("demo", sample.sample_id, 0) is None
    assert desk.image("demo", sample.sample_id, 0, SafeMode.SAFE_MODE_UNSPECIFIED) is None
    shown = desk.image("demo", sample.sample_id, 200, SafeMode.SAFE_MODE_BLUR)
    assert shown is not None
    assert desk.image("demo", sample.sample_id, 200) is None  # also once it was made
    assert desk.image("demo", sample.sample_id, 0, SafeMode.SAFE_MODE_SHOW)


def test_an_image_that_is_not_there_is_said_so_h2(desk: SearchDesk) -> None:
    with pytest.raises(NotFoundError):
        desk.image("demo", "00" * 16, 0)
    with pytest.raises(BadRequestError):
        desk.image("demo", "../../etc/passwd", 0)
    for side in (-1, 5000):
        with pytest.raises(BadRequestError):
            desk.image("demo", samples(desk, unsafe=False)[0].sample_id, side)


def tar_with(folder: Path, data: bytes) -> tuple[DirectoryStore, ImagePlace]:
    """Stores a tar with one image, with its checksum in the header."""
    folder.mkdir()
    with TarWriter(folder / "raw.tar", checksums=True) as tar:
        tar.add(f"{KEY}.json", b"{}")
        placed = tar.add(f"{KEY}.jpg", data)
    store = DirectoryStore(folder / "store")
    store.put("shards/a.tar", (folder / "raw.tar").read_bytes())
    return store, ImagePlace(tar="shards/a.tar", offset=placed.offset, size=placed.size)


def test_a_stored_image_is_read_by_one_range(tmp_path: Path) -> None:
    store, place = tar_with(tmp_path / "x", picture())
    assert read_image(store, place, KEY) == picture()
    gone = ImagePlace(tar="shards/gone.tar", offset=place.offset, size=place.size)
    assert read_image(store, gone, KEY) is None


@pytest.mark.parametrize("where", [0, 100, -1], ids=["first-byte", "within", "last-byte"])
def test_a_flipped_bit_in_an_image_is_found_g4(tmp_path: Path, where: int) -> None:
    store, place = tar_with(tmp_path / "x", picture())
    path = store.root / "shards/a.tar"
    data = bytearray(path.read_bytes())
    data[place.offset + where % place.size] ^= 4
    path.write_bytes(data)
    with pytest.raises(CorruptObjectError, match="checksum"):
        read_image(store, place, KEY)


@pytest.mark.parametrize(
    ("offset", "size", "key"),
    [(0, 0, "cd" * 16), (512, 0, KEY), (-1024, 0, KEY), (0, 1, KEY), (0, 10**9, KEY), (10**7, 0, KEY)],
    ids=["other-sample", "no-header", "other-member", "other-size", "huge", "behind-the-end"],
)
def test_an_index_that_points_elsewhere_shows_nothing_g4(
    tmp_path: Path, offset: int, size: int, key: str
) -> None:
    store, place = tar_with(tmp_path / "x", picture())
    wrong = ImagePlace(tar=place.tar, offset=place.offset + offset, size=place.size + size)
    with pytest.raises(CorruptObjectError):
        read_image(store, wrong, key)


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"\xff\xd8\xff\xe0" + bytes(50),
        picture()[:2000],
        b"\x89PNG\r\n\x1a\n" + bytes(9),
        b"<svg/>",
    ],
    ids=["letters", "no-jpeg", "cut", "no-png", "svg"],
)
def test_a_hostile_image_is_refused_and_the_next_one_is_shown_h2(
    children: ImageChildren, data: bytes
) -> None:
    for item in (ToSquare(data=data, size=32, resize="crop"), ToThumbnail(data=data, side=32)):
        assert isinstance(children.ask(item), Refused)
    assert isinstance(children.ask(ToThumbnail(data=picture(), side=32)), bytes)


def test_a_picture_that_kills_its_child_takes_nothing_with_it_h2(children: ImageChildren) -> None:
    answer = children.ask(ToSquare(data=DEADLY, size=32, resize="crop"))
    assert isinstance(answer, Refused)
    assert "ends the decoder" in answer.why
    assert isinstance(children.ask(ToThumbnail(data=picture(), side=32)), bytes)


def test_a_picture_of_endless_pixels_is_refused_by_its_header_h2(children: ImageChildren) -> None:
    sink = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(sink, "PNG")
    answer = children.ask(ToThumbnail(data=sink.getvalue(), side=32))
    assert isinstance(answer, Refused)
    assert "pixels" in answer.why


def test_a_query_image_is_embedded_as_the_pipeline_embeds_it(children: ImageChildren) -> None:
    bundle = load_bundle(bundle_path())
    data = picture()
    with closing(open_shelf(ModelConfig(), children)) as shelf:
        encoder = shelf.get(bundle.digest)
        assert encoder is not None
        assert shelf.get(bundle.digest) is encoder
        assert shelf.get("0" * 64) is None
        found = encoder.image(data)
        assert (encoder.image(data) == found).all()
        square = work_on(ToSquare(data=data, size=bundle.image_size, resize=bundle.card.image.resize))
        assert isinstance(square, np.ndarray)
        expected = OnnxEmbedder(bundle).embed_images(square[None])[0]
        assert np.abs(found - expected).max() < 1e-5
        assert (
            np.abs(encoder.text("a red tree") - OnnxEmbedder(bundle).embed_texts(["a red tree"])[0]).max()
            < 1e-5
        )
        with pytest.raises(NotEmbeddableError):
            encoder.image(b"no picture")
