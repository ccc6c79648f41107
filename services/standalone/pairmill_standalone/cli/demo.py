"""`pairmill demo`: everything at once over a synthetic web with a known truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pairmill_standalone.cli.exits import answer, complain, errors_as_exits, say, say_json
from pairmill_standalone.cli.options import BundleOption, Json, StateDir, Workers, bundle_or_tiny

if TYPE_CHECKING:
    from pairmill_synthweb.truth.compare import Comparison

SHOWN_DIFFERENCES: Final = 20


def demo(
    out: Annotated[Path, typer.Option("--out", help="Output folder; calling again with it resumes.")] = Path(
        "out/demo"
    ),
    candidates: Annotated[int, typer.Option(min=1, help="About that many pictures with texts.")] = 3000,
    seed: Annotated[int, typer.Option(help="Which synthetic web.")] = 1,
    bundle: BundleOption = None,
    workers: Workers = None,
    state_dir: StateDir = None,
    serve: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS:PORT",
            help="Only draw the web and serve it there, for `pairmill job demo` on a cluster.",
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Build a dataset from a synthetic web and compare every candidate with the known truth.

    Needs no network and no download. Exits 1 where anything did not end as the truth says.

    Example: pairmill demo --out out/demo
    """
    from pairmill_models.bundle import load_bundle
    from pairmill_standalone.cli.run import execute, parse_workers, run_log, stop_unless_ended
    from pairmill_standalone.demo import parse_listen, prepare_demo, run_demo, serve_demo
    from pairmill_standalone.run_options import RunOptions
    from pairmill_standalone.workspace import open_workspace

    with errors_as_exits():
        chosen = bundle_or_tiny(bundle)
        model = load_bundle(chosen)
        workspace = open_workspace(out, state_dir)
        complain("drawing the synthetic web")
        world = prepare_demo(workspace, model, candidates=candidates, seed=seed)
        if serve:
            serve_demo(world, *parse_listen(serve), complain)
            return
        options = RunOptions(bundle=chosen, workers=parse_workers(workers or ()))
        with run_log(workspace):
            end = run_demo(workspace, world, model, options, execute)
        if end.comparison is None:
            stop_unless_ended(end.run, workspace, as_json=as_json)
            return
        _tell(end.run.state, end.comparison, workspace.out, as_json=as_json)


def comparison_facts(found: Comparison) -> dict[str, Any]:
    """Returns how a dataset differs from the truth as plain values."""
    return {
        "candidates": found.candidates,
        "as_the_truth_says": found.is_same,
        "differences": [str(each) for each in found.differences],
    }


def complain_of_differences(found: Comparison) -> None:
    """Writes the first differences to stderr."""
    for each in found.differences[:SHOWN_DIFFERENCES]:
        complain(str(each))


def _tell(state: str, found: Comparison, out: Path, *, as_json: bool) -> None:
    """Says how a demo ended, and exits 1 where anything did not end as the truth says."""
    from pairmill_standalone.cli.summary import print_summary

    if as_json:
        say_json({"state": state, **comparison_facts(found), "out": str(out)})
    else:
        print_summary(out, as_json=False)
        complain_of_differences(found)
        say(f"check    pairmill audit {out}")
        say(found.summary())
    answer(found.is_same)
