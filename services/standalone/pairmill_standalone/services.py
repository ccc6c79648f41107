"""The services of an embedded run as child processes, with their environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pairmill_gateway.admission import Admission
from pairmill_standalone.run_options import RunOptions
from pairmill_standalone.supervisor import ChildSpec
from pairmill_standalone.workspace import Workspace

WITH_BUNDLE: Final = frozenset({"inference", "scorer"})


def service_children(workspace: Workspace, admission: Admission, options: RunOptions) -> list[ChildSpec]:
    """Returns the gateway and, for every stage of the run, as many workers as asked for."""
    children = [_gateway(workspace, admission, options)]
    for stage in options.stages:
        numbers = range(options.workers.get(stage, 1))
        children.extend(_worker(workspace, admission, options, stage, number) for number in numbers)
    return children


def _gateway(workspace: Workspace, admission: Admission, options: RunOptions) -> ChildSpec:
    ref = admission.spec_ref
    env = _common(workspace, options.service_env.get("gateway", {})) | {
        "PAIRMILL_SPEC_KEY": ref.key,
        "PAIRMILL_SPEC_SHA256": ref.sha256.hex(),
        "PAIRMILL_SPEC_BYTES": str(ref.bytes),
        "PAIRMILL_SCRATCH": str(workspace.scratch / "gateway"),
        "PAIRMILL_STATUS_FILE": str(workspace.status_file),
        "PAIRMILL_REISSUE_AFTER_SECONDS": str(options.reissue_after_seconds),
        "PAIRMILL_GIVE_UP_SECONDS": str(options.give_up_seconds),
    }
    first = options.first_env.get("gateway", {})
    return ChildSpec(name="gateway", module="pairmill_gateway", env=env, first_env=first)


def _worker(
    workspace: Workspace, admission: Admission, options: RunOptions, stage: str, number: int
) -> ChildSpec:
    name = f"{stage}-{number:03d}"
    env = _common(workspace, options.service_env.get(stage, {})) | {
        "PAIRMILL_MEMBER": name,
        "PAIRMILL_SCRATCH": str(workspace.scratch / name),
        "PAIRMILL_GIVE_UP_SECONDS": str(options.give_up_seconds),
    }
    if stage in WITH_BUNDLE and options.bundle is not None:
        env["PAIRMILL_BUNDLE"] = str(options.bundle)
        env["PAIRMILL_BUNDLE_DIGEST"] = admission.spec.bundle.digest
    first = options.first_env.get(stage, {}) if number == 0 else {}
    return ChildSpec(name=name, module=f"pairmill_{stage}", env=env, first_env=first)


def _common(workspace: Workspace, extra: Mapping[str, str]) -> dict[str, str]:
    return {
        "PAIRMILL_BUS_URL": workspace.bus_url,
        "PAIRMILL_STORE_URL": workspace.store_url,
        "PAIRMILL_WATCH_STDIN": "true",
        "OMP_NUM_THREADS": "1",  # one core per process; several processes share the machine
        **extra,
    }
