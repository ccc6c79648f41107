"""What the HTTP library says of connections, in our log's form and at its place."""

from __future__ import annotations

import logging
from typing import Final

import structlog
from aiohttp.http_exceptions import HttpProcessingError

log = structlog.get_logger(__name__)

_SHOWN: Final = 200


class ProtocolLog(logging.Logger):
    """Takes the library's records: that somebody sent no HTTP is no error of ours, all else is."""

    def __init__(self) -> None:
        super().__init__("http", logging.WARNING)

    def handle(self, record: logging.LogRecord) -> None:
        """Passes a record on."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            log.debug("request_malformed", problem=str(error)[:_SHOWN])
        else:
            log.error("connection_failed", problem=record.getMessage()[:_SHOWN], exc_info=error)
