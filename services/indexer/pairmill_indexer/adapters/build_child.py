"""Builds in child processes: one that dies of memory takes its child, not the member of the group."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Final

from pairmill import __version__
from pairmill.children.orphans import end_when_orphaned
from pairmill.errors import CutOffError, NoSpaceError, PairmillError
from pairmill.stage.attempt import Fault, classify
from pairmill.stage.datasets import dataset_store
from pairmill.store.factory import open_store
from pairmill.store.settings import S3Config
from pairmill.telemetry.logs import configure_logging
from pairmill_index.catalogue import note_indexed
from pairmill_index.options import BuildOptions
from pairmill_index.progress import Progress
from pairmill_indexer.change import How, Indexed, bring_up_to_date
from pairmill_indexer.tasks import build_options
from pairmill_indexer.verdicts import BuildDiedError
from pairmill_protos.index.v1.index_pb2 import IndexTask

_LOOK_SECONDS: Final = 0.2
_END_SECONDS: Final = 5.0
_REPORT_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSettings:
    """What every build is told."""

    store_url: str
    s3: S3Config
    scratch: Path
    memory_bytes: int
    threads: int
    max_segments: int
    log_level: str = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """How far a step has come."""

    step: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class _Raised:
    """What the build raised."""

    error: Exception


class ChildBuilder:
    """A `pairmill_indexer.ports.Builder`: each build has a fresh child, which opens the store itself."""

    def __init__(self, settings: ChildSettings) -> None:
        self._settings = settings

    def build(self, task: IndexTask, cut_off: threading.Event, progress: Progress) -> Indexed:
        """Returns the index that serves; the child is ended soon after `cut_off` is set."""
        context = multiprocessing.get_context("spawn")  # a fork would copy locks that threads hold
        ours, theirs = context.Pipe()
        options = build_options(task, self._settings.memory_bytes)
        process = context.Process(
            target=_serve,
            args=(theirs, self._settings, task.dataset, options),
            name="index-build",
            daemon=True,
        )
        process.start()
        theirs.close()
        with closing(ours):
            try:
                return _answer(process, ours, cut_off, progress)
            finally:
                _end(process)


def _answer(
    process: SpawnProcess, connection: Connection[Any, Any], cut_off: threading.Event, progress: Progress
) -> Indexed:
    """Waits for the child's answer; raises what it raised."""
    while not cut_off.is_set():
        if not connection.poll(_LOOK_SECONDS):
            continue
        try:
            said = connection.recv()
        except (EOFError, OSError) as gone:
            process.join(_END_SECONDS)
            raise BuildDiedError(f"the build's process ended with {process.exitcode}") from gone
        match said:
            case _Step(step=step, done=done, total=total):
                progress(step, done, total)
            case _Raised(error=error):
                raise error
            case Indexed():
                return said
    raise CutOffError("the build was told to stop")


def _end(process: SpawnProcess) -> None:
    process.terminate()
    process.join(_END_SECONDS)
    if process.is_alive():
        process.kill()
        process.join(_END_SECONDS)
    process.close()


# In the child


def _serve(
    connection: Connection[Any, Any], settings: ChildSettings, dataset: str, options: BuildOptions
) -> None:
    """Builds, and says how that ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    end_when_orphaned()
    configure_logging(settings.log_level, service="indexer", version=__version__)
    with suppress(BrokenPipeError):
        try:
            connection.send(_build(settings, dataset, options, _Reporter(connection)))
        except Exception as error:  # noqa: BLE001 - told to the parent, which decides what it means
            connection.send(_Raised(_portable(error)))


def _build(settings: ChildSettings, dataset: str, options: BuildOptions, progress: Progress) -> Indexed:
    with closing(open_store(settings.store_url, settings.s3)) as store:
        how = How(
            options=options,
            scratch=settings.scratch,
            threads=settings.threads,
            max_segments=settings.max_segments,
            progress=progress,
        )
        indexed = bring_up_to_date(dataset_store(store, dataset), how)
        note_indexed(store, dataset)
        return indexed


def _portable(error: Exception) -> Exception:
    """Returns an error that can be sent to another process whatever it holds."""
    if isinstance(error, PairmillError):
        return error
    said = f"{type(error).__name__}: {error}"
    return NoSpaceError(said) if classify(error) is Fault.ENVIRONMENT else RuntimeError(said)


class _Reporter:
    """Sends progress now and then."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection
        self._step = ""
        self._next = 0.0

    def __call__(self, step: str, done: int, total: int) -> None:
        if step == self._step and done < total and time.monotonic() < self._next:
            return
        self._step, self._next = step, time.monotonic() + _REPORT_SECONDS
        self._connection.send(_Step(step=step, done=done, total=total))
