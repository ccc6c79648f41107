"""One JSON object per line, whoever logs."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from pairmill.errors import ConfigurationError
from pairmill.telemetry.logs import configure_logging, logging_to


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    configure_logging("info", service="crawler", version="1.2", stream=stream)
    yield stream
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_each_line_is_an_object_with_the_event_and_its_fields(stream: io.StringIO) -> None:
    structlog.get_logger("x").info("shard_written", unit="a\nb", rows=3)
    structlog.get_logger("x").debug("not_shown")
    (line,) = lines(stream)
    assert (line["event"], line["unit"], line["rows"]) == ("shard_written", "a\nb", 3)
    assert (line["level"], line["service"], line["version"]) == ("info", "crawler", "1.2")
    assert line["timestamp"].endswith("Z")


def test_what_libraries_log_is_an_object_too(stream: io.StringIO) -> None:
    logging.getLogger("some.library").warning("two\nlines of %s", "text")
    (line,) = lines(stream)
    assert line["event"] == "two\nlines of text"
    assert (line["logger"], line["level"], line["service"]) == ("some.library", "warning", "crawler")


def test_a_traceback_shows_no_values(stream: io.StringIO) -> None:
    def work(secret: str) -> None:
        raise ValueError("nope")

    try:
        work("hunter2")
    except ValueError as error:
        structlog.get_logger("x").error("unit_failed", exc_info=error)
        logging.getLogger("some.library").exception("failed")
    first, second = lines(stream)
    assert first["exception"][0]["exc_type"] == second["exception"][0]["exc_type"] == "ValueError"
    assert "hunter2" not in stream.getvalue()


def test_an_unknown_level_is_a_wrong_configuration() -> None:
    with pytest.raises(ConfigurationError, match="log_level"):
        configure_logging("loud", service="crawler", version="1")


def test_a_stream_that_was_closed_afterwards_is_not_written_to() -> None:
    before, stream = structlog.get_config(), io.StringIO()
    with logging_to(stream, "info", service="explore", version="1"):
        structlog.get_logger().info("asked")
        logging.getLogger("library").warning("odd")
    written = stream.getvalue()
    stream.close()
    assert "asked" in written
    assert "odd" in written
    assert structlog.get_config() == before
    assert not logging.getLogger().handlers
