"""Bringing images that were built here to the nodes of a cluster."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy.cluster.kubectl import ask
from deploy.cluster.settings import ClusterSettings
from deploy.local.commands import require, run
from deploy.local.errors import FetchError

_DOCKER = "install Docker, or bring the images to the cluster yourself"


def load_images(settings: ClusterSettings, images: Sequence[str], say: Callable[[str], None]) -> None:
    """Brings images to the cluster in one archive, so that what they share is in it once."""
    if not settings.loader:
        raise FetchError("IMAGE_LOADER is not set: the cluster has to pull its images itself")
    docker = require("docker", used_for="an archive of images", remedy=_DOCKER)
    with tempfile.TemporaryDirectory(prefix="pairmill-images-") as folder:
        archive = Path(folder) / "images.tar"
        say(f"saving {len(images)} images")
        run([docker, "save", "-o", archive, *images])
        say(f"bringing {archive.stat().st_size / 1e9:.1f} GB to the cluster: {' '.join(settings.loader)}")
        ask([*settings.loader, archive], settings, seconds=1800)


def images_of(rendered: str) -> list[str]:
    """Returns the images that objects name, each once."""
    lines = (line.strip().removeprefix("- ") for line in rendered.splitlines())
    named = (line.removeprefix("image:").strip().strip("\"'") for line in lines if line.startswith("image:"))
    return sorted(set(named))


def is_built(image: str) -> bool:
    """Whether the engine of this machine has an image."""
    docker = require("docker", used_for="an archive of images", remedy=_DOCKER)
    quiet = subprocess.DEVNULL
    done = subprocess.run([docker, "image", "inspect", image], stdout=quiet, stderr=quiet, check=False)
    return done.returncode == 0
