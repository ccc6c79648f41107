"""What the gateway's errors are to a caller."""

from __future__ import annotations

from typing import Final

import grpc

from pairmill.rpc.refusals import COMMON_CODES, Codes
from pairmill_gateway.rpc.ports import UnknownJobError, WrongStateError

CODES: Final[Codes] = (
    (UnknownJobError, grpc.StatusCode.NOT_FOUND),
    (WrongStateError, grpc.StatusCode.FAILED_PRECONDITION),
    *COMMON_CODES,
)
"""The most specific first."""
