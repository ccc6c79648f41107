"""Worlds are redrawn until every end is clear."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest

from pairmill.errors import ConfigurationError
from pairmill_protos.job.v1.job_pb2 import ScoreRules
from pairmill_synthweb.files import PictureFiles
from pairmill_synthweb.kinds.table import least_candidates
from pairmill_synthweb.plan import build_world
from pairmill_synthweb.truth.appraise import Appraiser
from pairmill_synthweb.truth.clusters import HASH_MARGIN
from pairmill_synthweb.truth.ends import Evidence
from pairmill_synthweb.truth.perceptual import cosine_hash
from pairmill_synthweb.truth.settle import Settled, Unclear, find_unclear, redrawn, settle
from pairmill_synthweb.truth.sight import Storage
from pairmill_synthweb.truth.thresholds import MARGIN
from pairmill_synthweb.world import Redraws, World
from tests.fakes.drawn_model import SIDE, DrawnModel
from tests.fakes.painter import FakePainter
from tests.unit.synthweb.worlds import rules

SIZE = least_candidates()
SCORE = ScoreRules(min_similarity={"*": 0.5}, max_unsafe_score=0.5, max_watermark_score=0.5, max_toxicity=0.5)


def build(redraws: Redraws) -> World:
    return build_world(
        seed=1,
        candidates=SIZE,
        rules=replace(rules(), score=SCORE),
        painter=FakePainter(),
        redraws=redraws,
    )


def appraiser(model: DrawnModel) -> Appraiser:
    storage = Storage(image_size=384, jpeg_quality=95, model_size=SIDE, resize="squash")
    return Appraiser(
        model, storage, lambda redraws: PictureFiles(1, redraws, FakePainter()), cosine_hash, threads=2
    )


@cache
def settled() -> tuple[Settled, Sequence[Evidence | None]]:
    look = appraiser(DrawnModel())
    found = settle(build, look.evidence)
    return found, look.evidence(found.world)


def test_a_settled_world_has_nothing_unclear() -> None:
    found, evidence = settled()
    assert not find_unclear(found.world, evidence)


def test_all_scores_of_a_settled_world_keep_the_margin() -> None:
    _, evidence = settled()
    for one in evidence:
        if one is not None:
            scores = (one.scores.similarity, one.scores.unsafe, one.scores.watermark, one.scores.toxicity)
            assert all(score is not None and abs(score - 0.5) >= MARGIN for score in scores)


def test_kinds_end_as_they_are_meant_to() -> None:
    found, _ = settled()
    reasons: dict[str, Counter[str]] = {}
    for end in found.ends:
        reasons.setdefault(end.kind, Counter())[end.reason] += 1
    assert set(reasons["mismatched"]) == {"low_similarity"}
    assert set(reasons["unsafe"]) == {"unsafe"}
    assert set(reasons["watermark"]) == {"watermark"}
    assert set(reasons["toxic"]) == {"toxic"}
    assert set(reasons["png"]) == {""}
    for kind in ("same_bytes", "near_duplicate", "several_texts", "many_texts"):
        assert set(reasons[kind]) == {"duplicate_cluster", ""}


def test_every_candidate_ends_in_exactly_one_way() -> None:
    found, _ = settled()
    assert len({end.sample_id for end in found.ends}) == SIZE
    assert {end.outcome for end in found.ends} == {"kept", "filtered", "failed"}
    assert all((end.outcome == "kept") == (end.reason == "") for end in found.ends)


def test_what_stays_is_looked_at_once() -> None:
    model = DrawnModel()
    look = appraiser(model)
    look.evidence(build(Redraws()))
    before = model.pictures_seen
    group = next(one.caption_group for one in build(Redraws()).candidates if one.kind == "png")
    look.evidence(build(Redraws(looks={group: 1})))
    assert model.pictures_seen == before + 1


def test_a_text_near_the_threshold_gets_another_scene() -> None:
    first = build(Redraws())
    text = next(one for one in first.candidates if one.kind == "webp")
    found = settle(build, appraiser(DrawnModel(unsure={text.text})).evidence)
    assert text.text not in {one.text for one in found.world.candidates}
    assert found.world.redraws.scenes[text.caption_group] >= 1
    assert found.rounds > 1


def test_drawings_that_look_alike_by_accident_are_drawn_anew() -> None:
    found, evidence = settled()
    rows = [row for row, one in enumerate(found.world.candidates) if one.kind == "png"][:2]
    twin, other = (evidence[row] for row in rows)
    assert twin is not None
    assert other is not None
    changed = list(evidence)
    near = twin.phash ^ ((1 << (rules().max_hash_distance + HASH_MARGIN)) - 1)
    changed[rows[1]] = replace(other, phash=near)
    groups = {found.world.candidates[row].caption_group for row in rows}
    assert find_unclear(found.world, changed).looks == {max(groups)}


def test_near_duplicates_that_do_not_look_alike_are_drawn_anew() -> None:
    found, evidence = settled()
    row = next(row for row, one in enumerate(found.world.candidates) if one.kind == "near_duplicate")
    one = evidence[row]
    assert one is not None
    changed = list(evidence)
    changed[row] = replace(one, phash=one.phash ^ (2**40 - 1))
    assert find_unclear(found.world, changed).looks == {found.world.candidates[row].caption_group}


def test_rivals_that_fit_about_as_well_get_another_scene() -> None:
    found, evidence = settled()
    world = replace(found.world, rules=replace(found.world.rules, choose_by_cluster=False))
    assert find_unclear(world, evidence).scenes  # the fake model gives all texts of a scene one score


def test_a_scene_is_given_up_after_some_looks() -> None:
    redraws = Redraws()
    for _ in range(3):
        redraws = redrawn(redraws, Unclear(looks={7}))
    assert redraws == Redraws(looks={7: 3}, scenes={7: 1})


def test_a_model_that_cannot_tell_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="use a bundle"):
        settle(build, appraiser(DrawnModel(unsure={" "})).evidence, most_rounds=2)
