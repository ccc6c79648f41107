"""What a recipe cuts out of a dataset as it is now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pairmill_explorer.datasets.served import Snapshot
from pairmill_explorer.search.conditions import Conditions, conditions_of
from pairmill_explorer.search.masks import evaluated
from pairmill_explorer.search.query import modality_of, query_vector
from pairmill_explorer.subsets.choice import above, choose, total
from pairmill_explorer.subsets.exports.rows import has_image
from pairmill_explorer.subsets.query import exact_scores, unlike
from pairmill_explorer.subsets.recipe import Checked, in_recipe
from pairmill_explorer.subsets.segments import Flags


@dataclass(frozen=True, slots=True)
class Cut:
    """The rows that a recipe chooses."""

    matching: int  # rows that the filters admit
    chosen: tuple[Flags, ...]  # per segment of the index

    @property
    def samples(self) -> int:
        """Samples in the subset."""
        return total(self.chosen)


def cut_of(snapshot: Snapshot, checked: Checked, check: Callable[[], None] = lambda: None) -> Cut:
    """Returns what a recipe chooses of an index version; removed samples are never among it (G8).

    `check` may raise to end the work. Raises BadRequestError or NotFoundError where its query cannot be made.
    """
    index, recipe = snapshot.index, checked.recipe
    conditions, modality = conditions_of(recipe.filters, snapshot.rules), modality_of(recipe.modality)
    with in_recipe():  # before any row is looked at
        vector = query_vector(recipe.parts, modality, index, snapshot.encoder) if recipe.parts else None
    admitted: Sequence[Flags] = _admitted(snapshot, conditions, check)
    matching, rules = total(admitted), checked.rules
    if vector is None:
        return Cut(matching, choose(index.segments, admitted, rules))
    scores = exact_scores(index.segments, admitted, modality, vector, check)
    if checked.compares_results:
        admitted = above(admitted, scores, rules.min_score)
        admitted = unlike(index, admitted, scores, modality, checked.alike, recipe.max_results)
    return Cut(matching, choose(index.segments, admitted, rules, scores))


def with_images(snapshot: Snapshot, chosen: Sequence[Flags]) -> tuple[Flags, ...]:
    """Returns the chosen rows whose images the dataset still holds."""
    segments = snapshot.index.segments
    return tuple(flags & has_image(segment) for segment, flags in zip(segments, chosen, strict=True))


def _admitted(snapshot: Snapshot, conditions: Conditions, check: Callable[[], None]) -> list[Flags]:
    found = []
    for segment in snapshot.index.segments:
        check()
        found.append(evaluated(segment, conditions))
    return found
