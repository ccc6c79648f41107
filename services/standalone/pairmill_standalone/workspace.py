"""The output folder of a run: its lock, its state folder, and the job it belongs to."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict

from pairmill.dataset.lineage import lineage_of
from pairmill.dataset.manifest import MANIFEST_NAME, read_manifest
from pairmill.dataset.reader import Dataset
from pairmill.errors import ConfigurationError
from pairmill.jobspec.differences import differences
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef

STATE_FOLDER = ".pairmill"
_LOCK = "lock"
_JOB = "job.json"
_VERSIONS = "versions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Where a run keeps the dataset and what it needs to go on."""

    out: Path
    state: Path  # queue, scratch and logs, on a local disk

    @property
    def home(self) -> Path:
        """The folder beside the dataset that says who works on it and which job it belongs to."""
        return self.out / STATE_FOLDER

    @property
    def bus_url(self) -> str:
        """Address of the embedded bus."""
        return f"sqlite://{self.state / 'bus.db'}"

    @property
    def store_url(self) -> str:
        """Address of the dataset's store."""
        return f"file://{self.out}"

    @property
    def status_file(self) -> Path:
        """Where the gateway writes how far the job has come."""
        return self.state / "status.json"

    @property
    def logs(self) -> Path:
        """Where the services' logs go."""
        return self.state / "logs"

    @property
    def scratch(self) -> Path:
        """Where the services' private files go."""
        return self.state / "scratch"

    def of_version(self, job_id: str) -> Workspace:
        """Returns the workspace of a job that makes another version of the same dataset."""
        return Workspace(out=self.out, state=self.state / _VERSIONS / job_id)


def open_workspace(out: Path, state_dir: Path | None) -> Workspace:
    """Returns the workspace, its folders made; raises ConfigurationError if it cannot be written."""
    out = out.absolute()
    state = (state_dir or out / STATE_FOLDER).absolute()
    places = ((out, "--out"), (out / STATE_FOLDER, "--out"), (state, "--state-dir"))
    for folder, option in places:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"{option}: {folder} cannot be made: {error.strerror}") from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise ConfigurationError(f"{option}: {folder} is not writable; choose another folder")
    return Workspace(out=out, state=state)


@contextmanager
def locked(workspace: Workspace) -> Iterator[None]:
    """Holds the output folder; raises ConfigurationError if another run holds it."""
    path = workspace.home / _LOCK
    with path.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.seek(0)
            holder = handle.read().strip() or "another process"
            raise ConfigurationError(
                f"--out: {workspace.out} is in use by {holder}; wait for it or choose another folder"
            ) from error
        handle.truncate(0)
        handle.write(f"process {os.getpid()}")
        handle.flush()
        yield


def pinned_spec(workspace: Workspace) -> dict[str, Any] | None:
    """Returns the spec of the job that the folder belongs to, or None if it belongs to none.

    A dataset that was copied here without its state folder belongs to the job of its first version.
    """
    path = workspace.home / _JOB
    if path.exists():
        try:
            spec: dict[str, Any] = json.loads(path.read_text())["spec"]
        except (OSError, ValueError, KeyError) as error:
            raise ConfigurationError(
                f"--out: {path} cannot be read ({error}); choose another folder"
            ) from error
        return spec
    if not (workspace.out / MANIFEST_NAME).exists():
        return None
    lineage = lineage_of(Dataset.open(workspace.out))
    first = lineage.specs.get(lineage.jobs[0])
    if first is None:
        raise ConfigurationError(f"--out: {workspace.out} holds a damaged dataset; choose another folder")
    return dict(MessageToDict(first[0], preserving_proto_field_name=True))


def pin_job(workspace: Workspace, spec: JobSpec, spec_ref: ObjectRef) -> None:
    """Binds the folder to a job; raises ConfigurationError with the difference if it has another."""
    path = workspace.home / _JOB
    described = MessageToDict(spec, preserving_proto_field_name=True)
    held = pinned_spec(workspace)
    if held is not None:
        if held != described:
            lines = "\n".join(differences(held, described))
            raise ConfigurationError(
                f"--out: {workspace.out} belongs to another job; use another folder, or the same "
                f"settings as before. What differs (there -> here):\n{lines}"
            )
        return
    text = json.dumps(
        {
            "job_id": spec.job_id,
            "spec_key": spec_ref.key,
            "spec_sha256": spec_ref.sha256.hex(),
            "spec": described,
        },
        indent=2,
        sort_keys=True,
    )
    temporary = path.with_suffix(".new")
    temporary.write_text(text)
    temporary.replace(path)


def check_base(workspace: Workspace, spec: JobSpec) -> None:
    """Raises ConfigurationError unless the folder holds the base of a job, or what the job made of it.

    A base has one child in its own folder (U16).
    """
    current = read_manifest(workspace.out).job_id
    if current not in (spec.base.job_id, spec.job_id):
        raise ConfigurationError(
            f"DIR: {workspace.out} holds version {current} by now, not {spec.base.job_id}; call it again"
        )


def remove_empty_folders(root: Path) -> None:
    """Removes the folders below a folder, and it itself, that hold nothing; nobody may be writing there."""
    for folder in sorted((root, *root.rglob("*")), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
