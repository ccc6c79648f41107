"""The demo's job on the stack, compared with the same job on one machine without it (U0, U12)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.local.commands import own_environment, python_module
from deploy.local.control import Say, StackError, look, put_up
from deploy.local.errors import ComponentError
from deploy.local.layout import Layout
from deploy.local.settings import read_command_env
from deploy.local.stack import StackOptions, World
from deploy.local.train_files import differing_files, tars_in_bucket, tars_in_folder
from pairmill_standalone.demo import WEB_FOLDER
from pairmill_standalone.workspace import STATE_FOLDER
from pairmill_synthweb.prepare import FAILURES_FILE, PreparedWorld, open_world

CRAWL: Final = "DEMO"
WEB: Final = "web"  # the member that serves it
_CLOSE: Final = "close"
_SAME: Final = "the same"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOrder:
    """Which demo."""

    out: Path  # for the dataset of the machine alone, and the web of both
    candidates: int
    seed: int


def run_demo(layout: Layout, order: DemoOrder, say: Say) -> bool:
    """Runs the job on both and returns whether it gave the same; the stack is left up to look at."""
    say("== the embedded run")
    alone = order.out.absolute()
    size = ("--candidates", order.candidates, "--seed", order.seed)
    if _pairmill("demo", "--out", alone, *size) != 0:
        raise ComponentError("the embedded demo did not end as it should; nothing to compare with")
    world = open_world(alone / STATE_FOLDER / WEB_FOLDER)
    say("== the stack")
    _put_up_over(world, layout, order, say)
    env = read_command_env(layout.env)
    say("== the same job on the stack")
    job = _submit(world, env)
    say(f"{job['job_id']} is {job['state']}: {job['dataset']}")
    say("== comparing")
    checks = _compare(alone, str(job["dataset"]), env)
    for what, answer in checks.items():
        say(f"{what:<28} {answer}")
    _say_where(layout, str(job["dataset"]), say)
    return job["state"] in ("complete", "incomplete") and set(checks.values()) <= {_CLOSE, _SAME}


def _put_up_over(world: PreparedWorld, layout: Layout, order: DemoOrder, say: Say) -> None:
    """Starts the stack with the web; one that is up has to be over the same web."""
    marked = layout.data / "web.json"
    wanted = {"folder": str(world.folder), "candidates": order.candidates, "seed": order.seed}
    if look(layout):
        if not marked.exists() or json.loads(marked.read_text()) != wanted:
            raise StackError("a stack is up that knows nothing of this web; take it down first")
    else:
        (world.folder / FAILURES_FILE).unlink(missing_ok=True)  # what has healed fails again
    web = World(folder=world.folder, candidates=order.candidates, seed=order.seed)
    if put_up(layout, StackOptions(world=web, leashed=False), say) is not None:
        marked.write_text(json.dumps(wanted))


def _submit(world: PreparedWorld, env: Mapping[str, str]) -> dict[str, Any]:
    """Submits the embedded run's request, all of it, and follows the job to its end."""
    arguments: list[object] = ["job", "submit", "--crawl", CRAWL, "--watch", "--json"]
    for wat in world.wats:
        arguments += ["--wat", wat]
    for name, value in world.settings.items():
        arguments += ["--set", f"{name}={value}"]
    done = subprocess.run(
        python_module("pairmill_standalone", *arguments),
        env={**own_environment(), **env},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise ComponentError(f"the job was not taken: {done.stdout or f'exit code {done.returncode}'}")
    job: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return job


def _compare(alone: Path, dataset: str, env: Mapping[str, str]) -> dict[str, str]:
    """Returns what was compared and what came out."""
    return {
        "books of the bucket": _answer(_pairmill("audit", dataset, env=env), _CLOSE),
        "pairmill diff": _answer(_pairmill("diff", alone, dataset, env=env), _SAME),
        "train/*.tar byte by byte": _train(alone, dataset, env),
    }


def _answer(code: int, good: str) -> str:
    return good if code == 0 else f"NOT so (exit code {code})"


def _train(alone: Path, dataset: str, env: Mapping[str, str]) -> str:
    mine, theirs = tars_in_folder(alone), tars_in_bucket(dataset, env)
    differing = differing_files(mine, theirs)
    if not mine:
        return "NOT there"
    return _SAME if not differing else f"NOT so: {', '.join(differing)}"


def _say_where(layout: Layout, dataset: str, say: Callable[[str], None]) -> None:
    addresses = {member.name: member.address for member, _ in look(layout)}
    say(f"dataset      {dataset}")
    say(f"Prometheus   http://{addresses['prometheus']}")
    say(f"logs         {layout.logs}")
    say(f"to call it   . {layout.env}; pairmill job list; pairmill audit {dataset}")
    say("to stop it   make stack-down")


def _pairmill(*arguments: object, env: Mapping[str, str] | None = None) -> int:
    """Runs the command with its output shown; returns its exit code."""
    command = python_module("pairmill_standalone", *arguments)
    return subprocess.run(command, env={**own_environment(), **(env or {})}, check=False).returncode
