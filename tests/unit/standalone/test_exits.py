"""Errors reach a person as a message and an exit code."""

from __future__ import annotations

import errno

import pytest
import typer

from pairmill.errors import ConfigurationError, CorruptObjectError, NoSpaceError
from pairmill_standalone.cli.exits import Exit, answer, errors_as_exits


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ConfigurationError("--out: wrong\n--wat: too"), Exit.WRONG_REQUEST, "pairmill: --wat: too"),
        (CorruptObjectError("object x"), Exit.NO, "CorruptObjectError: object x"),
        (NoSpaceError("--out: no space left"), Exit.NO, "NoSpaceError"),
        (OSError(errno.ENOSPC, "No space left on device", "/out/x"), Exit.NO, "/out/x: No space left"),
        (OSError(errno.EROFS, "Read-only file system", "/out/x"), Exit.WRONG_REQUEST, "Read-only"),
        (KeyboardInterrupt(), Exit.INTERRUPTED, "the same command goes on"),
    ],
)
def test_an_error_is_a_message_and_a_code(
    error: BaseException, code: Exit, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, errors_as_exits():
        raise error
    assert ended.value.exit_code == code
    assert message in capsys.readouterr().err


def test_a_bug_is_not_dressed_up() -> None:
    with pytest.raises(ZeroDivisionError), errors_as_exits():
        raise ZeroDivisionError


def test_no_is_an_answer() -> None:
    answer(True)
    with pytest.raises(typer.Exit) as ended:
        answer(False)
    assert ended.value.exit_code == Exit.NO
