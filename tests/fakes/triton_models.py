"""Model repositories for a real tritonserver: of a bundle as it is, or with faults."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from pairmill_models.bundle import Bundle
from pairmill_models.triton_config import Backend, ServingOptions
from pairmill_models.triton_repository import write_repository

OPTIONS = ServingOptions(backend=Backend.PYTHON, max_batch=32, max_queue_delay_microseconds=1000)
REFUSED, SLOW, DEADLY = (1, 2, 3), (1, 2, 4), (1, 2, 5)
"""Colours of a picture's first pixel that make a faulty model refuse it, sleep over it, or die of it."""

SLOW_SECONDS = 2.0
FAULTS = Path(__file__).with_name("triton_faults.py")


def repository_of(bundle: Bundle, folder: Path, *, max_queue_size: int = 64) -> Path:
    """Writes a bundle's models for the Python backend and returns the repository."""
    write_repository(bundle, folder, replace(OPTIONS, max_queue_size=max_queue_size))
    return folder


def faulty_repository(
    bundle: Bundle, folder: Path, *, max_queue_size: int = 64, most_rows: int = 10**6, seconds: float = 0.0
) -> Path:
    """Writes models that have faults: they refuse more than so many rows, and take so long for each run."""
    repository_of(bundle, folder, max_queue_size=max_queue_size)
    for model in folder.iterdir():
        (model / "1" / "model.py").rename(model / "1" / "tower.py")
        shutil.copy(FAULTS, model / "1" / "model.py")
        set_parameters(
            model,
            most_rows=str(most_rows),
            seconds=str(seconds),
            slow_seconds=str(SLOW_SECONDS),
            refused=_text(REFUSED),
            slow=_text(SLOW),
            deadly=_text(DEADLY),
        )
    return folder


def set_parameters(model: Path, **parameters: str) -> None:
    """Adds parameters to a model's configuration, or replaces the values of those it has."""
    path = model / "config.pbtxt"
    text = path.read_text()
    for key, value in parameters.items():
        head, found, tail = text.partition(f'key: "{key}"')
        if found:
            _, _, after = tail.partition("}")
            text = f'{head}{found}\n  value {{\n    string_value: "{value}"\n  }}{after}'
        else:
            text += f'parameters {{\n  key: "{key}"\n  value {{\n    string_value: "{value}"\n  }}\n}}\n'
    path.write_text(text)


def _text(colour: tuple[int, ...]) -> str:
    return ",".join(map(str, colour))
