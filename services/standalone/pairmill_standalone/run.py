"""`pairmill run`: the whole pipeline on this machine, all services as supervised processes."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pairmill.bus.factory import open_bus
from pairmill.bus.port import Outgoing
from pairmill.bus.topics import create_topics
from pairmill.clock import Clock, SystemClock
from pairmill.dataset.manifest import STATES
from pairmill.dataset.manifest_files import manifest_in
from pairmill.dataset.source import FolderFiles
from pairmill.dataset.versions import manifest_name_of
from pairmill.errors import ConfigurationError
from pairmill.store.factory import open_store
from pairmill.units import JOBS_TOPIC, LEDGER_TOPIC, key_partition
from pairmill_gateway.admission import Admission
from pairmill_gateway.ends import find_end
from pairmill_gateway.janitor import Janitor, repair_inputs
from pairmill_protos.job.v1.job_pb2 import JobAdmitted
from pairmill_standalone.run_options import RunOptions
from pairmill_standalone.services import service_children
from pairmill_standalone.supervisor import Supervisor
from pairmill_standalone.workspace import Workspace, check_base, locked, pin_job, remove_empty_folders

STOP_SECONDS = 25.0
_WATCH_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run ended: `complete`, `incomplete`, `cancelled`, `interrupted` or `failed`."""

    state: str
    reason: str = ""
    restarts: int = 0


Status = Mapping[str, object]


class Run:
    """One call of `pairmill run` over an admitted job."""

    def __init__(
        self,
        workspace: Workspace,
        admission: Admission,
        options: RunOptions,
        clock: Clock | None = None,
    ) -> None:
        self._workspace = workspace
        self._admission = admission
        self._options = options
        self._clock = clock or SystemClock()
        self._interrupts = 0

    def interrupt(self) -> None:
        """Asks for a clean stop; a second call kills. Safe in a signal handler."""
        self._interrupts += 1

    def execute(self, show: Callable[[Status], None]) -> RunEnd:
        """Runs the job to its end, or until interrupted; `show` is given the status now and then."""
        spec = self._admission.spec
        with locked(self._workspace):
            if spec.HasField("base"):
                check_base(self._workspace, spec)
            else:
                pin_job(self._workspace, spec, self._admission.spec_ref)
            self._forget_last_run()
            self._admit()
            supervisor = Supervisor(
                service_children(self._workspace, self._admission, self._options_now()),
                base_env=os.environ,
                logs=self._workspace.logs,
                clock=self._clock,
            )
            try:
                return self._watch(supervisor, show)
            finally:
                supervisor.kill()

    def _forget_last_run(self) -> None:
        """Its status is not ours, and nobody owns the attempts' private files any more."""
        self._workspace.status_file.unlink(missing_ok=True)
        shutil.rmtree(self._workspace.scratch, ignore_errors=True)

    def _options_now(self) -> RunOptions:
        """A job that has ended needs no stages: its gateway sweeps and says how it ended."""
        with open_bus(self._workspace.bus_url) as bus:
            ended = find_end(bus, self._admission.spec.job_id)
        return self._options if ended is None else replace(self._options, stages=())

    def _watch(self, supervisor: Supervisor, show: Callable[[Status], None]) -> RunEnd:
        while True:
            supervisor.watch()
            status = read_status(self._workspace.status_file)
            if status is not None:
                show(status)
            if self._interrupts:
                self._stop(supervisor)
                return RunEnd(state="interrupted", restarts=supervisor.restarts)
            if supervisor.has_ended("gateway"):
                supervisor.stop(grace_seconds=STOP_SECONDS)
                return self._end(supervisor)
            if supervisor.error or (status is not None and status.get("blocked")):
                reason = supervisor.error or f"the job is blocked: {(status or {}).get('blocked')}"
                supervisor.stop(grace_seconds=STOP_SECONDS)
                return RunEnd(state="failed", reason=reason, restarts=supervisor.restarts)
            self._clock.sleep(_WATCH_SECONDS)

    def _stop(self, supervisor: Supervisor) -> None:
        """Lets the services end what they can; a second Ctrl-C ends that too."""
        deadline = self._clock.monotonic() + STOP_SECONDS
        supervisor.terminate()
        while supervisor.any_alive() and self._interrupts < 2 and self._clock.monotonic() < deadline:
            self._clock.sleep(_WATCH_SECONDS)

    def _end(self, supervisor: Supervisor) -> RunEnd:
        status = read_status(self._workspace.status_file) or {}
        state = str(status.get("state", ""))
        if state not in STATES:
            reason = f"the gateway stopped before the job had ended; see {self._workspace.logs}"
            return RunEnd(state="failed", reason=reason, restarts=supervisor.restarts)
        self._sweep()
        return RunEnd(state=state, reason="; ".join(self._lacking()), restarts=supervisor.restarts)

    def _lacking(self) -> tuple[str, ...]:
        """Returns what the version that the job made lacks for being complete."""
        source = FolderFiles(self._workspace.out)
        name = manifest_name_of(source, self._admission.spec.job_id)
        return manifest_in(source, name).manifest.why if name is not None else ()

    def _sweep(self) -> None:
        """Once more, now that no stage is left that could write late (U4)."""
        with open_store(self._workspace.store_url) as store:
            janitor = Janitor(store, FolderFiles(self._workspace.out))
            janitor.sweep(self._admission.spec.job_id, repair_inputs(store, self._admission.spec_ref))
        shutil.rmtree(self._workspace.scratch, ignore_errors=True)
        for folder in ("steps", ".checksums/steps"):
            remove_empty_folders(self._workspace.out / folder)

    def _admit(self) -> None:
        """Stores the spec, makes the topics and announces the job; the same again does no harm."""
        spec = self._admission.spec
        with open_store(self._workspace.store_url) as store, open_bus(self._workspace.bus_url) as bus:
            for key, data in self._admission.objects.items():
                if store.stat(key) is None:
                    store.put(key, data)
            create_topics(bus, self._options.partitions)
            job_key = spec.job_id.encode()
            record = JobAdmitted(
                job_id=spec.job_id,
                spec=self._admission.spec_ref,
                ledger_partition=key_partition(job_key, bus.partitions(LEDGER_TOPIC)),
            )
            bus.publish(
                [
                    Outgoing(
                        topic=JOBS_TOPIC,
                        partition=key_partition(job_key, bus.partitions(JOBS_TOPIC)),
                        key=f"{spec.job_id}/spec".encode(),
                        value=record.SerializeToString(),
                    )
                ]
            )


def read_status(path: Path) -> Status | None:
    """Returns the gateway's latest status, or None if there is none yet."""
    try:
        status: Status = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return status


def check_inputs(wats: tuple[str, ...]) -> None:
    """Raises ConfigurationError naming local WATs that cannot be read, before anything starts."""
    problems = [
        f"--wat: {wat}: {'cannot be read' if Path(wat).exists() else 'there is no such file'}"
        for wat in wats
        if "://" not in wat and not os.access(wat, os.R_OK)
    ]
    if problems:
        raise ConfigurationError("\n".join(problems))
