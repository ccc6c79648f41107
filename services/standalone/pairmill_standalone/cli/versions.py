"""`pairmill refilter` and `pairmill retry-failed`: a new version of a finished dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pairmill.dataset.reader import Dataset
from pairmill.errors import ConfigurationError
from pairmill.jobspec.settings import parse_assignments
from pairmill_standalone.cli.exits import complain, errors_as_exits, say_json
from pairmill_standalone.cli.options import (
    AllowNetwork,
    BundleOption,
    ConnectTo,
    Folder,
    Json,
    Settings,
    StateDir,
    Workers,
    bundle_or_tiny,
)

if TYPE_CHECKING:
    from pairmill_standalone.workspace import Workspace

Fork = Annotated[
    Path | None,
    typer.Option(
        "--out", help="Make the new version in a folder of its own, which shares the files of the first."
    ),
]


def refilter(
    folder: Folder,
    settings: Settings = None,
    out: Fork = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Cut a dataset by other thresholds, from stored scores: nothing is fetched or inferred again.

    The new version replaces `dataset.json`; the one before stays as `versions/<job>.json`. Settings are
    those of `score.*` and the choices of `finalise.*`.

    Example: pairmill refilter out/first --set score.min_similarity.en=0.3 --set score.max_unsafe_score=0.2
    """
    from pairmill_standalone.cli.run import carry_on
    from pairmill_standalone.run_options import RunOptions
    from pairmill_standalone.versions import REFILTER_STAGES, admit_refilter

    with errors_as_exits():
        if not settings:
            raise ConfigurationError(
                "--set: name at least one threshold, such as score.min_similarity.en=0.3"
            )
        workspace = version_workspace(folder, out, state_dir)
        version = admit_refilter(workspace, parse_assignments(settings))
        if version is None:
            nothing_to_do(workspace.out, "the dataset already is as asked for", as_json=as_json)
            return
        carry_on(workspace, version.admission, RunOptions(stages=REFILTER_STAGES), as_json=as_json)


def retry_failed(
    folder: Folder,
    reason: Annotated[
        list[str] | None,
        typer.Option(help="Only rows that failed for this reason; all that may heal if not given."),
    ] = None,
    out: Fork = None,
    bundle: BundleOption = None,
    workers: Workers = None,
    allow_network: AllowNetwork = None,
    connect_to: ConnectTo = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Try again what failed for reasons that may heal, as a new version of the dataset.

    Time-outs, unreachable hosts, 429 and 5xx answers, and units that were given up are tried again;
    what was refused or broken is not.

    Example: pairmill retry-failed out/first --reason timeout_total --reason http_5xx
    """
    from pairmill.dataset.retriable import RETRIABLE_REASONS

    with errors_as_exits():
        unknown = sorted(set(reason or ()) - RETRIABLE_REASONS)
        if unknown:
            known = ", ".join(sorted(RETRIABLE_REASONS))
            raise ConfigurationError(f"--reason: {', '.join(unknown)} cannot heal; choose from {known}")
        repair(
            version_workspace(folder, out, state_dir),
            reasons=frozenset(reason or RETRIABLE_REASONS),
            failed=True,
            bundle=bundle,
            workers=workers,
            allow_network=allow_network,
            connect_to=connect_to,
            as_json=as_json,
        )


def repair(
    workspace: Workspace,
    *,
    reasons: frozenset[str],
    failed: bool,
    bundle: Path | None,
    workers: list[str] | None,
    allow_network: list[str] | None,
    connect_to: list[str] | None,
    as_json: bool,
) -> None:
    """Runs a repair to its end; says so where there is nothing to do."""
    from pairmill_standalone.cli.run import carry_on, downloader_env, parse_workers
    from pairmill_standalone.run_options import RunOptions
    from pairmill_standalone.versions import REPAIR_STAGES, admit_repair

    chosen = matching_bundle(Dataset.open(workspace.out), bundle_or_tiny(bundle))
    version = admit_repair(workspace, reasons, failed=failed)
    if version is None:
        nothing_to_do(workspace.out, "nothing failed that could be tried again", as_json=as_json)
        return
    complain(f"{version.rows:,} candidates are tried again")
    options = RunOptions(
        bundle=chosen,
        stages=REPAIR_STAGES,
        workers=parse_workers(workers or ()),
        service_env={"downloader": downloader_env(allow_network or (), connect_to or ())},
    )
    carry_on(workspace, version.admission, options, as_json=as_json)


def matching_bundle(dataset: Dataset, path: Path) -> Path:
    """Returns the bundle's path; raises ConfigurationError unless it is the one of the dataset."""
    from pairmill_models.bundle import load_bundle

    bundle, pinned = load_bundle(path), dataset.manifest.bundle
    if bundle.digest != pinned.get("digest"):
        raise ConfigurationError(
            f"--bundle: the dataset was made with {pinned.get('name')} {pinned.get('revision')} "
            f"({str(pinned.get('digest'))[:12]}), {path} is {bundle.name} {bundle.revision} "
            f"({bundle.digest[:12]}); name the bundle that it was made with"
        )
    return path


def version_workspace(folder: Path, out: Path | None, state_dir: Path | None) -> Workspace:
    """Returns the workspace of a finished dataset, forked into a folder of its own where asked for."""
    from pairmill_standalone.versions import fork_dataset
    from pairmill_standalone.workspace import open_workspace

    Dataset.open(folder)  # nothing is made where there is no dataset
    if out is not None and out.absolute() != folder.absolute():
        workspace = open_workspace(out, state_dir)
        fork_dataset(folder.absolute(), workspace.out)
        return workspace
    return open_workspace(folder, state_dir)


def nothing_to_do(out: Path, why: str, *, as_json: bool) -> None:
    """Says that the dataset stays as it is."""
    if as_json:
        say_json({"state": "unchanged", "why": why, "version": Dataset.open(out).manifest.version})
    else:
        complain(f"{why}; nothing to do")
