"""A dataset that is served while its index is replaced, broken, away, repaired."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pairmill.dataset.manifest import MANIFEST_NAME, new_manifest
from pairmill.errors import RetriableError
from pairmill.store.directory import DirectoryStore
from pairmill_explorer.datasets.registry import Datasets, Watcher
from pairmill_explorer.datasets.served import ServedDataset
from pairmill_explorer.ports import QueryEncoder
from pairmill_index.layout import CURRENT
from tests.fakes.clock import ManualClock
from tests.fakes.dataset_options import save_manifest, small_spec
from tests.fakes.failing_store import FailingStore
from tests.fakes.index_world import IndexWorld, make_index, serve_version
from tests.fakes.processes import wait_until


class AwayStore(FailingStore):
    """A store that may be away, and that is no folder for who uses it."""

    def __init__(self, behind: DirectoryStore) -> None:
        super().__init__(behind, fails="", times=0)
        self.away = False

    def get(self, key: str, *, sha256: bytes | None = None) -> bytes:
        if self.away:
            raise RetriableError("the store does not answer")
        return super().get(key, sha256=sha256)


class Serving:
    """A dataset in a folder, with a clock that moves when told to."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "dataset"
        self.store = DirectoryStore(self.root)
        self.clock = ManualClock()
        self.encoders: dict[str, QueryEncoder] = {}
        self.served = ServedDataset(
            "demo", self.store, folder / "own", encoders=self.encoders.get, clock=self.clock
        )

    def add_manifest(self) -> None:
        manifest = new_manifest(spec=small_spec(), state="complete", why=[], funnel=[], files=[])
        save_manifest(self.root, manifest)

    def add_index(self, name: str, seed: int) -> IndexWorld:
        """Publishes a version; the world's own view of it stays open."""
        return make_index(self.root, 120, seed=seed, name=name)

    def version(self) -> str:
        with self.served.use() as snapshot:
            return snapshot.index.version


@pytest.fixture
def serving(tmp_path: Path) -> Serving:
    found = Serving(tmp_path)
    found.add_manifest()
    return found


@contextmanager
def damaged(path: Path) -> Iterator[None]:
    """Flips a byte of a file for a while."""
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    yield
    path.write_bytes(data)


def segment_file(serving: Serving, name: str) -> Path:
    return next((serving.root / "index" / "segments").glob(f"{name}en-0/image.npy"))


def test_a_dataset_without_an_index_says_how_to_make_one(serving: Serving) -> None:
    serving.served.refresh()
    assert "pairmill index build" in serving.served.trouble
    assert serving.served.manifest().dataset.manifest.version
    with pytest.raises(RetriableError, match="pairmill index build"):
        serving.version()


def test_what_is_no_dataset_is_in_trouble_until_it_is_one(tmp_path: Path) -> None:
    serving = Serving(tmp_path)
    serving.served.refresh()
    assert "no finished dataset" in serving.served.trouble
    serving.add_manifest()
    world = serving.add_index("a-", 1)
    serving.served.refresh()
    assert (serving.served.trouble, serving.version()) == ("", world.index.version)


def test_a_new_version_takes_over_and_searches_under_way_keep_theirs_h1(serving: Serving) -> None:
    old = serving.add_index("a-", 1)
    serving.served.refresh()
    with serving.served.use() as before:
        new = serving.add_index("b-", 2)
        assert serving.version() == old.index.version
        serving.served.refresh()
        assert serving.version() == new.index.version
        assert before.index.version == old.index.version
        assert before.index.segments[0].vectors(old.index.manifest.segments[0].indices[0].modality).any()


def test_a_broken_new_version_is_refused_and_the_old_one_serves_h1(serving: Serving) -> None:
    old = serving.add_index("a-", 1)
    serving.served.refresh()
    new = serving.add_index("b-", 2)
    with damaged(segment_file(serving, "b-")):
        serving.served.refresh()
        assert "b-en-0/image.npy" in serving.served.trouble
        assert serving.version() == old.index.version
    serving.served.refresh()
    assert serving.version() == old.index.version  # it is not looked at again at once
    serving.clock.sleep(61)
    serving.served.refresh()
    assert (serving.served.trouble, serving.version()) == ("", new.index.version)


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"version": "x", "sha256": "y"}'], ids=["empty", "cut", "names-none"]
)
def test_a_broken_name_of_the_version_leaves_the_old_one_serving_h1(serving: Serving, content: bytes) -> None:
    old = serving.add_index("a-", 1)
    serving.served.refresh()
    serving.store.put(CURRENT, content)
    serving.served.refresh()
    assert serving.served.trouble
    assert serving.version() == old.index.version
    serve_version(serving.store, old.index.manifest)
    serving.served.refresh()
    assert serving.served.trouble == ""


def test_an_index_cut_short_is_refused_when_it_is_first_opened_h1(serving: Serving) -> None:
    serving.add_index("a-", 1)
    path = segment_file(serving, "a-")
    path.write_bytes(path.read_bytes()[:-100])
    serving.served.refresh()
    assert "image.npy" in serving.served.trouble
    with pytest.raises(RetriableError):
        serving.version()


def test_a_store_that_is_away_leaves_the_index_serving(serving: Serving, tmp_path: Path) -> None:
    old = serving.add_index("a-", 1)
    serving.store.put(
        MANIFEST_NAME, (serving.root / MANIFEST_NAME).read_bytes()
    )  # with a checksum, as buckets have
    serving.store.put(MANIFEST_NAME, (serving.root / MANIFEST_NAME).read_bytes())  # with its checksum
    store = AwayStore(serving.store)
    served = ServedDataset(
        "demo", store, tmp_path / "copied", encoders=serving.encoders.get, clock=serving.clock
    )
    served.refresh()
    store.away = True
    served.refresh()
    assert served.trouble == "the store does not answer"
    with served.use() as snapshot:
        assert snapshot.index.version == old.index.version
    store.away = False
    served.refresh()
    assert served.trouble == ""


def test_a_model_that_comes_later_is_found(serving: Serving) -> None:
    class Encoder:
        dimensions = 16

        def text(self, text: str) -> None: ...

        def image(self, data: bytes) -> None: ...

        def close(self) -> None: ...

    world = serving.add_index("a-", 1)
    serving.served.refresh()
    with serving.served.use() as snapshot:
        assert snapshot.encoder is None
    encoder: object = Encoder()
    serving.encoders[world.index.manifest.bundle_digest] = encoder  # type: ignore[assignment]  # never asked
    serving.served.refresh()
    with serving.served.use() as snapshot:
        assert snapshot.encoder is encoder


def test_datasets_are_looked_at_again_and_again(serving: Serving) -> None:
    watcher = Watcher(Datasets([serving.served]), seconds=0.01)
    watcher.start()
    try:
        world = serving.add_index("a-", 1)
        wait_until(lambda: not serving.served.trouble)
        assert serving.version() == world.index.version
    finally:
        watcher.close()
