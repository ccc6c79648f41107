"""Undoing Content-Encoding under a cap, piece by piece (D4)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final, Protocol

import brotli

from pairmill_protos.common.v1.outcome_pb2 import Reason

ACCEPT_ENCODING: Final = "gzip, deflate, br"

_MAX_CODINGS: Final = 3
_MAX_MEMBERS: Final = 1000  # of a gzip stream; each costs time, even an empty one
_BOMB_RATIO: Final = 10  # decoded over received, at the point where the cap is passed
_IDENTITY: Final = frozenset({"", "identity", "none"})
_STEP: Final = 1 << 10  # small, so that the ratio is that of what was decoded and no step takes long


class BodyError(Exception):
    """The body cannot be used."""

    def __init__(self, reason: Reason.ValueType, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class _Inflater(Protocol):
    def feed(self, data: bytes, limit: int) -> bytes:
        """Returns what data decode to, at most a little more than `limit` bytes."""
        ...

    @property
    def is_whole(self) -> bool: ...


class Body:
    """Collects a body, decoded; raises BodyError as soon as it cannot be used."""

    def __init__(self, encodings: Sequence[str], max_bytes: int, *, cuts: bool = False) -> None:
        self._stages = [_inflater(coding) for coding in reversed(_codings(encodings))]
        self._taken = [0] * len(self._stages)  # bytes that each stage was given
        self._max = max_bytes
        # No coding makes much more of a body than it is; what does decodes to nothing, for ever.
        self._max_encoded = max_bytes + max_bytes // 16 + (1 << 16)
        self._cuts = cuts
        self._pieces: list[bytes] = []
        self._received = 0
        self._kept = 0

    @property
    def is_full(self) -> bool:
        """Whether a body that may be cut has reached its cap."""
        return self._cuts and self._kept > self._max

    def feed(self, data: bytes) -> None:
        """Takes the next bytes off the wire."""
        if not self._stages:
            self._received += len(data)
            self._keep(data)
            return
        for start in range(0, len(data), _STEP):
            piece = data[start : start + _STEP]
            self._received += len(piece)
            self._decode(piece, 0)

    def finish(self) -> bytes:
        """Returns the body once all has arrived."""
        if self.is_full:
            return b"".join(self._pieces)[: self._max]
        if self._received and not all(stage.is_whole for stage in self._stages):
            raise BodyError(Reason.REASON_TRUNCATED_BODY, "the encoded body ends early")
        return b"".join(self._pieces) if len(self._pieces) != 1 else self._pieces[0]

    def _decode(self, data: bytes, depth: int) -> None:
        """Undoes the coding of a stage and of those behind it."""
        if depth == len(self._stages):
            self._keep(data)
            return
        is_last = depth + 1 == len(self._stages)
        self._taken[depth] += len(data)
        if self._taken[depth] > self._max_encoded:
            reason = Reason.REASON_BOMB if depth else Reason.REASON_TOO_LARGE
            raise BodyError(reason, f"more than {self._max_encoded} bytes, encoded")
        for start in range(0, len(data), _STEP):
            if is_last:
                limit = self._max - min(self._kept, self._max) + 1
            else:
                limit = self._max_encoded - self._taken[depth + 1] + 1
            try:
                decoded = self._stages[depth].feed(data[start : start + _STEP], limit)
            except (zlib.error, brotli.error) as error:
                raise BodyError(Reason.REASON_BAD_RESPONSE, f"bad encoding: {error}") from error
            self._decode(decoded, depth + 1)

    def _keep(self, piece: bytes) -> None:
        self._kept += len(piece)
        self._pieces.append(piece)
        if self._kept <= self._max or self._cuts:
            return
        if self._stages and self._kept > _BOMB_RATIO * self._received:
            raise BodyError(Reason.REASON_BOMB, f"{self._received} bytes decode to more than {self._max}")
        raise BodyError(Reason.REASON_TOO_LARGE, f"more than {self._max} bytes")


def _codings(encodings: Sequence[str]) -> list[str]:
    """The codings in the order applied; what nobody knows is taken for none, the bytes decide later."""
    named = [part.strip().lower() for value in encodings for part in value.split(",")]
    known = [name for name in named if name in _CODINGS]
    if len(known) > _MAX_CODINGS:
        raise BodyError(Reason.REASON_BOMB, f"{len(known)} encodings")
    return known


class _Zlib:
    """gzip with any number of members; what stands behind the last is passed over."""

    def __init__(self, window_bits: int) -> None:
        self._bits = window_bits
        self._inflater = zlib.decompressobj(window_bits)
        self._is_fresh = True
        self._members = 1

    @property
    def is_whole(self) -> bool:
        return self._inflater.eof or self._is_fresh

    def feed(self, data: bytes, limit: int) -> bytes:
        pieces: list[bytes] = []
        while data and limit > 0:
            if self._inflater.eof:
                if self._bits <= zlib.MAX_WBITS or not data.startswith(b"\x1f\x8b"):
                    break
                self._members += 1
                if self._members > _MAX_MEMBERS:
                    raise BodyError(Reason.REASON_BOMB, f"more than {_MAX_MEMBERS} members")
                self._inflater = zlib.decompressobj(self._bits)
            piece = self._inflater.decompress(data, limit)
            self._is_fresh = False
            pieces.append(piece)
            limit -= len(piece)
            data = self._inflater.unconsumed_tail or self._inflater.unused_data
        return b"".join(pieces)


class _Deflate:
    """`deflate` is the zlib format by the standard, and raw by habit of some servers."""

    def __init__(self) -> None:
        self._inner: _Zlib | None = None

    @property
    def is_whole(self) -> bool:
        return self._inner is None or self._inner.is_whole

    def feed(self, data: bytes, limit: int) -> bytes:
        if self._inner is None and data:
            is_zlib = data[0] & 0x0F == 8 and data[0] >> 4 <= 7
            self._inner = _Zlib(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
        return self._inner.feed(data, limit) if self._inner else b""


class _Brotli:
    def __init__(self) -> None:
        self._inflater = brotli.Decompressor()

    @property
    def is_whole(self) -> bool:
        return bool(self._inflater.is_finished())

    def feed(self, data: bytes, limit: int) -> bytes:
        pieces = [self._inflater.process(data, output_buffer_limit=limit)]
        limit -= len(pieces[0])
        while limit > 0 and not self._inflater.can_accept_more_data():
            pieces.append(self._inflater.process(b"", output_buffer_limit=limit))
            limit -= len(pieces[-1])
        return b"".join(pieces)


def _inflater(coding: str) -> _Inflater:
    return _CODINGS[coding]()


def _gzip() -> _Inflater:
    return _Zlib(zlib.MAX_WBITS | 16)


_CODINGS: Final = {"gzip": _gzip, "x-gzip": _gzip, "deflate": _Deflate, "br": _Brotli}
