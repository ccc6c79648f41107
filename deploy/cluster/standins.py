"""`python -m deploy.cluster.standins`: images of Kafka, the S3 server and Triton out of their parts.

They are for clusters that can pull no image. The parts are those that the stack on one machine runs.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local import kafka, s3
from deploy.local.commands import require, run
from deploy.local.errors import ComponentError
from deploy.local.triton import fetch_triton

RECIPES: Final = Path(__file__).resolve().parents[1] / "images" / "standin"
TRITON_VERSION: Final = "2.51.0"  # of the server in the wheel
_DOCKER: Final = "install Docker"


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """An image, and what of a fetched folder goes into it."""

    name: str
    version: str
    folder: Callable[[], Path]
    parts: tuple[str, ...]  # of the folder

    @property
    def image(self) -> str:
        """Name and tag."""
        return f"pairmill-{self.name}:{self.version}"


STANDINS: Final = (
    StandIn(name="kafka", version=kafka.VERSION, folder=lambda: kafka.fetch_kafka().parent, parts=("lib",)),
    StandIn(name="s3", version=s3.VERSION, folder=lambda: s3.fetch_versitygw().parent, parts=("versitygw",)),
    StandIn(name="triton", version=TRITON_VERSION, folder=fetch_triton, parts=("venv/lib", "backends")),
)


def build(standin: StandIn, flags: Sequence[str]) -> None:
    """Builds one image; `flags` are for `docker build`."""
    docker = require("docker", used_for="building images", remedy=_DOCKER)
    with tempfile.TemporaryDirectory(prefix="pairmill-standin-") as context:
        for part in standin.parts:
            _copy(standin.folder() / part, Path(context) / part)
        for script in RECIPES.glob(f"{standin.name}.sh"):
            shutil.copy(script, context)
        recipe = RECIPES / f"{standin.name}.Dockerfile"
        run([docker, "build", "--quiet", *flags, "--file", recipe, "--tag", standin.image, context])


def main(arguments: Sequence[str]) -> int:
    """Builds those that are named, by default Kafka and the S3 server; returns the exit code."""
    known = {standin.name: standin for standin in STANDINS}
    parser = argparse.ArgumentParser(
        prog="python -m deploy.cluster.standins",
        description="Builds images of servers; what is not known here goes to docker build.",
    )
    parser.add_argument("names", nargs="*", help=f"of {', '.join(known)}; kafka and s3 if none is named")
    parser.add_argument("--base", help="image that they are built on")
    found, flags = parser.parse_known_args(arguments)
    unknown = [name for name in found.names if name not in known]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}")
    base = [f"--build-arg=BASE={found.base}"] if found.base else []
    try:
        for name in found.names or ("kafka", "s3"):
            sys.stdout.write(f"{known[name].image}\n")
            build(known[name], [*base, *flags])
    except ComponentError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _copy(source: Path, target: Path) -> None:
    """Copies a file or a folder, links as what they lead to."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
