"""Structured logs: one JSON object per line for services, readable lines on a terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import structlog

from pairmill.errors import ConfigurationError

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure_logging(level: str, *, service: str, version: str, stream: TextIO | None = None) -> None:
    """Sets up structlog for this process; called once, by main.

    Events have constant snake_case names in the past tense; everything variable stands in fields. What
    libraries log through `logging` is written in the same form.
    Raises ConfigurationError for an unknown level.
    """
    if level not in _LEVELS:
        raise ConfigurationError(f"log_level: {level!r} is none of: {', '.join(_LEVELS)}")
    target = stream or sys.stdout
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendering = _rendering(target)
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(service=service, version=version)
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        )
    )
    logging.basicConfig(level=max(_LEVELS[level], logging.WARNING), handlers=[handler], force=True)


@contextmanager
def logging_to(stream: TextIO, level: str, *, service: str, version: str) -> Iterator[None]:
    """Sets structlog up while the context lasts: whoever closes the stream afterwards is not written to."""
    before = structlog.get_config()
    configure_logging(level, service=service, version=version, stream=stream)
    try:
        yield
    finally:
        structlog.configure(**before)
        structlog.contextvars.unbind_contextvars("service", "version")
        logging.getLogger().handlers.clear()


def _rendering(target: TextIO) -> list[structlog.typing.Processor]:
    if target.isatty():
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    # Without the values of local variables: they may be payloads or secrets.
    tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [structlog.processors.ExceptionRenderer(tracebacks), structlog.processors.JSONRenderer()]
