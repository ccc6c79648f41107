"""Looks at every picture of a world through the model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np

from pairmill_models.embedder import Floats
from pairmill_synthweb.files import PictureFiles
from pairmill_synthweb.truth.ends import Evidence
from pairmill_synthweb.truth.links import pictures_of
from pairmill_synthweb.truth.model import Model, Vector
from pairmill_synthweb.truth.perceptual import PerceptualHash
from pairmill_synthweb.truth.sight import Sight, Storage, see
from pairmill_synthweb.world import Picture, Redraws, World

_AT_ONCE: Final = 256


@dataclass(frozen=True, slots=True)
class _Known:
    """A picture that was looked at."""

    content_sha256: str
    phash: int
    width: int
    height: int
    vector: Vector


class Appraiser:
    """Finds the evidence for worlds that differ in what is redrawn; what stays is looked at once."""

    def __init__(
        self,
        model: Model,
        storage: Storage,
        files: Callable[[Redraws], PictureFiles],
        phash: PerceptualHash,
        threads: int | None = None,
    ) -> None:
        self._model = model
        self._storage = storage
        self._files = files
        self._phash = phash
        self._threads = threads or os.cpu_count() or 1
        self._pictures: dict[str, _Known] = {}
        self._texts: dict[str, Vector] = {}

    def evidence(self, world: World) -> list[Evidence | None]:
        """Returns the evidence for each candidate, None for those without a picture that arrives."""
        files = self._files(world.redraws)
        pictures = pictures_of(world)
        names = [files.name_of(picture) if picture else "" for picture in pictures]
        self._look(files, {name: picture for name, picture in zip(names, pictures, strict=True) if picture})
        rows = [row for row, name in enumerate(names) if name]
        texts = [world.candidates[row].text for row in rows]
        self._read(texts)
        found = self._paired([self._pictures[names[row]] for row in rows], texts)
        evidence: list[Evidence | None] = [None] * len(names)
        for row, one in zip(rows, found, strict=True):
            evidence[row] = one
        return evidence

    def _look(self, files: PictureFiles, wanted: dict[str, Picture]) -> None:
        new = {name: picture for name, picture in wanted.items() if name not in self._pictures}
        with ThreadPoolExecutor(self._threads) as pool:
            for names in _batches(list(new)):
                seen = list(pool.map(lambda name: self._sight(files, new[name]), names))
                vectors = self._model.images([sight.square for sight in seen])
                for name, sight, vector in zip(names, seen, vectors, strict=True):
                    self._pictures[name] = _known(sight, vector)

    def _sight(self, files: PictureFiles, picture: Picture) -> Sight:
        return see(files.bytes_of(picture), self._storage, self._phash)

    def _read(self, texts: Sequence[str]) -> None:
        new = list(dict.fromkeys(text for text in texts if text not in self._texts))
        for some in _batches(new):
            self._texts.update(zip(some, self._model.texts(some), strict=True))

    def _paired(self, pictures: Sequence[_Known], texts: Sequence[str]) -> list[Evidence]:
        if not pictures:
            return []
        images: Floats = np.stack([picture.vector for picture in pictures])
        scores = self._model.scores(images, np.stack([self._texts[text] for text in texts]))
        return [
            Evidence(
                content_sha256=picture.content_sha256,
                phash=picture.phash,
                width=picture.width,
                height=picture.height,
                scores=score,
            )
            for picture, score in zip(pictures, scores, strict=True)
        ]


def _known(sight: Sight, vector: Vector) -> _Known:
    return _Known(sight.content_sha256, sight.phash, sight.width, sight.height, vector)


def _batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _AT_ONCE):
        yield names[start : start + _AT_ONCE]
