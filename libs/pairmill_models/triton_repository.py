"""Writing a bundle into a Triton model repository, whole or not at all."""

from __future__ import annotations

import enum
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pairmill.errors import ConfigurationError
from pairmill_models.bundle import Bundle
from pairmill_models.triton_config import (
    VERSION,
    Backend,
    ServingOptions,
    TritonModel,
    config_text,
    triton_models,
)

CONFIG_NAME: Final = "config.pbtxt"
_PROGRAM: Final = Path(__file__).with_name("triton_python_model.py")


class Change(enum.Enum):
    """What became of a model's folder."""

    WRITTEN = "written"
    REPLACED = "replaced"  # other contents stood there
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenModel:
    """A model in a repository."""

    name: str
    folder: Path
    change: Change


def write_repository(
    bundle: Bundle, repository: Path, options: ServingOptions, *, overwrite: bool = False
) -> list[WrittenModel]:
    """Writes both towers as models and returns what became of each; other models there are left alone.

    A model appears whole or not at all, and a call that was cut off is made good by the next. Equal bundles
    and options give equal bytes. Raises ConfigurationError, having changed nothing, if the repository is no
    folder or holds one of the models with other contents and `overwrite` is not set.
    """
    if repository.exists() and not repository.is_dir():
        raise ConfigurationError(f"repository: {repository} is no folder; name another")
    repository.parent.mkdir(parents=True, exist_ok=True)
    scratch = repository.with_name(f".{repository.name}.part-{secrets.token_hex(4)}")
    try:
        drafts = [
            (_draft(bundle, model, options, scratch), repository / model.name)
            for model in triton_models(bundle)
        ]
        changes = [_change(draft, target, overwrite) for draft, target in drafts]
        repository.mkdir(exist_ok=True)
        for (draft, target), change in zip(drafts, changes, strict=True):
            _put(draft, target, change, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return [
        WrittenModel(name=target.name, folder=target, change=change)
        for (_, target), change in zip(drafts, changes, strict=True)
    ]


def _draft(bundle: Bundle, model: TritonModel, options: ServingOptions, scratch: Path) -> Path:
    """Writes a model's folder beside the repository, where no server looks, and returns it."""
    folder = scratch / model.name
    version = folder / VERSION
    version.mkdir(parents=True)
    (folder / CONFIG_NAME).write_text(config_text(model, options))
    for name in (model.graph, *model.weights):
        (version / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle.path(name), version / name)
    if options.backend is Backend.PYTHON:
        shutil.copyfile(_PROGRAM, version / "model.py")
    for path in folder.rglob("*"):
        if path.is_file():
            _flush(path)
    return folder


def _change(draft: Path, target: Path, overwrite: bool) -> Change:
    if not target.exists():
        return Change.WRITTEN
    if _contents(draft) == _contents(target):
        return Change.UNCHANGED
    if overwrite:
        return Change.REPLACED
    raise ConfigurationError(
        f"repository: {target} holds the same model with other settings or files; "
        "repeat with --overwrite to replace it, or name another repository"
    )


def _put(draft: Path, target: Path, change: Change, scratch: Path) -> None:
    if change is Change.UNCHANGED:
        return
    if change is Change.REPLACED:
        target.rename(scratch / f"{target.name}.old")
    draft.rename(target)
    _flush(target.parent)


def _contents(folder: Path) -> Mapping[str, str]:
    """Returns the SHA-256 of every file below a folder, by its path there; caches of Python left out."""
    return dict(_digests(folder))


def _digests(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            yield path.relative_to(folder).as_posix(), digest


def _flush(path: Path) -> None:
    """Makes a file's bytes, or a folder's names, outlast a crash of the machine."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
