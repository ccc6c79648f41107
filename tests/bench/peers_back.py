"""`clip-retrieval back` as its package has it, but for the model: run by the peers' interpreter.

Its modules are imported as they are; those that only models need are replaced by empty ones, since weights
cannot be loaded and queries come as vectors. It takes the options of `clip-retrieval back`.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any, Final

MODEL_MODULES: Final = (
    "torch",
    "torch.cuda",
    "torch.utils",
    "torch.utils.data",
    "torch.utils.data.dataloader",
    "all_clip",
    "sentence_transformers",
    "wandb",
    "braceexpand",
)


class Nothing(ModuleType):
    """A module that has every name, and nothing behind it."""

    __path__: Any = ()

    def __getattr__(self, name: str) -> Any:
        """Returns something that can be called."""
        if name.startswith("__"):
            raise AttributeError(name)
        return _nothing


def _nothing(*_arguments: object, **_options: object) -> Any:
    """Stands for `torch.cuda.is_available()` as well as for `load_clip(...)`, which gives three things."""
    return ()


class NoModel(Nothing):
    """Stands for `all_clip`."""

    def load_clip(self, *_arguments: object, **_options: object) -> tuple[None, None, None]:
        """Loads nothing: model, preprocessing, tokeniser."""
        return None, None, None


def main() -> None:
    """Serves until it is killed."""
    for name in MODEL_MODULES:
        sys.modules[name] = module = (NoModel if name == "all_clip" else Nothing)(name)
        parent, _, own = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], own, module)
    fire: Any = importlib.import_module("fire")
    back: Any = importlib.import_module("clip_retrieval.clip_back")
    fire.Fire(back.clip_back)


if __name__ == "__main__":
    main()
