"""What a class of links is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from pairmill_synthweb.draft import Draft
from pairmill_synthweb.world import Host, Resource

Recipe = Callable[[Draft, str, int], None]
"""Adds at most so many candidates of the named class to a draft."""

FieldsOf = Callable[[Draft, int], dict[str, Any]]
"""Fields of the class's n-th resource."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A class of links: how many there are, and who makes them."""

    name: str
    recipe: Recipe
    per_mille: float  # of all candidates
    least: int = 1
    most: int | None = None  # for what costs a job time; unset grows with the world

    def count(self, candidates: int) -> int:
        """Returns how many candidates of a world are to be of this class."""
        wanted = max(self.least, round(candidates * self.per_mille / 1000))
        return wanted if self.most is None else min(wanted, self.most)


def failed(
    reason: str,
    fields_of: FieldsOf,
    *,
    tries: int = 1,
    folder: str = "img",
    host_of: Callable[[Draft, Random, int], Host] | None = None,
) -> Recipe:
    """Returns a recipe for resources that end as `failed(reason)` in the download.

    With `tries` = 0 a row uses all the requests it has, so it stands in the first wave.
    """

    def recipe(draft: Draft, kind: str, count: int) -> None:
        rng = draft.stream(kind)
        for number in range(count):
            host = host_of(draft, rng, number) if host_of else draft.any_host(rng)
            resource = draft.resource(kind, host, folder=folder, **fields_of(draft, number))
            captioned(
                draft,
                rng,
                resource,
                outcome="failed",
                reason=reason,
                stage="download",
                tries=tries or draft.rules.tries,
                early=tries == 0,
            )

    return recipe


def captioned(draft: Draft, rng: Random, resource: Resource, **fields: Any) -> None:
    """Adds a candidate of a resource with the caption of its picture, or of any scene."""
    group = resource.picture.group if resource.picture else draft.new_group()
    draft.candidate(resource, draft.caption(group, rng, wording=rng.randrange(4)), **fields)


def closed_folder_host(draft: Draft, rng: Random, number: int) -> Host:
    """A regular host whose robots.txt closes some folders."""
    del number
    return rng.choice(draft.with_closed_folders)
