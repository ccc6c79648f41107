"""The command line of the stack. 0 done, 1 the answer is no, 2 something is missing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from deploy.local.composition import fetch_reader
from deploy.local.control import StackError, look, put_up, table, take_down
from deploy.local.demo import DemoOrder, run_demo
from deploy.local.errors import ComponentError, MissingToolError
from deploy.local.helm import fetch_helm, fetch_older_helm
from deploy.local.kafka import fetch_kafka
from deploy.local.layout import Layout
from deploy.local.prometheus import fetch_prometheus
from deploy.local.s3 import fetch_versitygw
from deploy.local.settings import STAGES, read_command_env
from deploy.local.stack import DEFAULT_MEMBERS, StackOptions
from deploy.local.triton import fetch_triton

_FETCHES: Final[dict[str, Callable[[], Path]]] = {
    "Kafka": fetch_kafka,
    "the S3 server": fetch_versitygw,
    "tritonserver": fetch_triton,
    "Prometheus": fetch_prometheus,
    "the reader of compositions": fetch_reader,
    "Helm": fetch_helm,
    "Helm 3": fetch_older_helm,
}


def main(arguments: Sequence[str]) -> int:
    """Does what the command line says; returns the exit code."""
    found = _parser().parse_args(arguments)
    layout = Layout(found.folder.absolute())
    try:
        return int(found.verb(layout, found))
    except StackError as error:
        _complain(str(error))
        return 1
    except MissingToolError as error:
        _complain(f"{error.what}; {error.remedy}")
        return 2
    except ComponentError as error:
        _complain(str(error))
        return 1
    except KeyboardInterrupt:
        _complain("interrupted; a stack that was up already stays up")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local",
        description="Kafka, an S3 server, tritonserver, Prometheus and all services on this machine.",
    )
    parser.add_argument("--folder", type=Path, default=Path("out/stack"), help="where the stack lives")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for name, verb, text in (
        ("up", _up, "start everything and wait until it is ready"),
        ("down", _down, "stop everything; only logs stay"),
        ("status", _status, "show each process; exit 1 unless all are ready"),
        ("compose", _compose, "write the keys and files that deploy/compose.yaml mounts"),
        ("fetch", _fetch, "fetch and build what the stack and the tests need"),
    ):
        added = verbs.add_parser(name, help=text)
        added.set_defaults(verb=verb)
        if verb is _up:
            added.add_argument(
                "--member",
                type=_member,
                action="append",
                default=[],
                metavar="SERVICE=N",
                help="so many",
            )
    demo = verbs.add_parser("demo", help="run the demo's job on the stack and on one machine, and compare")
    demo.add_argument("--out", type=Path, default=Path("out/demo-stack"), help="the run of one machine")
    demo.add_argument("--candidates", type=int, default=3000, help="about that many pictures with texts")
    demo.add_argument("--seed", type=int, default=1, help="which synthetic web")
    demo.set_defaults(verb=_demo)
    return parser


def _member(text: str) -> tuple[str, int]:
    """Returns a service and how many of it; argparse tells the user where it raises ValueError."""
    service, _, count = text.partition("=")
    if service not in (*STAGES, "indexer") or int(count) < 1:
        raise ValueError
    return service, int(count)


def _up(layout: Layout, found: argparse.Namespace) -> int:
    options = StackOptions(members={**DEFAULT_MEMBERS, **dict(found.member)}, leashed=False)
    made = put_up(layout, options, _say)
    _say("the stack is up" if made is not None else "the stack was up already")
    _say(table(look(layout)))
    _say(f"API: {read_command_env(layout.env)['PAIRMILL_TARGET']}, without TLS")
    if made is not None:
        at = made.addresses
        _say(f"explorer: http://{at.explorer}, log in with the token in {at.user_token_file}")
    _say(f"for pairmill on the command line: . {layout.env}")
    return 0


def _down(layout: Layout, _found: argparse.Namespace) -> int:
    was_up = take_down(layout, _say)
    _say(f"the stack is down; logs are in {layout.logs}" if was_up else "there is no stack")
    return 0


def _status(layout: Layout, _found: argparse.Namespace) -> int:
    members = look(layout)
    if not members:
        _say("there is no stack")
        return 1
    _say(table(members))
    return 0 if all(condition == "ready" for _, condition in members) else 1


def _demo(layout: Layout, found: argparse.Namespace) -> int:
    order = DemoOrder(out=found.out, candidates=found.candidates, seed=found.seed)
    same = run_demo(layout, order, _say)
    _say("the stack made the dataset of one machine" if same else "NOT the same dataset")
    return 0 if same else 1


def _compose(_layout: Layout, _found: argparse.Namespace) -> int:
    from deploy.local.compose_files import FOLDER, write_compose_files  # its certificates need an extra

    written = write_compose_files(FOLDER)
    _say(f"{FOLDER} is written" if written else f"{FOLDER} was there already")
    return 0


def _fetch(_layout: Layout, _found: argparse.Namespace) -> int:
    """Fetches what it can; a machine that lacks a tool is told, and goes without that component."""
    lacking = 0
    for name, fetch in _FETCHES.items():
        try:
            _say(f"{name}: {fetch()}")
        except MissingToolError as error:
            _complain(f"{name}: {error.what}; {error.remedy}")
            lacking += 1
    return 1 if lacking else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _complain(text: str) -> None:
    sys.stderr.write(text + "\n")
