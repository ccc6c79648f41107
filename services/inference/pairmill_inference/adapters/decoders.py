"""Decoding in this process, for bytes that we encoded ourselves, and in child processes, for all others."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from pairmill.children.worker import ChildWorker, Death
from pairmill_inference.pairs import DecodedBlock, Pair, Pixels, RowFailure, StoredPair, failure
from pairmill_models.bundle import Resize
from pairmill_models.decoding import ImageError, decode_rgb
from pairmill_models.preprocessing import fit_square
from pairmill_protos.common.v1.outcome_pb2 import Reason

Refusal: TypeAlias = tuple[int, str]
"""Reason and detail of bytes that give no picture."""


@dataclass(frozen=True, slots=True)
class DecodeToSquare:
    """Makes the function that turns image bytes into the model's input. Picklable."""

    image_size: int
    resize: Resize = "crop"

    def __call__(self) -> Callable[[bytes], Pixels | Refusal]:
        """Returns the function; its answer is (size, size, 3) uint8 RGB, or why there is none."""
        return self.decode

    def decode(self, data: bytes) -> Pixels | Refusal:
        """Returns the square picture, or why there is none."""
        try:
            return fit_square(decode_rgb(data), self.image_size, self.resize)
        except ImageError as error:
            return error.reason, str(error)


class LocalDecoder:
    """Decodes in the calling thread."""

    def __init__(self, image_size: int, resize: Resize = "crop") -> None:
        self._size = image_size
        self._decode = DecodeToSquare(image_size, resize).decode

    def decode(self, block: Sequence[StoredPair]) -> DecodedBlock:
        """Returns the pairs whose image could be decoded, and failures of the others."""
        return _assemble(block, [self._decode(stored.data) for stored in block], self._size)

    def close(self) -> None:
        """Does nothing."""


class ChildDecoder:
    """Decodes in child processes, one per thread that may call at once.

    A picture that kills its child twice fails as `decoder_crash`, one that takes too long twice as
    `decode_timeout`.
    """

    def __init__(
        self, image_size: int, resize: Resize = "crop", *, children: int, seconds_per_image: float
    ) -> None:
        self._size = image_size
        self._children: list[ChildWorker[bytes, Pixels | Refusal]] = [
            ChildWorker(
                DecodeToSquare(image_size, resize),
                seconds_per_item=seconds_per_image,
                name=f"decoder-{number}",
            )
            for number in range(children)
        ]
        self._idle: queue.SimpleQueue[ChildWorker[bytes, Pixels | Refusal]] = queue.SimpleQueue()
        for child in self._children:
            self._idle.put(child)

    def decode(self, block: Sequence[StoredPair]) -> DecodedBlock:
        """Returns the pairs whose image could be decoded, and failures of the others."""
        child = self._idle.get()
        try:
            answers = child.map([stored.data for stored in block])
        finally:
            self._idle.put(child)
        return _assemble(block, [_explained(answer) for answer in answers], self._size)

    def close(self) -> None:
        """Ends the child processes."""
        for child in self._children:
            child.close()


def _explained(answer: Pixels | Refusal | Death) -> Pixels | Refusal:
    if not isinstance(answer, Death):
        return answer
    timed_out = answer.how == "timed_out"
    reason = Reason.REASON_DECODE_TIMEOUT if timed_out else Reason.REASON_DECODER_CRASH
    return reason, answer.detail


def _assemble(block: Sequence[StoredPair], answers: list[Pixels | Refusal], size: int) -> DecodedBlock:
    pairs: list[Pair] = []
    pictures: list[Pixels] = []
    failures: list[RowFailure] = []
    for stored, answer in zip(block, answers, strict=True):
        if isinstance(answer, tuple):
            failures.append(failure(stored.pair, Reason.ValueType(answer[0]), answer[1]))
        else:
            pairs.append(stored.pair)
            pictures.append(answer)
    images = np.stack(pictures) if pictures else np.zeros((0, size, size, 3), dtype=np.uint8)
    return DecodedBlock(pairs=tuple(pairs), images=images, failures=tuple(failures))
