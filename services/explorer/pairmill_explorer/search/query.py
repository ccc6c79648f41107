"""What is searched for, as one unit vector: the weighted sum of its parts."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from pairmill.idarrays import Words, words_of_bytes
from pairmill.ids import ID_BYTES, from_hex
from pairmill_explorer.errors import BadRequestError, NotFoundError, TooLargeError
from pairmill_explorer.ports import NotEmbeddableError, QueryEncoder
from pairmill_index.manifest import Modality
from pairmill_index.opened import OpenIndex
from pairmill_protos.explorer.v1.search_pb2 import Modality as ModalityCode
from pairmill_protos.explorer.v1.search_pb2 import QueryPart

Vector: TypeAlias = npt.NDArray[np.float32]
Given = TypeVar("Given", str, bytes)

MAX_PARTS: Final = 16
MAX_TEXT: Final = 2000
MAX_IMAGE_BYTES: Final = 8 * 2**20
MAX_WEIGHT: Final = 1000.0
_LEAST_LENGTH: Final = 1e-6
"""Unit vectors that add up to less cancel each other out: what is left is rounding."""


def modality_of(code: ModalityCode.ValueType, field: str = "modality") -> Modality:
    """Returns which embeddings are searched; raises BadRequestError for a number that is none."""
    if code == ModalityCode.MODALITY_TEXT:
        return Modality.TEXT
    if code in (ModalityCode.MODALITY_UNSPECIFIED, ModalityCode.MODALITY_IMAGE):
        return Modality.IMAGE
    raise BadRequestError(field, f"{code} is no modality; give one of {', '.join(ModalityCode.keys())}")


def check_parts(parts: Sequence[QueryPart], dimensions: int) -> None:
    """Raises BadRequestError or TooLargeError for parts that no model has to see to be refused."""
    if len(parts) > MAX_PARTS:
        raise TooLargeError("parts", f"has {len(parts):,}; at most {MAX_PARTS} are taken")
    for place, part in enumerate(parts):
        _check_part(part, f"parts[{place}]", dimensions)


def query_vector(
    parts: Sequence[QueryPart], modality: Modality, index: OpenIndex, encoder: QueryEncoder | None
) -> Vector:
    """Returns the unit vector of checked parts, `(dimensions,) float32`.

    Raises BadRequestError where parts cannot be embedded or cancel each other out, NotFoundError for an id
    that is not in the index.
    """
    total = np.zeros(index.manifest.dimensions, dtype=np.float64)
    for place, part in enumerate(parts):
        vector = _part_vector(part, f"parts[{place}]", modality, index, encoder)
        total += (part.weight if part.HasField("weight") else 1.0) * vector
    length = float(np.linalg.norm(total))
    if not length > _LEAST_LENGTH:
        raise BadRequestError("parts", "cancel each other out; there is nothing left to search for")
    return (total / length).astype(np.float32)


def sample_row(index: OpenIndex, sample_id: str, field: str) -> tuple[int, int]:
    """Returns the segment's place and the row of a sample; raises BadRequestError or NotFoundError."""
    wanted = sample_words(sample_id, field)
    for place, segment in enumerate(index.segments):
        row = int(segment.find(wanted)[0])
        if row >= 0:
            return place, row
    raise NotFoundError(field, f"{sample_id} is not in the index")


def sample_words(sample_id: str, field: str) -> Words:
    """Returns a sample's id, `(1, 2)`; raises BadRequestError for what is none."""
    try:
        return words_of_bytes(from_hex(sample_id), ID_BYTES)
    except ValueError as error:
        raise BadRequestError(field, f"{sample_id[:80]!r} is no id; 32 hex digits are wanted") from error


def _check_part(part: QueryPart, field: str, dimensions: int) -> None:
    if part.HasField("weight") and not abs(part.weight) <= MAX_WEIGHT:
        raise BadRequestError(
            f"{field}.weight", f"is {part.weight:g}; −{MAX_WEIGHT:g} to {MAX_WEIGHT:g} is wanted"
        )
    match part.WhichOneof("what"):
        case "text":
            _check_text(part.text, f"{field}.text")
        case "image":
            _check_image(part.image, f"{field}.image")
        case "vector":
            _check_vector(part.vector.values, f"{field}.vector", dimensions)
        case "sample_id":
            sample_words(part.sample_id, f"{field}.sample_id")
        case _:
            raise BadRequestError(field, "is empty; give a text, an image, a vector or a sample's id")


def _check_text(text: str, field: str) -> None:
    if len(text) > MAX_TEXT:
        raise TooLargeError(field, f"has {len(text):,} characters; at most {MAX_TEXT:,} are taken")
    if not text.strip():
        raise BadRequestError(field, "is empty")


def _check_image(data: bytes, field: str) -> None:
    if len(data) > MAX_IMAGE_BYTES:
        raise TooLargeError(field, f"has {len(data):,} bytes; at most {MAX_IMAGE_BYTES:,} are taken")
    if not data:
        raise BadRequestError(field, "is empty")


def _check_vector(values: Sequence[float], field: str, dimensions: int) -> None:
    if len(values) != dimensions:
        raise BadRequestError(field, f"has {len(values):,} components; this index has {dimensions}")
    length = math.hypot(*values)
    if not math.isfinite(length):
        raise BadRequestError(field, "holds a component that is no finite number")
    if length == 0:
        raise BadRequestError(field, "is zero, which has no direction")


def _part_vector(
    part: QueryPart, field: str, modality: Modality, index: OpenIndex, encoder: QueryEncoder | None
) -> npt.NDArray[np.float64]:
    match part.WhichOneof("what"):
        case "text":
            found = _embedded(_encoder(encoder, f"{field}.text").text, _plain(part.text), f"{field}.text")
        case "image":
            found = _embedded(_encoder(encoder, f"{field}.image").image, part.image, f"{field}.image")
        case "vector":
            found = np.asarray(part.vector.values, dtype=np.float64)
        case _:
            place, row = sample_row(index, part.sample_id, f"{field}.sample_id")
            found = index.segments[place].vectors(modality)[row]
    wide = np.asarray(found, dtype=np.float64)
    return wide / np.linalg.norm(wide)


def _embedded(embed: Callable[[Given], Vector], given: Given, field: str) -> Vector:
    try:
        return embed(given)
    except NotEmbeddableError as error:
        raise BadRequestError(field, f"cannot be embedded: {error}") from error


def _plain(text: str) -> str:
    """Returns a text as the texts of a dataset are written, so that what means the same is embedded once."""
    return unicodedata.normalize("NFC", text.strip())


def _encoder(encoder: QueryEncoder | None, field: str) -> QueryEncoder:
    if encoder is None:
        raise BadRequestError(
            field, "the model of this dataset is not at hand here; search by vector or by a sample's id"
        )
    return encoder
