"""Samples of any WebDataset tar: members of one name beside each other, told apart by their endings.

The tar is read in one pass and in bounded memory; no index is needed.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Self, TypeAlias

from pairmill_inference.pairs import Pair, RowFailure, StoredPair, failure
from pairmill_protos.common.v1.outcome_pb2 import Reason

IMAGE_ENDINGS: Final = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif")
_TEXT_ENDINGS: Final = ("txt", "json")
MAX_MEMBER_BYTES: Final = 64 * 2**20
MAX_NOTE_BYTES: Final = 2**20
"""Most bytes of what stands before a member to describe it: long names, extended headers."""

_END_MARK: Final = "EOFHeaderError"  # not among tarfile's public names
_NOTES: Final = (
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
)
_COPY_BYTES: Final = 2**20

Sample: TypeAlias = StoredPair | RowFailure


class _StrictTarInfo(tarfile.TarInfo):
    """Refuses what tarfile takes for the end of the archive once a member was read, or cannot cope with."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Returns what a header says."""
        found = super().frombuf(buf, encoding, errors)
        if found.type in _NOTES and not 0 <= found.size <= MAX_NOTE_BYTES:  # is read as a whole
            raise tarfile.ReadError(f"a note of {found.size} bytes before a member")
        return found

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        """Returns the next member."""
        try:
            found = super().fromtarfile(tarfile_)
        except tarfile.HeaderError as error:
            if type(error).__name__ == _END_MARK:
                raise
            raise tarfile.ReadError(f"{error} where a member or the end mark is due") from error
        except (ValueError, IndexError, OverflowError) as error:
            raise tarfile.ReadError(f"a header that says nothing: {error}") from error
        if found.size < 0 or found.issparse():  # holes would be filled up, to any size
            raise tarfile.ReadError(f"{found.name!r} is no plain member")
        return found


@dataclass(slots=True)
class _Gathered:
    """What the tar said of one sample so far."""

    key: str
    image_path: str = ""
    image: bytes | None = None
    too_large: bool = False
    text: str | None = None
    facts: dict[str, object] | None = None

    def is_usable(self) -> bool:
        """Whether there is all that can be embedded."""
        return self.image is not None and (self.text or _text(self.facts or {}, "caption")) != ""


def samples_of(path: Path) -> Iterator[Sample]:
    """Yields the samples of a tar in its order; one without image or text as a failure.

    Raises tarfile.TarError, EOFError or OSError where the tar itself is broken; what stood before is
    yielded first.
    """
    gathered: _Gathered | None = None
    broken: Exception | None = None
    try:
        with tarfile.open(path, "r|*", tarinfo=_StrictTarInfo) as tar:
            for member in tar:
                if member.size > MAX_MEMBER_BYTES:
                    _read_over(tar, member)
                key, _, ending = PurePosixPath(member.name).name.partition(".")
                key = str(PurePosixPath(member.name).with_name(key)) if key else ""
                if not member.isfile() or not key:
                    continue
                if gathered is None or gathered.key != key:
                    if gathered is not None:
                        yield from _finished(gathered)
                    gathered = _Gathered(key=key)
                _take(gathered, tar, member, ending.lower(), str(path))
    except (tarfile.TarError, EOFError, OSError) as error:
        broken = error
    if gathered is not None and (broken is None or gathered.is_usable()):
        yield from _finished(gathered)  # a sample cut short by damage is no failure of its own
    if broken is not None:
        raise broken


def _take(
    gathered: _Gathered, tar: tarfile.TarFile, member: tarfile.TarInfo, ending: str, shard: str
) -> None:
    if ending not in (*IMAGE_ENDINGS, *_TEXT_ENDINGS):
        return
    if member.size > MAX_MEMBER_BYTES:
        gathered.too_large = True
        return
    file = tar.extractfile(member)
    data = file.read() if file is not None else b""
    if len(data) != member.size:
        raise tarfile.ReadError(f"{member.name!r} ends early")
    if ending == "txt":
        gathered.text = data.decode(errors="replace")
    elif ending == "json":
        gathered.facts = _facts(data)
    elif gathered.image is None:
        gathered.image, gathered.image_path = data, f"{shard}/{member.name}"


def _read_over(tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    """Reads a large member to its end; raises ReadError where the tar ends first.

    Left to itself tarfile skips as many blocks as the size names, also where there are none: for years.
    """
    file = tar.extractfile(member)
    while file is not None and file.read(_COPY_BYTES):
        pass


def _facts(data: bytes) -> dict[str, object]:
    try:
        facts = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _finished(gathered: _Gathered) -> Iterator[Sample]:
    facts = gathered.facts or {}
    caption = gathered.text if gathered.text is not None else _text(facts, "caption")
    pair = Pair(
        sample_id=_text(facts, "sample_id") or gathered.key,
        key=gathered.key,
        url=_text(facts, "url"),
        caption=caption,
        image_path=gathered.image_path,
    )
    if gathered.too_large:
        detail = f"a member has more than {MAX_MEMBER_BYTES} bytes"
        yield failure(pair, Reason.REASON_ROW_TOO_LARGE, detail)
    elif gathered.image is None:
        yield failure(pair, Reason.REASON_NOT_AN_IMAGE, "the sample has no image")
    elif not caption.strip():
        yield failure(pair, Reason.REASON_NO_ALT, "the sample has no text")
    else:
        yield StoredPair(pair=pair, data=gathered.image)


def _text(facts: dict[str, object], name: str) -> str:
    value = facts.get(name)
    return value if isinstance(value, str) else ""
