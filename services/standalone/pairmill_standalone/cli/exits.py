"""Exit codes, and how errors reach a person."""

from __future__ import annotations

import enum
import errno
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from pairmill.errors import ConfigurationError, PairmillError


class Exit(enum.IntEnum):
    """What an exit code says."""

    DONE = 0  # done
    NO = 1  # done, but the answer is no
    WRONG_REQUEST = 2  # the message names the field and the fix
    INTERRUPTED = 130  # the next call resumes


_REQUESTS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR})
"""What the system says of a path that the user named wrongly."""

_FIXES = {
    errno.ENOSPC: "; free some space, the same command goes on from here",
    errno.EDQUOT: "; free some space, the same command goes on from here",
    errno.EROFS: "; choose a writable folder",
    errno.EACCES: "; choose another one or change its rights",
}


@contextmanager
def errors_as_exits() -> Iterator[None]:
    """Turns errors that were raised on purpose, and those of the disk, into a message and an exit code."""
    try:
        yield
    except ConfigurationError as error:
        complain(str(error))
        raise typer.Exit(Exit.WRONG_REQUEST) from error
    except PairmillError as error:
        complain(f"{type(error).__name__}: {error}")
        raise typer.Exit(Exit.NO) from error
    except OSError as error:
        complain(f"{error.filename or 'disk'}: {error.strerror}{_FIXES.get(error.errno or 0, '')}")
        raise typer.Exit(Exit.WRONG_REQUEST if error.errno in _REQUESTS else Exit.NO) from error
    except KeyboardInterrupt as error:
        complain("interrupted; the same command goes on from here")
        raise typer.Exit(Exit.INTERRUPTED) from error


def complain(text: str) -> None:
    """Writes a message to stderr, each line marked."""
    for line in text.splitlines():
        sys.stderr.write(f"pairmill: {line}\n")


def say(text: str) -> None:
    """Writes a line of an answer to stdout."""
    sys.stdout.write(text + "\n")


def say_json(facts: Any) -> None:
    """Writes facts as one line of JSON to stdout."""
    say(json.dumps(facts, ensure_ascii=False))


def answer(ok: bool) -> None:
    """Ends the command: 0 where the answer is yes, 1 where it is no."""
    if not ok:
        raise typer.Exit(Exit.NO)
