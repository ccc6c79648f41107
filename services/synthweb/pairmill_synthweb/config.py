"""What a synthetic web on its own is told on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pairmill_models.tiny import bundle_path
from pairmill_synthweb.plan import DEFAULT_CANDIDATES, DEFAULT_SEED, DEFAULT_WATS


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthwebConfig:
    """Which web to serve, and where."""

    world: Path  # folder of the world; made where there is none
    bundle: Path  # model that the truth is found with
    candidates: int = DEFAULT_CANDIDATES  # size of a world that is made
    seed: int = DEFAULT_SEED  # of a world that is made
    wats: int = DEFAULT_WATS  # of a world that is made
    port: int = 0  # on loopback; 0 takes any free one
    journal: Path | None = None  # where to leave at the end who asked what, as JSON
    watch_stdin: bool = False  # end when standard input ends: whoever started it is gone

    @classmethod
    def from_arguments(cls, arguments: Sequence[str]) -> SynthwebConfig:
        """Returns what a command line says; ends the process with 2 where it is wrong."""
        found = _parser().parse_args(arguments)
        return cls(**vars(found))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pairmill_synthweb",
        description="Serves a synthetic web with a known truth until it is interrupted.",
    )
    parser.add_argument("--world", type=Path, required=True, help="folder of the world; made if absent")
    parser.add_argument("--bundle", type=Path, default=bundle_path(), help="model bundle for the truth")
    parser.add_argument("--candidates", type=int, default=DEFAULT_CANDIDATES, help="size of a new world")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="seed of a new world")
    parser.add_argument("--wats", type=int, default=DEFAULT_WATS, help="number of WATs of a new world")
    parser.add_argument("--port", type=int, default=0, help="port on loopback; 0 takes any free one")
    parser.add_argument("--journal", type=Path, help="file for a JSON of who asked what")
    parser.add_argument("--watch-stdin", action="store_true", help="end when standard input ends")
    return parser
