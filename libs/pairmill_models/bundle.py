"""Model bundles: a folder with `bundle.json`, two towers, a tokenizer and heads, each file with its SHA-256.

`bundle.json` is a `BundleCard` plus `files`. Its own SHA-256 is the bundle's digest, by which jobs pin it:
whatever changes in a bundle changes its digest.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

import msgspec

from pairmill.errors import ConfigurationError

CARD_NAME: Final = "bundle.json"
FORMAT: Final = 1

_READ_BYTES: Final = 2**20
_FIX: Final = "copy or export the bundle again"

Tower = Literal["image", "text"]
ScoreName = Literal["unsafe_score", "watermark_score", "aesthetic_score", "toxicity"]
Resize = Literal["crop", "squash"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTower:
    """An ONNX graph from `pixels`, (n, size, size, 3) uint8 RGB, to `embedding`, (n, dim) unit float32.

    Mean and deviation are applied inside the graph and stand here for the reader.
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize: Resize = "crop"  # how a picture becomes square: shorter side and centre, or squashed
    file: str = "image.onnx"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTower:
    """An ONNX graph from `tokens`, (n, length) int64, to `embedding`, (n, dim) unit float32."""

    context_length: int  # most tokens of a text, begin and end included
    pad_id: int  # token that fills short texts up
    cut_padding: bool = True  # whether a batch may be cut to its longest text without changing the answer
    languages: tuple[str, ...] = ("*",)  # that the tower serves; `*` is every language
    file: str = "text.onnx"
    tokenizer: str = "tokenizer.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """An ONNX graph from `embedding`, (n, dim) float32, to `score`, (n,) float32.

    It is fed stored embeddings, whose values are rounded to float16.
    """

    score: ScoreName  # column that it fills
    input: Tower  # whose embedding it looks at
    file: str
    licence: str = ""  # where it differs from the bundle's


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What the bundle recommends for its scores; unset where it recommends nothing."""

    min_similarity: Mapping[str, float] = field(default_factory=dict)  # by language, `*` for all others
    max_unsafe_score: float | None = None
    max_watermark_score: float | None = None
    max_toxicity: float | None = None
    min_aesthetic_score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleCard:
    """What a bundle says of itself."""

    name: str
    revision: str
    licence: str
    dimensions: int  # of both towers' embeddings
    image: ImageTower
    text: tuple[TextTower, ...]
    heads: tuple[Head, ...] = ()
    thresholds: Thresholds = field(default_factory=Thresholds)
    source: str = ""  # what it was made from, for people
    weights: tuple[str, ...] = ()  # files beside the graphs, of models too large for one file each
    known: str | None = None  # file with known inputs and their answers
    format: int = FORMAT

    def named_files(self) -> Iterator[str]:
        """Yields the files that the card speaks of."""
        yield self.image.file
        for tower in self.text:
            yield from (tower.file, tower.tokenizer)
        yield from (head.file for head in self.heads)
        yield from self.weights
        if self.known is not None:
            yield self.known


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What a file must be."""

    bytes: int
    sha256: str  # hex


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle on disk whose files were all found to be what its card says."""

    folder: Path
    digest: str  # SHA-256 of `bundle.json`, hex
    card: BundleCard
    files: Mapping[str, FileFacts]  # by path inside the folder

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.card.name

    @property
    def revision(self) -> str:
        """Revision of the model."""
        return self.card.revision

    @property
    def model_version(self) -> str:
        """Revision and digest: what stands beside every embedding (F6)."""
        return f"{self.card.revision}+{self.digest[:12]}"

    @property
    def dimensions(self) -> int:
        """Width of the embeddings."""
        return self.card.dimensions

    @property
    def image_size(self) -> int:
        """Side of the square pictures that the image tower takes."""
        return self.card.image.size

    @property
    def text_tower(self) -> TextTower:
        """The tower for texts of every language."""
        return self.card.text[0]

    @property
    def thresholds(self) -> Thresholds:
        """What the bundle recommends."""
        return self.card.thresholds

    @property
    def heads(self) -> tuple[Head, ...]:
        """The heads, one per score."""
        return self.card.heads

    def path(self, name: str) -> Path:
        """Returns where a file of the bundle stands."""
        return self.folder / name


@dataclass(frozen=True, slots=True, kw_only=True)
class _CardFile(BundleCard):
    """The contents of `bundle.json`."""

    files: dict[str, FileFacts]


_Look = Callable[[Path, FileFacts], FileFacts]
"""Returns what a file is, given what it has to be."""


def load_bundle(folder: Path, *, wanted_digest: str = "") -> Bundle:
    """Returns the bundle in a folder after reading every file of it.

    Raises ConfigurationError naming each file that is missing, has other bytes than the card says, or lies
    outside the folder, what is wrong with the card itself, and a bundle that is not the one wanted.
    """
    return _loaded(folder, wanted_digest, _as_read)


def compared_bundle(folder: Path, *, wanted_digest: str = "") -> Bundle:
    """Returns the bundle in a folder whose caller has just compared every file with what its card says.

    Raises like `load_bundle`, but reads no file except the card: only sizes are looked at.
    """
    return _loaded(folder, wanted_digest, _as_compared)


