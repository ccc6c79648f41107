"""Which links become candidates, and why the others do not (U8). Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from pairmill.idarrays import Flags, Words, ascending, ranks_in_groups, starts_of_groups
from pairmill.placement.links import Links
from pairmill_protos.common.v1.outcome_pb2 import Reason
from pairmill_protos.job.v1.job_pb2 import PlanRules

Known = Callable[[Words], Flags]
"""Returns which of the URLs, given ascending and each once, are known."""

_SCALE = 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Links in order of URL, sample and provenance, each with its reason."""

    order: npt.NDArray[np.int64]  # (n,) positions in the links
    reasons: npt.NDArray[np.int32]  # (n,) in that order; REASON_UNSPECIFIED for a candidate

    @property
    def passed(self) -> npt.NDArray[np.int64]:
        """Positions of the candidates, in order of URL and sample."""
        return np.asarray(self.order[self.reasons == Reason.REASON_UNSPECIFIED], dtype=np.int64)

    def counts(self) -> dict[Reason.ValueType, int]:
        """Returns the number of links by reason."""
        reasons, counts = np.unique(self.reasons, return_counts=True)
        return dict(zip(cast("list[Reason.ValueType]", reasons.tolist()), counts.tolist(), strict=True))


def select(links: Links, rules: PlanRules, *, seen: Known, excluded: Known) -> Selection:
    """Returns the links with the first rule that each breaks.

    In this order: `duplicate_sample` (another link of the wave with the same URL and text has smaller
    provenance), `seen_before`, `excluded_url`, `too_many_captions` (the URL has enough texts with
    smaller ids), `not_sampled`, `over_limit` (the range has enough candidates with smaller ids). Each
    rule sees only what passed those before it.
    """
    order = links.order()
    urls, samples = links.url[order], links.sample[order]
    reasons = np.full(len(order), Reason.REASON_UNSPECIFIED, dtype=np.int32)

    def drop(where: Flags, reason: Reason.ValueType) -> None:
        reasons[where & (reasons == Reason.REASON_UNSPECIFIED)] = reason

    drop(~starts_of_groups(samples), Reason.REASON_DUPLICATE_SAMPLE)
    starts = starts_of_groups(urls)
    number = np.cumsum(starts) - 1
    distinct = urls[starts]
    drop(seen(distinct)[number], Reason.REASON_SEEN_BEFORE)
    drop(excluded(distinct)[number], Reason.REASON_EXCLUDED_URL)
    drop(_over_rank(urls, reasons, rules.captions_per_url), Reason.REASON_TOO_MANY_CAPTIONS)
    if rules.HasField("sample_rate"):
        drop(~is_sampled(samples, rules.sample_rate), Reason.REASON_NOT_SAMPLED)
    if rules.HasField("limit_per_range"):
        drop(_over_limit(samples, reasons, rules.limit_per_range), Reason.REASON_OVER_LIMIT)
    return Selection(order=order, reasons=reasons)


def is_sampled(samples: Words, rate: float) -> Flags:
    """Returns which ids a share of all ids takes: those whose last 8 bytes are below rate times 2^64.

    The first bytes are left alone, because ranges of ids are what the finalisation is cut into.
    """
    threshold = int(rate * _SCALE)
    if threshold >= _SCALE:
        return np.ones(len(samples), dtype=np.bool_)
    return samples[:, 1] < np.uint64(threshold)


def _over_rank(urls: Words, reasons: npt.NDArray[np.int32], limit: int) -> Flags:
    """Rows that pass so far and have `limit` others of their URL before them."""
    passing = np.flatnonzero(reasons == Reason.REASON_UNSPECIFIED)
    over = np.zeros(len(urls), dtype=np.bool_)
    over[passing] = ranks_in_groups(starts_of_groups(urls[passing])) >= limit
    return over


def _over_limit(samples: Words, reasons: npt.NDArray[np.int32], limit: int) -> Flags:
    """Rows that pass so far but are not among the `limit` smallest ids."""
    passing = np.flatnonzero(reasons == Reason.REASON_UNSPECIFIED)
    over = np.zeros(len(samples), dtype=np.bool_)
    over[passing[ascending(samples[passing])[limit:]]] = True
    return over
