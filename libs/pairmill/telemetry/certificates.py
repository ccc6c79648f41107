"""When certificates end. Pure, but for the reading of files."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_LONG: Final = 0x80
_FORMS: Final = {_UTC_TIME: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}
_PIVOT: Final = 50  # RFC 5280: UTCTime of 50 and more is of the last century


def ends_of(pem: str) -> list[datetime]:
    """Returns when each certificate of a PEM text ends, in order; raises ValueError for a broken one."""
    return [end_of(ssl.PEM_cert_to_DER_cert(found)) for found in _PEM.findall(pem)]


def end_of(der: bytes) -> datetime:
    """Returns a certificate's `notAfter`; raises ValueError where it is none."""
    try:
        (_, certificate), *_ = _values(der)
        (_, to_be_signed), *_ = _values(certificate)
        fields = [value for tag, value in _values(to_be_signed) if tag != _VERSION]
        validity = fields[3]  # after serial number, algorithm and issuer
        _, (tag, text) = _values(validity)
        return _time(tag, text.decode("ascii"))
    except (IndexError, KeyError, UnicodeDecodeError) as error:
        raise ValueError(f"no certificate: {error}") from error


def _time(tag: int, text: str) -> datetime:
    found = datetime.strptime(text, _FORMS[tag]).replace(tzinfo=UTC)
    if tag != _UTC_TIME:
        return found
    short = found.year % 100
    return found.replace(year=short + (1900 if short >= _PIVOT else 2000))


def _values(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields tag and content of each value of DER that stands in a sequence."""
    place = 0
    while place < len(data):
        tag, size, start = data[place], data[place + 1], place + 2
        if size >= _LONG:
            start += size - _LONG
            size = int.from_bytes(data[place + 2 : start])
        if start + size > len(data):
            raise IndexError("it breaks off")
        yield tag, data[start : start + size]
        place = start + size