def _loaded(folder: Path, wanted_digest: str, facts: _Look) -> Bundle:
    card, files, digest = _read_card(folder)
    problems = [*_problems_of_card(card, files), *_problems_of_files(folder, files, facts)]
    if problems:
        raise ConfigurationError("\n".join(f"bundle: {folder}: {problem}" for problem in problems))
    if wanted_digest not in ("", digest):
        raise ConfigurationError(
            f"bundle: {folder}: holds {digest[:12]}, the job is pinned to {wanted_digest[:12]}; "
            "put back the bundle that the job was started with"
        )
    return Bundle(folder=folder, digest=digest, card=card, files=files)


def named_files(folder: Path) -> Mapping[str, FileFacts]:
    """Returns what the card in a folder says of its files, before they are there.

    Raises ConfigurationError where the card is none, or a name leads out of the folder.
    """
    _, files, _ = _read_card(folder)
    root = folder.resolve()
    outside = [name for name in sorted(files) if not _is_inside(root, name)]
    if outside:
        raise ConfigurationError(f"bundle: {folder}: {outside[0]!r} lies outside the folder; {_FIX}")
    return files


def write_bundle(folder: Path, card: BundleCard) -> Bundle:
    """Writes `bundle.json` for the files that stand in a folder, and returns the bundle.

    Every file below the folder becomes part of it. Equal files and cards give equal bytes. For a bundle
    that can check itself use `pairmill_models.assemble.assemble_bundle`, which calls this.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / CARD_NAME)
    files = {path.relative_to(folder).as_posix(): _facts(path) for path in paths}
    values: dict[str, Any] = {item.name: getattr(card, item.name) for item in fields(BundleCard)}
    data = msgspec.json.encode(_CardFile(**values, files=files))
    (folder / CARD_NAME).write_bytes(msgspec.json.format(data, indent=2) + b"\n")
    return load_bundle(folder)


def _read_card(folder: Path) -> tuple[BundleCard, dict[str, FileFacts], str]:
    path = folder / CARD_NAME
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"bundle: {path}: {error.strerror}; name a folder that holds a {CARD_NAME}"
        ) from error
    try:
        found = msgspec.json.decode(data, type=_CardFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"bundle: {path}: {error}; {_FIX}") from error
    values: dict[str, Any] = {item.name: getattr(found, item.name) for item in fields(BundleCard)}
    return BundleCard(**values), found.files, hashlib.sha256(data).hexdigest()


def _problems_of_card(card: BundleCard, files: Mapping[str, FileFacts]) -> Iterator[str]:
    if card.format != FORMAT:
        yield f"format {card.format} is unknown, this version reads {FORMAT}; {_FIX}"
    for name in ("name", "revision"):
        if not getattr(card, name):
            yield f"{name} is empty; {_FIX}"
    yield from _problems_of_numbers(card)
    if len(card.text) != 1:
        yield f"it has {len(card.text)} text towers; this version runs exactly one, for all languages"
    scores = [head.score for head in card.heads]
    for score in sorted({score for score in scores if scores.count(score) > 1}):
        yield f"it has {scores.count(score)} heads for {score}; leave one"
    for name in sorted(set(card.named_files()) - set(files)):
        yield f"{name} is named but not among its files; {_FIX}"


def _problems_of_numbers(card: BundleCard) -> Iterator[str]:
    sizes = [("dimensions", card.dimensions, 1), ("image.size", card.image.size, 1)]
    sizes += [("text.context_length", tower.context_length, 3) for tower in card.text]
    for name, size, least in sizes:
        if size < least:
            yield f"{name} is {size}, at least {least} is wanted; {_FIX}"
    for name, threshold, least in _thresholds(card.thresholds):
        if not least <= threshold <= 1:
            yield f"thresholds.{name} is {threshold:g}, {least} to 1 is wanted; {_FIX}"


def _thresholds(thresholds: Thresholds) -> Iterator[tuple[str, float, int]]:
    """Yields those with a scale that is known, with the least that each may be."""
    for language, threshold in thresholds.min_similarity.items():
        yield f"min_similarity.{language}", threshold, -1
    for name in ("max_unsafe_score", "max_watermark_score", "max_toxicity"):
        value = getattr(thresholds, name)
        if value is not None:
            yield name, value, 0


def _problems_of_files(folder: Path, files: Mapping[str, FileFacts], facts: _Look) -> Iterator[str]:
    root = folder.resolve()
    for name, wanted in sorted(files.items()):
        try:
            if not _is_inside(root, name):
                yield f"{name!r} lies outside the folder; {_FIX}"
                continue
            found = facts(folder / name, wanted)
        except OSError as error:
            yield f"{name[:100]!r}: {error.strerror}; {_FIX}"
            continue
        if found != wanted:
            yield (
                f"{name} has {found.bytes} bytes and SHA-256 {found.sha256[:12]}…, its card says "
                f"{wanted.bytes} and {wanted.sha256[:12]}…; {_FIX}"
            )


def _is_inside(root: Path, name: str) -> bool:
    pure = PurePosixPath(name)
    is_plain = bool(name) and not pure.is_absolute() and ".." not in pure.parts
    if not is_plain or "\\" in name or "\0" in name:
        return False
    return (root / name).resolve().is_relative_to(root)


def _as_read(path: Path, wanted: FileFacts) -> FileFacts:
    del wanted
    return _facts(path)


def _as_compared(path: Path, wanted: FileFacts) -> FileFacts:
    return replace(wanted, bytes=path.stat().st_size)


def _facts(path: Path) -> FileFacts:
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "no regular file")  # opening a pipe would wait for ever
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
            size += len(block)
    return FileFacts(bytes=size, sha256=digest.hexdigest())
