"""Pages of results: of a query, or of what filters admit."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from pairmill_explorer.caching import ByteCache, Counted
from pairmill_explorer.datasets.served import Snapshot
from pairmill_explorer.errors import BadRequestError
from pairmill_explorer.search.collapse import Alike, alike_of, looks_of
from pairmill_explorer.search.conditions import Conditions, conditions_of
from pairmill_explorer.search.cursors import ID, RANK, Origin, cursor_at, position_of, query_digest
from pairmill_explorer.search.found import Found, nearest
from pairmill_explorer.search.listing import list_after
from pairmill_explorer.search.masks import MaskCache, Masks, Met
from pairmill_explorer.search.query import Vector, check_parts, modality_of, query_vector
from pairmill_explorer.search.ranking import MAX_DEPTH, Ranking
from pairmill_explorer.search.samples import hits_of
from pairmill_explorer.search.stopwatch import Stopwatch
from pairmill_explorer.search.table import Flags
from pairmill_index.manifest import Modality
from pairmill_protos.explorer.v1.search_pb2 import QueryPart
from pairmill_protos.explorer.v1.search_service_pb2 import SearchRequest, SearchResponse

DEFAULT_PAGE: Final = 50
MAX_PAGE: Final = 1000
_RANKING_BYTES: Final = 4096  # of a ranking that holds nothing yet, about


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is searched for, checked and embedded."""

    modality: Modality
    vector: Vector  # of unit length


@dataclass(frozen=True, slots=True, kw_only=True)
class _Remembered:
    """A query and what was found for it so far."""

    query: Query
    ranking: Ranking

    @property
    def nbytes(self) -> int:
        return _RANKING_BYTES + self.query.vector.nbytes + self.ranking.nbytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """Where a page begins, and how many are on it."""

    position: str  # empty at the start
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a request asks for, checked as far as that goes without a model and without reading rows."""

    page: _Page
    origin: Origin
    conditions: Conditions
    modality: Modality
    rule: Alike


class Searcher:
    """Answers searches in any snapshot. Thread-safe."""

    def __init__(self, masks: MaskCache, *, results_bytes: int) -> None:
        """`results_bytes` is the most that is kept of queries for their next pages."""
        self._masks = masks
        self._results: ByteCache[Hashable, _Remembered] = ByteCache(results_bytes, lambda one: one.nbytes)
        self._counting = threading.Lock()
        self._searched_rows = 0

    @property
    def searched_rows(self) -> int:
        """Rows of all indices that were searched, as often as they were."""
        return self._searched_rows

    @property
    def caches(self) -> Mapping[str, Counted]:
        """What is kept for the next request, by name."""
        return {"filters": self._masks, "results": self._results}

    def search(self, snapshot: Snapshot, request: SearchRequest) -> SearchResponse:
        """Returns a page; raises RequestError naming what is wrong with the request."""
        watch = Stopwatch()
        asked = _asked(snapshot, request)
        remembered = self._remembered(snapshot, request, asked, watch) if request.parts else None
        with watch.part("filter"):
            met = self.met(snapshot, asked.conditions)
            matching = sum(one.count for one in met)
        with watch.part("search"):
            if remembered is None:
                found, after = _list_page(snapshot, [one.flags for one in met], asked.page)
            else:
                found, after = self._query_page(snapshot, remembered, met, asked)
        with watch.part("rows"):
            hits = hits_of(snapshot.index, found, snapshot.rules)
        return SearchResponse(
            hits=hits,
            next_cursor=cursor_at(after, asked.origin),
            matching=matching,
            took=watch.took(),
            index_version=snapshot.index.version,
        )

    def masks(self, snapshot: Snapshot, conditions: Conditions) -> Sequence[Flags]:
        """Returns which rows of each segment are admitted; not to be written to."""
        return [one.flags for one in self.met(snapshot, conditions)]

    def met(self, snapshot: Snapshot, conditions: Conditions) -> Sequence[Met]:
        """Returns the same, prepared for searches."""
        return Masks(snapshot.name, self._masks).met_in_all(snapshot.index, conditions)

    def query(self, snapshot: Snapshot, parts: Sequence[QueryPart], modality: Modality) -> Query:
        """Returns a query, checked and embedded; raises RequestError, and RetriableError from the model."""
        check_parts(parts, snapshot.index.manifest.dimensions)
        return Query(
            modality=modality, vector=query_vector(parts, modality, snapshot.index, snapshot.encoder)
        )

    def nearest(self, snapshot: Snapshot, query: Query, met: Sequence[Met], k: int) -> Found:
        """Returns the k admitted rows nearest to a query, the nearest first."""
        with self._counting:
            self._searched_rows += snapshot.index.manifest.rows
        admitted = [one.admitted for one in met]
        return nearest(snapshot.index.segments, admitted, query.modality, query.vector, k)

    def ranked(
        self,
        snapshot: Snapshot,
        query: Query,
        met: Sequence[Met],
        count: int,
        ranking: Ranking,
    ) -> Found:
        """Returns a ranking's first rows, at most 10,000; it grows as far as is needed for that."""
        search = partial(self.nearest, snapshot, query, met)
        look = partial(looks_of, snapshot.index, modality=query.modality, rule=ranking.rule)
        return ranking.upto(min(count, MAX_DEPTH), search, look)

    def _remembered(
        self, snapshot: Snapshot, request: SearchRequest, asked: _Asked, watch: Stopwatch
    ) -> _Remembered:
        """Returns a query with what was found for it so far; what cannot be embedded is refused here."""
        found = self._results.get(_results_key(snapshot, asked))
        if found is not None:
            return found
        with watch.part("encode"):
            vector = query_vector(request.parts, asked.modality, snapshot.index, snapshot.encoder)
        return _Remembered(query=Query(modality=asked.modality, vector=vector), ranking=Ranking(asked.rule))

    def _query_page(
        self, snapshot: Snapshot, remembered: _Remembered, met: Sequence[Met], asked: _Asked
    ) -> tuple[Found, str]:
        """Returns a page of a query's results and the position behind it."""
        start = int(asked.page.position or 0)
        end = start + asked.page.size
        found = self.ranked(snapshot, remembered.query, met, end + 1, remembered.ranking)
        self._results.put(_results_key(snapshot, asked), remembered)
        return found[start:end], str(end) if len(found) > end else ""


