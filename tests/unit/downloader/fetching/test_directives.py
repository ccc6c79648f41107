"""X-Robots-Tag (D10)."""

from __future__ import annotations

import pytest

from pairmill_downloader.fetching.directives import directives_for, forbidding_directive

FORBIDDING = ("noai", "noimageai", "noindex", "noimageindex", "none")


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["noai"], "noai"),
        (["NOAI"], "noai"),
        (["noai, noimageai"], "noai"),
        (["pairmill: noai"], "noai"),
        (["PairMill: nofollow, NoImageAI"], "noimageai"),
        (["otherbot: noindex, pairmill: noimageai"], "noimageai"),
        (["max-image-preview: large, noai"], "noai"),
        (["unavailable_after: 25 Jun 2010 15:00:00 PST, noindex"], "noindex"),
        (["otherbot: noai", "noindex"], "noindex"),
        (["*: none"], "none"),
        (["otherbot: noai"], ""),
        (["otherbot: noindex, noai"], ""),
        (["pairmill: nofollow, otherbot: noai"], ""),
        (["max-image-preview: large"], ""),
        (["nofollow"], ""),
        (["noaitools"], ""),
        (["", ",", ":"], ""),
        ([], ""),
    ],
)
def test_d10_forbidding_directive(values: list[str], found: str) -> None:
    assert forbidding_directive(values, "pairmill", FORBIDDING) == found


def test_only_what_the_job_names_forbids() -> None:
    assert forbidding_directive(["noindex, noai"], "pairmill", ("noai",)) == "noai"
    assert forbidding_directive(["noindex"], "pairmill", ("noai",)) == ""


def test_directives_keep_their_values() -> None:
    assert list(directives_for(["max-snippet: 20, noai"], "pairmill")) == ["max-snippet: 20", "noai"]
