"""Text queries over what the pipeline made of the synthetic web bring the right scenes first."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pairmill.dataset.reader import Dataset
from pairmill.store.directory import DirectoryStore
from pairmill_explorer.desk import SearchDesk
from pairmill_explorer.open import CoreConfig, open_explorer
from pairmill_index.build import build_index
from pairmill_index.options import BuildOptions
from pairmill_models.bundle import load_bundle
from pairmill_models.tiny import bundle_path
from pairmill_models.tiny.scenes import LANGUAGES, Scene, caption_of, scene_of
from pairmill_protos.explorer.v1.search_pb2 import Filters, QueryPart, SafeMode
from pairmill_protos.explorer.v1.search_service_pb2 import SearchRequest
from pairmill_standalone.demo import prepare_demo_world
from pairmill_synthweb.draft import scene_number
from pairmill_synthweb.prepare import PreparedWorld
from tests.e2e.conftest import Undisturbed
from tests.e2e.runs import SEED, serving

QUERIES = 50
DEMO_CANDIDATES = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class Explored:
    """A run's dataset that can be searched, and the scene that each of its pictures shows."""

    desk: SearchDesk
    scenes: Mapping[str, Scene]  # by URL

    def found(self, text: str, count: int) -> list[Scene | None]:
        """Returns the scenes of the pictures nearest to a text; None for one that shows none."""
        request = SearchRequest(
            parts=[QueryPart(text=text)],
            filters=Filters(safe_mode=SafeMode.SAFE_MODE_SHOW),
            page_size=count,
        )
        return [self.scenes.get(hit.sample.url) for hit in self.desk.search(request).hits]

    def queries(self, language: str) -> Iterator[tuple[Scene, str]]:
        """Yields scenes that are there, each with a caption in a language."""
        draw = random.Random(language)
        hits = self.desk.search(SearchRequest(page_size=1000)).hits
        there = [self.scenes[hit.sample.url] for hit in hits if hit.sample.url in self.scenes]
        for number in range(QUERIES):
            scene = draw.choice(there)
            yield scene, caption_of(scene, language, number)


@contextmanager
def explored(out: Path, prepared: PreparedWorld) -> Iterator[Explored]:
    """Indexes a run's dataset and opens it."""
    store = DirectoryStore(out)
    build_index(Dataset.open(out), store, BuildOptions(), scratch=out.parent)
    with open_explorer({"run": store}, CoreConfig(scratch=out.parent / "explorer")) as explorer:
        yield Explored(desk=explorer.search, scenes=scenes_of(prepared))


def scenes_of(prepared: PreparedWorld) -> Mapping[str, Scene]:
    """Returns what each picture of the web shows, by its URL; foreign ones show nothing known."""
    world, scenes = prepared.world, {}
    for candidate in world.candidates:
        resource = None if candidate.resource is None else world.resources[candidate.resource]
        if resource is not None and resource.picture is not None:
            picture = resource.picture
            number = scene_number(world.seed, picture.group, world.redraws, roving=picture.roving)
            scenes[candidate.url] = scene_of(number)
    return scenes


def named(scene: Scene) -> Counter[tuple[str, object]]:
    """Returns the eight facts of a scene that a caption names without saying what is where."""
    groups = (scene.first, scene.second)
    facts: list[tuple[str, object]] = [("background", scene.background), ("texture", scene.texture)]
    for group in groups:
        facts += [("shape", group.shape), ("colour", group.colour), ("count", group.count)]
    return Counter(facts)


def share_of(flags: Iterable[bool]) -> float:
    """Returns how many of them hold, as a share."""
    known = list(flags)
    return sum(known) / len(known)


def test_a_caption_finds_its_own_scene_first_in_each_language(
    undisturbed: Undisturbed, prepared: PreparedWorld, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(undisturbed.out, out)
    with explored(out, prepared) as run:
        for language in LANGUAGES:
            first = [run.found(text, 1) == [scene] for scene, text in run.queries(language)]
            assert share_of(first) >= 0.95, language


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_first_ten_show_what_a_caption_names_in_each_language(tmp_path: Path) -> None:
    """Right is a picture that shows at least half of what is named; of all pictures one in thirteen does."""
    prepared = prepare_demo_world(
        tmp_path / "world", load_bundle(bundle_path()), candidates=DEMO_CANDIDATES, seed=SEED
    )
    with serving(prepared) as served:
        served.run(tmp_path / "out")
    with explored(tmp_path / "out", prepared) as run:
        for language in LANGUAGES:
            right = [
                found is not None and (named(scene) & named(found)).total() >= 4
                for scene, text in run.queries(language)
                for found in run.found(text, 10)
            ]
            assert share_of(right) >= 0.8, language
