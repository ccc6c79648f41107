"""Exit codes, and how errors reach a person."""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from pairmill.errors import ConfigurationError, PairmillError


class Exit(enum.IntEnum):
    """What an exit code says."""

    DONE = 0  # done
    NO = 1  # done, but the answer is no
    WRONG_REQUEST = 2  # the message names the field and the fix
    INTERRUPTED = 130  # the next call resumes


@contextmanager
def errors_as_exits() -> Iterator[None]:
    """Turns errors that were raised on purpose into a message on stderr and an exit code."""
    try:
        yield
    except ConfigurationError as error:
        complain(str(error))
        raise typer.Exit(Exit.WRONG_REQUEST) from error
    except PairmillError as error:
        complain(f"{type(error).__name__}: {error}")
        raise typer.Exit(Exit.NO) from error
    except KeyboardInterrupt as error:
        complain("interrupted; the same command goes on from here")
        raise typer.Exit(Exit.INTERRUPTED) from error


def complain(text: str) -> None:
    """Writes a message to stderr, each line marked."""
    for line in text.splitlines():
        sys.stderr.write(f"pairmill: {line}\n")


def answer(ok: bool) -> None:
    """Ends the command: 0 where the answer is yes, 1 where it is no."""
    if not ok:
        raise typer.Exit(Exit.NO)


def run_until_done(main: Callable[[], None]) -> None:
    """Runs a verb's body with its errors turned into exits."""
    with errors_as_exits():
        main()
