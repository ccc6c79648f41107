"""From a candidate to the picture that a client ends at."""

from __future__ import annotations

from pairmill_synthweb.world import Answer, Candidate, Picture, Resource, World


def picture_of(candidate: Candidate, by_url: dict[str, Resource], world: World) -> Picture | None:
    """Returns the picture behind a candidate, redirects followed; None where there is none."""
    if candidate.outcome or candidate.resource is None:
        return None
    resource = world.resources[candidate.resource]
    while resource.answer is Answer.REDIRECT:
        resource = by_url[dict(resource.headers)["Location"]]
    return resource.picture


def pictures_of(world: World) -> list[Picture | None]:
    """Returns the picture of each candidate that is to be downloaded, None for the others."""
    by_url = {resource.url: resource for resource in world.resources}
    return [picture_of(candidate, by_url, world) for candidate in world.candidates]
