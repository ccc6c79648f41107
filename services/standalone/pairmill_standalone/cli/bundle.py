"""`pairmill bundle`: what a model bundle is, whether it works, and how Triton serves it."""

from __future__ import annotations

import enum
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from pairmill_standalone.cli.exits import answer, complain, errors_as_exits, say, say_json
from pairmill_standalone.cli.options import Json, bundle_or_tiny
from pairmill_standalone.cli.places import opened_place

bundle_app = typer.Typer(
    no_args_is_help=True, help="What a model bundle is, whether it works, and how Triton serves it."
)

TINY: Final = "tiny"
"""Stands for the bundle that ships with Pairmill where a path is wanted."""

BundleArgument = Annotated[
    Path | None,
    typer.Argument(metavar="BUNDLE", help="Folder of the bundle; the tiny CLIP if not given."),
]


@bundle_app.command()
def inspect(bundle: BundleArgument = None, as_json: Json = False) -> None:
    """Show what a bundle holds; every file is compared with its checksum.

    Example: pairmill bundle inspect models/vit-b-32
    """
    from pairmill_models.bundle import load_bundle

    with errors_as_exits():
        found = load_bundle(bundle_or_tiny(bundle))
        facts: dict[str, Any] = {"digest": found.digest, **asdict(found.card)}
        facts["files"] = {name: asdict(file) for name, file in sorted(found.files.items())}
        if as_json:
            say_json(facts)
            return
        table = Table(show_header=False, box=None)
        for name, value in facts.items():
            if name != "files":
                table.add_row(name, _shown(value))
        for name, file in facts["files"].items():
            table.add_row(f"file {name}", f"{file['bytes']:,} bytes")
        Console().print(table)


@bundle_app.command()
def check(bundle: BundleArgument = None, as_json: Json = False) -> None:
    """Run a bundle's model over inputs whose answers are known.

    Exits 1 where it answers otherwise, 2 where a file is missing or damaged.

    Example: pairmill bundle check models/vit-b-32
    """
    from pairmill_models.bundle import load_bundle
    from pairmill_models.check import BundleCheckError, check_bundle
    from pairmill_models.heads import OnnxHeads
    from pairmill_models.onnx_embedder import OnnxEmbedder

    with errors_as_exits():
        found = load_bundle(bundle_or_tiny(bundle))
        embedder = OnnxEmbedder(found)
        try:
            check_bundle(found, embedder, OnnxHeads(found))
            problems: list[str] = []
        except BundleCheckError as error:
            problems = str(error).splitlines()
        finally:
            embedder.close()
        if as_json:
            say_json({"works": not problems, "digest": found.digest, "problems": problems})
        elif problems:
            complain("\n".join(problems))
        else:
            say(f"{found.name} {found.revision} ({found.digest[:12]}): it gives the known answers")
        answer(not problems)


@bundle_app.command()
def fetch(
    source: Annotated[
        str, typer.Argument(metavar="FROM", help="s3://bucket/prefix or folder of a bundle, or `tiny`.")
    ],
    folder: Annotated[Path, typer.Argument(metavar="TO", help="Folder that it is to be in.")],
    digest: Annotated[str, typer.Option(help="Digest that it has to have; any if not given.")] = "",
) -> None:
    """Bring a bundle to a folder: every file is compared with its checksum, and all are there or none.

    One that is there already is only checked. How S3 is reached stands in PAIRMILL_S3__….

    Example: pairmill bundle fetch s3://models/bundles/vit-b-32 /bundles/vit-b-32
    """
    from pairmill_models.bundle_fetch import copy_bundle, fetch_bundle

    with errors_as_exits():
        place = source if not _is_tiny(Path(source)) else str(bundle_or_tiny(None))
        with opened_place(place) as opened:
            if isinstance(opened, Path):
                found = copy_bundle(opened, folder, wanted_digest=digest)
            else:
                found = fetch_bundle(opened, folder, wanted_digest=digest)
        say(f"{folder}: {found.name} {found.revision} ({found.digest[:12]})")


class BackendName(enum.StrEnum):
    """Backends of Triton."""

    ONNXRUNTIME = "onnxruntime"
    PYTHON = "python"


@bundle_app.command()
def triton(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of the bundle, or `tiny`.")],
    repository: Annotated[Path, typer.Argument(metavar="REPO", help="Model repository; made if absent.")],
    backend: Annotated[
        BackendName,
        typer.Option(help="onnxruntime: on GPUs. python: onnxruntime on CPU cores, by a small model.py."),
    ] = BackendName.ONNXRUNTIME,
    tensorrt: Annotated[
        bool, typer.Option("--tensorrt", help="Let the backend onnxruntime use TensorRT.")
    ] = False,
    instances: Annotated[int, typer.Option(help="Instances of each model, per GPU.")] = 1,
    max_batch: Annotated[int, typer.Option(help="Most rows that are run together.")] = 128,
    max_queue_delay_us: Annotated[
        int, typer.Option(help="Microseconds that a row waits for company.")
    ] = 5000,
    max_queue_size: Annotated[
        int, typer.Option(help="Requests that may wait; further ones are rejected and come again.")
    ] = 64,
    threads: Annotated[int, typer.Option(help="CPU cores that one instance uses.")] = 1,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace models that stand there with other settings.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a bundle into a Triton model repository: one model per tower, beside those of other bundles.

    Inference processes are then started with PAIRMILL_TRITON_TARGET=HOST:PORT and the same bundle.

    Example: pairmill bundle triton models/vit-b-32 /srv/models --backend onnxruntime --instances 2
    """
    from pairmill_models.bundle import load_bundle
    from pairmill_models.triton_config import Backend, ServingOptions
    from pairmill_models.triton_repository import write_repository

    with errors_as_exits():
        found = load_bundle(bundle_or_tiny(None if _is_tiny(bundle) else bundle))
        options = ServingOptions(
            backend=Backend(backend.value),
            tensorrt=tensorrt,
            instances=instances,
            max_batch=max_batch,
            max_queue_delay_microseconds=max_queue_delay_us,
            max_queue_size=max_queue_size,
            threads=threads,
        )
        models = write_repository(found, repository, options, overwrite=overwrite)
        if as_json:
            written = [{"name": model.name, "change": model.change.value} for model in models]
            say_json({"repository": str(repository), "digest": found.digest, "models": written})
            return
        for model in models:
            say(f"{model.name}: {model.change.value}")


def _is_tiny(bundle: Path) -> bool:
    return str(bundle) == TINY and not bundle.exists()


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(part)}" for name, part in value.items() if part is not None)
    if isinstance(value, list | tuple):
        return "; ".join(_shown(part) for part in value)
    return str(value)
