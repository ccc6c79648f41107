"""Structured logs: one JSON object per line for services, readable lines on a terminal."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog

from pairmill.errors import ConfigurationError

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure_logging(level: str, *, service: str, version: str, stream: TextIO | None = None) -> None:
    """Sets up structlog for this process; called once, by main.

    Events have constant snake_case names in the past tense; everything variable stands in fields.
    Raises ConfigurationError for an unknown level.
    """
    if level not in _LEVELS:
        raise ConfigurationError(f"log_level: {level!r} is none of: {', '.join(_LEVELS)}")
    target = stream or sys.stdout
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if target.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.dict_tracebacks,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(service=service, version=version)
    logging.basicConfig(level=max(_LEVELS[level], logging.WARNING), stream=target, force=True)