def page_size(given: int | None, default: int, field: str = "page_size", most: int = MAX_PAGE) -> int:
    """Returns how many are asked for; raises BadRequestError unless they are 1 to `most`."""
    if given is None:
        return default
    if not 1 <= given <= most:
        raise BadRequestError(field, f"is {given:,}; 1 to {most:,} is wanted")
    return given


def _asked(snapshot: Snapshot, request: SearchRequest) -> _Asked:
    """Checks a request, all of it, before anything is worked out for it."""
    size = page_size(request.page_size if request.HasField("page_size") else None, DEFAULT_PAGE)
    origin = Origin(query=query_digest(request, "cursor", "page_size"), version=snapshot.index.version)
    check_parts(request.parts, snapshot.index.manifest.dimensions)
    return _Asked(
        page=_Page(position=position_of(request.cursor, origin, RANK if request.parts else ID), size=size),
        origin=origin,
        conditions=conditions_of(request.filters, snapshot.rules),
        modality=modality_of(request.modality),
        rule=alike_of(request.collapse),
    )


def _results_key(snapshot: Snapshot, asked: _Asked) -> Hashable:
    """Returns what tells results apart: a dataset's rules may change before its index does."""
    return snapshot.name, snapshot.index.version, snapshot.rules, asked.origin.query


def _list_page(snapshot: Snapshot, masks: Sequence[Flags], page: _Page) -> tuple[Found, str]:
    """Returns a page of what is admitted and the position behind it."""
    segments = snapshot.index.segments
    after = (int(page.position[:16], 16), int(page.position[16:], 16)) if page.position else None
    found = list_after(segments, masks, after, page.size + 1)
    if len(found) <= page.size:
        return found, ""
    shown = found[: page.size]
    high, low = segments[shown.segments[-1]].ids[shown.rows[-1]].tolist()
    return shown, f"{high:016x}{low:016x}"
