"""From candidates to download units: lanes, rates and numbers. Pure.

All units of a range name the range's first bucket, so that they go to one partition and one process
owns each of their hosts, however many partitions there are (U6, U10). A very large domain is split by
URL into parts, each with its own bucket and its share of the rate; the units of a part go where its
bucket belongs. Units that go to one place are a *lane*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pairmill.idarrays import Positions, Words, ranks_in_groups, starts_of_groups
from pairmill.ids import BUCKETS, bucket_of
from pairmill.placement.links import Links
from pairmill.placement.spread import Atoms, Numbers, admitted_per_unit, assign_units
from pairmill.units import first_bucket_of_range, range_of_bucket
from pairmill_protos.job.v1.job_pb2 import JobSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where each candidate goes, row-aligned with the candidates in order of URL and sample."""

    unit: Numbers  # (n,) number of the unit, from 0 without gaps
    bucket: npt.NDArray[np.int32]  # (n,) bucket of a very large domain's part, else -1
    first_buckets: Sequence[int]  # of each unit


@dataclass(frozen=True, slots=True)
class _Groups:
    """Domains and parts of domains, which each have a rate of their own."""

    number: Numbers  # (n,) of each candidate
    bucket: npt.NDArray[np.int32]  # (n,)
    caps: Numbers  # by number


def place(links: Links, candidates: Positions, spec: JobSpec, range_index: int) -> Placement:
    """Returns the units of the candidates of a range."""
    urls = links.url[candidates]
    groups = _groups(links, candidates, spec)
    lane = _lanes(groups.bucket, spec.plan.ranges, range_index)
    unit = np.full(len(candidates), -1, dtype=np.int64)
    first_buckets: list[int] = []
    for home in sorted(set(lane.tolist()), key=lambda home: (home != range_index, home)):
        rows = np.flatnonzero(lane == home)
        numbers = _units_of_lane(urls[rows], groups.number[rows], groups.caps, spec.plan.unit_rows)
        unit[rows] = numbers + len(first_buckets)
        first_buckets += [first_bucket_of_range(home, spec.plan.ranges)] * (int(numbers.max()) + 1)
    return Placement(unit=unit, bucket=groups.bucket, first_buckets=first_buckets)


def part_bucket(domain: str, part: int, parts: int) -> int:
    """Returns the bucket of one of the parts that a very large domain is split into."""
    return (bucket_of(domain) + part * BUCKETS // parts) % BUCKETS


def part_of_url(urls: Words, parts: int) -> Numbers:
    """Returns the part of a very large domain that each URL belongs to."""
    return (urls[:, 1] % np.uint64(parts)).astype(np.int64)


def _groups(links: Links, candidates: Positions, spec: JobSpec) -> _Groups:
    number = links.domain[candidates].astype(np.int64)
    bucket = np.full(len(candidates), -1, dtype=np.int32)
    plan, delay = spec.plan, spec.download.host_delay_seconds
    caps = [np.full(len(links.domains), admitted_per_unit(plan.unit_seconds, delay), dtype=np.int64)]
    count = len(links.domains)
    for code, domain, parts in _very_large(links.domains, plan.very_large_domains):
        rows = np.flatnonzero(links.domain[candidates] == code)
        part = part_of_url(links.url[candidates[rows]], parts)
        number[rows] = count + part
        buckets = [part_bucket(domain, index, parts) for index in range(parts)]
        bucket[rows] = np.array(buckets, dtype=np.int32)[part]
        caps.append(np.full(parts, admitted_per_unit(plan.unit_seconds, delay, parts), dtype=np.int64))
        count += parts
    return _Groups(number, bucket, np.concatenate(caps))


def _very_large(domains: Sequence[str], split: Mapping[str, int]) -> list[tuple[int, str, int]]:
    """The domains that are split, as (code, domain, parts)."""
    if not split:
        return []
    found = ((code, domain, split.get(domain, 1)) for code, domain in enumerate(domains))
    return [(code, domain, parts) for code, domain, parts in found if parts > 1]


def _lanes(bucket: npt.NDArray[np.int32], ranges: int, own: int) -> Numbers:
    """The range whose partition each candidate's unit goes to."""
    lane = np.full(len(bucket), own, dtype=np.int64)
    for value in np.unique(bucket[bucket >= 0]).tolist():
        lane[bucket == value] = range_of_bucket(value, ranges)
    return lane


def _units_of_lane(urls: Words, domain: Numbers, caps: Numbers, unit_rows: int) -> Numbers:
    """Returns the unit of each row of a lane; rows come in order of URL."""
    starts = starts_of_groups(urls)
    starts |= ranks_in_groups(starts) % unit_rows == 0  # more texts than a unit holds: fetched again
    first = np.flatnonzero(starts)
    rows = np.diff(np.append(first, len(urls)))
    units = assign_units(Atoms(domain=domain[first], rows=rows), caps, unit_rows)
    return np.asarray(units[np.cumsum(starts) - 1], dtype=np.int64)
