"""Answers clients of clip-retrieval: rows near a query, and the metadata of rows."""

from __future__ import annotations

import base64
import binascii
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, TypeAlias

import numpy as np

from pairmill_explorer.datasets.served import Snapshot
from pairmill_explorer.desk import SearchDesk
from pairmill_explorer.errors import BadRequestError, RequestError, TooLargeError
from pairmill_explorer.http.clip.ids import found_by, numbers_of
from pairmill_explorer.http.clip.messages import (
    MAX_RESULTS,
    KnnRequest,
    MetadataRequest,
    aesthetic_of,
    modality_of,
    result_count,
)
from pairmill_explorer.http.clip.ratings import Ratings
from pairmill_explorer.http.clip.rows import Near, NearRow, metadata_of, near_rows
from pairmill_explorer.search.collapse import Alike
from pairmill_explorer.search.conditions import conditions_of_all
from pairmill_explorer.search.found import Found
from pairmill_explorer.search.masks import Met
from pairmill_explorer.search.ranking import Ranking
from pairmill_explorer.search.searcher import Query
from pairmill_index.manifest import Modality
from pairmill_protos.explorer.v1.search_pb2 import QueryPart

ALIKE_COSINE: Final = 0.94
"""From here on the protocol's `deduplicate` takes two images for the same."""

Observe: TypeAlias = Callable[[str, float], None]
"""Takes a step's name and its seconds."""


class ClipDesk:
    """Answers what is asked. Thread-safe; raises RequestError and RetriableError."""

    def __init__(self, desk: SearchDesk, observe: Observe) -> None:
        self._desk = desk
        self._observe = observe
        self._ratings = Ratings()

    def indices(self) -> list[str]:
        """Returns the names of the datasets, the default first."""
        return [served.name for served in self._desk.datasets]

    def knn(self, request: KnnRequest) -> list[Near | NearRow]:
        """Returns what is near, the nearest first; the first `num_images` with their metadata."""
        count, modality, aesthetic = result_count(request), modality_of(request), aesthetic_of(request)
        with _own_names(), self._desk.datasets.get(request.indice_name or "").use() as snapshot:
            with self._step("encode"):
                query = self._query(snapshot, request, modality)
            if aesthetic is not None:
                vector = self._ratings.leaning(query.vector, snapshot.index, *aesthetic)
                query = Query(modality=modality, vector=vector)
            with self._step("filter"):
                conditions = conditions_of_all(snapshot.rules, hides=bool(request.use_safety_model))
                met = self._desk.searcher.met(snapshot, conditions)
            with self._step("search"):
                found = self._found(snapshot, query, met, count, is_collapsed=bool(request.deduplicate))
            with self._step("rows"):
                return _results(snapshot, found, request.num_images)

    def metadata(self, request: MetadataRequest) -> list[dict[str, Any]]:
        """Returns the metadata of results, in the order of their ids."""
        if len(request.ids) > MAX_RESULTS:
            raise TooLargeError("ids", f"has {len(request.ids):,}; at most {MAX_RESULTS:,} are taken")
        with _own_names(), self._desk.datasets.get(request.indice_name or "").use() as snapshot:
            found = found_by(request.ids, snapshot.index)
            rows = metadata_of(snapshot.index, found, snapshot.rules)
        return [{"id": number, "metadata": row} for number, row in zip(request.ids, rows, strict=True)]

    def _query(self, snapshot: Snapshot, request: KnnRequest, modality: Modality) -> Query:
        if request.text:
            part = QueryPart(text=request.text)
        elif request.image is not None:
            part = QueryPart(image=_image(request.image))
        elif request.image_url is not None:
            raise BadRequestError("image_url", "addresses are not fetched here; send the picture as `image`")
        elif request.embedding_input is not None:
            return _given(request.embedding_input, snapshot.index.manifest.dimensions, modality)
        else:
            raise BadRequestError("text", "is empty; give one of text, image, embedding_input")
        return self._desk.searcher.query(snapshot, [part], modality)

    def _found(
        self, snapshot: Snapshot, query: Query, met: Sequence[Met], count: int, *, is_collapsed: bool
    ) -> Found:
        searcher = self._desk.searcher
        if not is_collapsed:
            return searcher.nearest(snapshot, query, met, count)
        ranking = Ranking(Alike(cosine=ALIKE_COSINE))
        return searcher.ranked(snapshot, query, met, count, ranking)

    def _step(self, name: str) -> _Step:
        return _Step(name, self._observe)


class _Step:
    """Observes how long what is done within takes; as a generator it would cost as much as some steps."""

    __slots__ = ("_name", "_observe", "_started")

    def __init__(self, name: str, observe: Observe) -> None:
        self._name = name
        self._observe = observe

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._observe(self._name, time.perf_counter() - self._started)


@contextmanager
def _own_names() -> Iterator[None]:
    """Names the fields of refusals as the protocol does."""
    try:
        yield
    except RequestError as error:
        field = error.field.removeprefix("parts[0].")
        raise type(error)("indice_name" if field == "dataset" else field, error.description) from error


def _results(snapshot: Snapshot, found: Found, with_metadata: int) -> list[Near | NearRow]:
    numbers = numbers_of(found)
    told = near_rows(snapshot.index, found[:with_metadata], snapshot.rules, numbers[:with_metadata])
    scores = found.scores[with_metadata:].tolist()
    return [*told, *map(Near, numbers[with_metadata:], scores)]


def _image(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequestError("image", "is no base64") from error


def _given(values: list[float], dimensions: int, modality: Modality) -> Query:
    if len(values) != dimensions:
        raise BadRequestError(
            "embedding_input", f"has {len(values):,} components; this index has {dimensions}"
        )
    vector = np.asarray(values, dtype=np.float64)
    length = float(np.linalg.norm(vector))
    if not (math.isfinite(length) and length > 0):
        raise BadRequestError("embedding_input", "has no direction: it is zero, or not finite")
    return Query(modality=modality, vector=(vector / length).astype(np.float32))
