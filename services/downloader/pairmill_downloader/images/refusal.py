"""Why bytes give no picture."""

from __future__ import annotations

from typing import Final

from pairmill_protos.common.v1.outcome_pb2 import Reason

MAX_DETAIL: Final = 300


class Refusal(Exception):  # noqa: N818 - a result that travels up, not an error
    """Bytes that give no stored image, with the reason for their rows."""

    def __init__(self, reason: Reason.ValueType, detail: str) -> None:
        super().__init__(detail[:MAX_DETAIL])
        self.reason = reason
        self.detail = detail[:MAX_DETAIL]
