"""What clients of clip-retrieval send."""

from __future__ import annotations

import math
from typing import Final, TypeVar

import msgspec

from pairmill.rpc.refusals import InvalidRequestError, Violation
from pairmill_explorer.errors import BadRequestError, TooLargeError
from pairmill_explorer.http.marks import MOST_MARKS, holds_too_much
from pairmill_index.manifest import Modality

MAX_RESULTS: Final = 10_000
MOST_WEIGHT: Final = 100.0

Message = TypeVar("Message")


class KnnRequest(msgspec.Struct, kw_only=True):
    """A search; the names are the protocol's. Clients send null for what they do not use."""

    text: str | None = None
    image: str | None = None  # base64
    image_url: str | None = None
    embedding_input: list[float] | None = None
    modality: str = "image"
    num_images: int = 100  # results with metadata
    num_result_ids: int | None = None  # results
    indice_name: str | None = None
    use_mclip: bool | None = False
    deduplicate: bool | None = False
    use_safety_model: bool | None = False
    use_violence_detector: bool | None = False
    aesthetic_score: float | str | None = None
    aesthetic_weight: float | str | None = None


class MetadataRequest(msgspec.Struct, kw_only=True):
    """Asks for the metadata of results."""

    ids: list[int]
    indice_name: str | None = None


def read_request(kind: type[Message], body: bytes) -> Message:
    """Returns a request; raises INVALID_ARGUMENT naming the field where it is none."""
    if holds_too_much(body):
        raise InvalidRequestError(
            [Violation(field="request", description=f"holds more than {MOST_MARKS:,} values")]
        )
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        problem, _, place = str(error).partition(" - at `$")
        field = place.strip("`").lstrip(".") or "request"
        raise InvalidRequestError([Violation(field=field, description=f"is wrong: {problem}")]) from error


def modality_of(request: KnnRequest) -> Modality:
    """Returns which embeddings are searched."""
    try:
        return Modality(request.modality)
    except ValueError as error:
        raise BadRequestError("modality", f"{request.modality[:20]!r} is none of image, text") from error


def result_count(request: KnnRequest) -> int:
    """Returns how many results are asked for."""
    field, count = "num_result_ids", request.num_result_ids
    if count is None:
        field, count = "num_images", request.num_images
    if count > MAX_RESULTS:
        raise TooLargeError(field, f"is {count:,}; at most {MAX_RESULTS:,} are given")
    if count < 1 or request.num_images < 0:
        raise BadRequestError(field, f"is {count:,}; at least 1")
    return count


def aesthetic_of(request: KnnRequest) -> tuple[int, float] | None:
    """Returns the rating that results should lean to, 0 to 9, and how much; None where none is asked for."""
    score, weight = _number("aesthetic_score", request), _number("aesthetic_weight", request)
    if score is None or not weight:
        return None
    if not 0 <= score <= 10:
        raise BadRequestError("aesthetic_score", f"is {score:g}; 0 to 9")
    return min(int(score), 9), weight


def _number(field: str, request: KnnRequest) -> float | None:
    given = getattr(request, field)
    if given is None or given == "":
        return None
    try:
        number = float(given)
    except ValueError as error:
        raise BadRequestError(field, f"{str(given)[:20]!r} is no number") from error
    if not math.isfinite(number) or abs(number) > MOST_WEIGHT:
        raise BadRequestError(field, f"is {number:g}; at most {MOST_WEIGHT:g}")
    return number
