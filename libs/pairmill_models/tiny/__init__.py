"""The tiny CLIP: a real model of drawn scenes for tests and the demo, small enough to be committed."""

from __future__ import annotations

from pathlib import Path


def bundle_path() -> Path:
    """Returns the folder of the tiny CLIP's bundle."""
    return Path(__file__).parent / "bundle"
