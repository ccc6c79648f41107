"""The context of one attempt at one unit, for handlers under test."""

from __future__ import annotations

import threading
from pathlib import Path

from pairmill.stage.port import UnitContext
from pairmill.store.port import ObjectStore
from pairmill.units import new_attempt
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import UnitTask


def new_context(
    task: UnitTask, spec: JobSpec, store: ObjectStore, folder: Path, *, attempt: str = ""
) -> UnitContext:
    """Returns the context of a fresh attempt with a scratch folder of its own."""
    attempt = attempt or new_attempt()
    scratch = folder / f"scratch-{attempt}"
    scratch.mkdir()
    return UnitContext(
        task=task,
        spec=spec,
        attempt=attempt,
        store=store,
        scratch=scratch,
        cut_off=threading.Event(),
        report_progress=lambda done, rows: None,
    )
