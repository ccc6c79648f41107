"""The models of a stack's tritonserver, replaced by ones that misbehave as they are told while a job runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from deploy.local.stack import Stack
from tests.fakes import provided

Tower = Literal["image", "text"]
Form = Literal["", "narrow", "flat", "double", "short", "long", "turned"]

TOWERS: Final[tuple[Tower, ...]] = ("image", "text")
_PROGRAM: Final = Path(provided.__file__).with_name("triton_orders.py")


@dataclass(frozen=True, slots=True)
class SpoiledModels:
    """What the models of both towers are told. They read it at each batch."""

    folders: dict[Tower, Path]

    def order(
        self,
        *towers: Tower,
        form: Form = "",
        refused: Sequence[str] = (),
        numberless: Sequence[str] = (),
        shuffled: bool = False,
    ) -> None:
        """Says what is wrong from now on with towers, by default with both.

        `form` is that of answers; `refused` and `numberless` name pictures by the SHA-256 of their pixels;
        `shuffled` has requests and rows worked on in another order, and answered late.
        """
        order = {"form": form, "refused": refused, "numberless": numberless, "shuffled": shuffled}
        for tower in towers or TOWERS:
            new = self.folders[tower] / "order.json.new"
            new.write_text(json.dumps({key: what for key, what in order.items() if what}))
            new.replace(self.folders[tower] / "order.json")

    def heal(self, *towers: Tower) -> None:
        """Has towers answer as they should, by default both."""
        self.order(*towers)

    def done(self, tower: Tower) -> list[str]:
        """Returns what a tower has done of that, a line each."""
        path = self.folders[tower] / "done.txt"
        return path.read_text().splitlines() if path.exists() else []


@contextmanager
def spoiled_models(stack: Stack) -> Iterator[SpoiledModels]:
    """Puts models that misbehave in place of the real ones, which are back at the end."""
    folders = {tower: _folder_of(stack, tower) for tower in TOWERS}
    models = SpoiledModels(folders)
    for folder in folders.values():
        (folder / "model.py").rename(folder / "tower.py")
        shutil.copy(_PROGRAM, folder / "model.py")
    models.heal()
    stack.triton.restart()
    try:
        yield models
    finally:
        for folder in folders.values():
            (folder / "tower.py").replace(folder / "model.py")
        stack.triton.restart()


def _folder_of(stack: Stack, tower: Tower) -> Path:
    (found,) = stack.triton.repository.glob(f"*_{tower}/1")
    return found
