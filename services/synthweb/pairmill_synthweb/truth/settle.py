"""Redraws what is not clear until the end of every candidate is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pairmill.errors import ConfigurationError
from pairmill_synthweb.rules import Rules
from pairmill_synthweb.truth.clusters import HASH_MARGIN, distance, near_pairs
from pairmill_synthweb.truth.ends import End, Evidence, ends_before_urls, ends_of, rivals_by_url
from pairmill_synthweb.truth.links import pictures_of
from pairmill_synthweb.truth.thresholds import MARGIN, Limits
from pairmill_synthweb.world import Redraws, World

MOST_ROUNDS: Final = 25
_LOOKS_PER_SCENE: Final = 3  # looks that are tried before the scene is given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A world in which every candidate's end is clear."""

    world: World
    ends: Sequence[End]
    rounds: int  # how often it was looked at


@dataclass(slots=True, kw_only=True)
class Unclear:
    """Groups whose picture, or whose scene with all that is said of it, must be another."""

    looks: set[int] = field(default_factory=set)
    scenes: set[int] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.looks or self.scenes)


def settle(
    build: Callable[[Redraws], World],
    appraise: Callable[[World], Sequence[Evidence | None]],
    most_rounds: int = MOST_ROUNDS,
) -> Settled:
    """Returns the first world, in order of redraws, whose every end is clear.

    Raises ConfigurationError where a model is too unsure for that.
    """
    redraws = Redraws()
    for number in range(1, most_rounds + 1):
        world = build(redraws)
        evidence = appraise(world)
        unclear = find_unclear(world, evidence)
        if not unclear:
            ends = ends_of(world.candidates, evidence, world.rules)
            return Settled(world=world, ends=ends, rounds=number)
        redraws = redrawn(redraws, unclear)
    groups = len(unclear.looks | unclear.scenes)
    raise ConfigurationError(
        f"bundle: after {most_rounds} rounds the scores of {groups} drawings still lie within {MARGIN} of a "
        "threshold; use a bundle whose scores tell drawn scenes apart"
    )


def find_unclear(world: World, evidence: Sequence[Evidence | None]) -> Unclear:
    """Returns what has to be drawn anew."""
    unclear = Unclear()
    limits, pictures = Limits.of(world.rules.score), pictures_of(world)
    for candidate, picture, found in zip(world.candidates, pictures, evidence, strict=True):
        if found is None or picture is None:
            continue
        if not limits.image_is_clear(found.scores):
            unclear.looks.add(picture.group)
        if not limits.text_is_clear(found.scores):
            unclear.scenes.add(candidate.caption_group)
    by_content = {
        found.content_sha256: (picture.group, found.phash)
        for picture, found in zip(pictures, evidence, strict=True)
        if found is not None and picture is not None
    }
    unclear.looks |= _of_unclear_likeness(list(by_content.values()), world.rules)
    if world.rules.choose_by_url:
        unclear.scenes |= _of_close_rivals(world, evidence)
    return unclear


def redrawn(redraws: Redraws, unclear: Unclear) -> Redraws:
    """Returns the redraws with the next look or scene of what is unclear."""
    looks, scenes = Counter(redraws.looks), Counter(redraws.scenes)
    for group in unclear.looks - unclear.scenes:
        looks[group] += 1
        if looks[group] % _LOOKS_PER_SCENE == 0:
            scenes[group] += 1
    scenes.update(unclear.scenes)
    return Redraws(looks=dict(looks), scenes=dict(scenes))


def _of_unclear_likeness(drawn: Sequence[tuple[int, int]], rules: Rules) -> set[int]:
    """Groups whose files do not look alike enough, or too much like another group's."""
    limit = rules.max_hash_distance
    if limit < 0:
        return set()
    groups = [group for group, _ in drawn]
    hashes = [phash for _, phash in drawn]
    alike = near_pairs(hashes, limit + HASH_MARGIN)
    unclear = {max(groups[a], groups[b]) for a, b in alike if groups[a] != groups[b]}
    return unclear | _of_unlike_files(_hashes_by_group(drawn), max(0, limit - HASH_MARGIN))


def _of_unlike_files(by_group: Mapping[int, list[int]], most: int) -> set[int]:
    return {
        group
        for group, hashes in by_group.items()
        if any(distance(one, other) > most for one in hashes for other in hashes)
    }


def _hashes_by_group(drawn: Sequence[tuple[int, int]]) -> dict[int, list[int]]:
    by_group: dict[int, list[int]] = {}
    for group, phash in drawn:
        by_group.setdefault(group, []).append(phash)
    return by_group


def _of_close_rivals(world: World, evidence: Sequence[Evidence | None]) -> set[int]:
    """Scenes of URLs whose best two texts fit about as well."""
    ends = ends_before_urls(world.candidates, evidence, world.rules)
    group_of = {
        end.sample_id: candidate.caption_group for end, candidate in zip(ends, world.candidates, strict=True)
    }
    return {
        group_of[group[0].sample_id]
        for group in rivals_by_url(ends).values()
        if _similarity(group[0]) - _similarity(group[1]) < MARGIN
    }


def _similarity(end: End) -> float:
    assert end.evidence is not None
    return end.evidence.scores.similarity
