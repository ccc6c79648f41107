"""`pairmill subset`: recipes of subsets, what they cut, and exports."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pairmill import __version__
from pairmill.clock import SystemClock
from pairmill.errors import ConfigurationError
from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectStore
from pairmill.telemetry.logs import logging_to
from pairmill_standalone.cli.exits import Exit, answer, complain, errors_as_exits, say, say_json
from pairmill_standalone.cli.options import Json, Place
from pairmill_standalone.cli.places import opened_place
from pairmill_standalone.cli.subset_recipe import (
    Cosine,
    DefaultWeight,
    Description,
    GroupBy,
    Images,
    Like,
    MaxPerGroup,
    MaxResults,
    MinScore,
    ModalityOption,
    OnePerCluster,
    RecipeFile,
    Seed,
    Size,
    Texts,
    Weights,
    Where,
    recipe_of,
)
from pairmill_standalone.cli.subset_view import (
    export_facts,
    follow,
    print_difference,
    print_export,
    print_exports,
    print_preview,
    print_subsets,
    subset_facts,
    trouble_of,
)
from pairmill_standalone.workspace import STATE_FOLDER

if TYPE_CHECKING:
    from pairmill_explorer.subsets.desk import SubsetDesk

subset_app = typer.Typer(
    no_args_is_help=True, help="Subsets of a dataset: recipes, what they cut, and exports."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the recipe.")]
Revision = Annotated[int | None, typer.Option(min=1, help="An earlier revision; the last one if not given.")]
Bundle = Annotated[
    Path | None, typer.Option("--bundle", help="The dataset's model bundle, for queries by text or image.")
]
Scratch = Annotated[
    Path | None,
    typer.Option("--scratch", help="Folder that keeps copies of an index in a bucket from call to call."),
]


@subset_app.command()
def create(
    place: Place,
    name: Name,
    text: Texts = None,
    image: Images = None,
    like: Like = None,
    modality: ModalityOption = "image",
    min_score: MinScore = None,
    max_results: MaxResults = None,
    where: Where = None,
    one_per_cluster: OnePerCluster = False,
    cosine: Cosine = None,
    group_by: GroupBy = "",
    max_per_group: MaxPerGroup = None,
    weight: Weights = None,
    default_weight: DefaultWeight = None,
    size: Size = None,
    seed: Seed = 0,
    description: Description = "",
    recipe: RecipeFile = None,
    scratch: Scratch = None,
    as_json: Json = False,
) -> None:
    """Save a recipe under a name; a name that is taken gets a new revision.

    Example: pairmill subset create out/first cats --text "a cat" --min-score 0.25 --where verdicts=kept

    Example: pairmill subset create out/first even --where verdicts=kept --group-by host --max-per-group 50
    """
    from pairmill_protos.explorer.v1.subset_service_pb2 import SaveSubsetRequest

    with _refusals(), _desk(place, scratch) as desk:
        wanted = recipe_of(
            name,
            recipe,
            texts=text,
            images=image,
            like=like,
            modality=modality,
            min_score=min_score,
            max_results=max_results,
            where=where,
            one_per_cluster=one_per_cluster,
            cosine=cosine,
            group_by=group_by,
            max_per_group=max_per_group,
            weights=weight,
            default_weight=default_weight,
            size=size,
            seed=seed,
            description=description,
        )
        saved = desk.save_subset(SaveSubsetRequest(recipe=wanted)).subset
        if as_json:
            say_json(subset_facts(saved))
        else:
            say(f"{saved.recipe.name}, revision {saved.revision}")


@subset_app.command("list")
def list_subsets(
    place: Place,
    exports: Annotated[bool, typer.Option("--exports", help="List exports, the newest first.")] = False,
    scratch: Scratch = None,
    as_json: Json = False,
) -> None:
    """List recipes, or exports.

    Example: pairmill subset list out/first --exports
    """
    from pairmill_protos.explorer.v1.subset_service_pb2 import ListExportsRequest, ListSubsetsRequest

    with _refusals(), _desk(place, scratch) as desk:
        if exports:
            found = desk.list_exports(ListExportsRequest()).exports
            if as_json:
                say_json([export_facts(one) for one in found])
            else:
                print_exports(found)
            return
        subsets = desk.list_subsets(ListSubsetsRequest()).subsets
        if as_json:
            say_json([subset_facts(one) for one in subsets])
        else:
            print_subsets(subsets)


@subset_app.command()
def preview(
    place: Place,
    name: Name,
    revision: Revision = None,
    bundle: Bundle = None,
    scratch: Scratch = None,
    as_json: Json = False,
) -> None:
    """Say how many samples and bytes a recipe cuts now, and how long an export would take.

    Example: pairmill subset preview out/first cats
    """
    from pairmill_protos.explorer.v1.subset_service_pb2 import GetSubsetRequest, PreviewSubsetRequest

    with _refusals(), _desk(place, scratch, bundle) as desk:
        subset = desk.get_subset(GetSubsetRequest(name=name, revision=revision)).subset
        found = desk.preview_subset(PreviewSubsetRequest(recipe=subset.recipe))
        print_preview(found, as_json=as_json)


@subset_app.command()
def export(
    place: Place,
    name: Name,
    form: Annotated[
        str, typer.Option("--format", help="webdataset, parquet, ids or urls.", show_default=True)
    ] = "webdataset",
    shard_samples: Annotated[
        int | None, typer.Option(help="Samples per shard or file, 100 to 1,000,000; 10,000 if not given.")
    ] = None,
    revision: Revision = None,
    bundle: Bundle = None,
    scratch: Scratch = None,
    as_json: Json = False,
) -> None:
    """Write what a recipe cuts now; the same call again goes on, or finds it complete.

    Nothing is fetched again: shards are put together from stored ones.

    Example: pairmill subset export out/first cats --format webdataset
    """
    from pairmill_protos.explorer.v1.subset_service_pb2 import ExportFormat, StartExportRequest

    with _refusals(), _desk(place, scratch, bundle) as desk:
        code = f"EXPORT_FORMAT_{form.upper()}"
        if code not in dict(ExportFormat.items()) or not ExportFormat.Value(code):
            raise ConfigurationError(f"--format: {form!r} is unknown; give webdataset, parquet, ids or urls")
        request = StartExportRequest(
            name=name, revision=revision, format=ExportFormat.Value(code), shard_samples=shard_samples
        )
        started = desk.start_export(request).export
        ended = follow(desk, started, SystemClock())
        if as_json:
            say_json(export_facts(ended))
        else:
            print_export(ended, place)
        answer(not trouble_of(ended))


@subset_app.command()
def diff(
    place: Place,
    old: Annotated[str, typer.Argument(metavar="OLD", help="Id of the older export.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Id of the newer one.")],
    examples: Annotated[int, typer.Option(min=0, max=1000, help="Ids to show of each side.")] = 20,
    scratch: Scratch = None,
    as_json: Json = False,
) -> None:
    """Say what two exports have and have not in common. Exits 1 where they differ.

    Ids of exports are what `pairmill subset list DIR --exports` shows.

    Example: pairmill subset diff out/first 07149da1b328338fd79306c0 6ece256c7a8cfc4515880ed8
    """
    from pairmill_protos.explorer.v1.subset_service_pb2 import DiffExportsRequest

    with _refusals(), _desk(place, scratch) as desk:
        request = DiffExportsRequest(old_export_id=old, new_export_id=new, examples=examples)
        found = desk.diff_exports(request)
        print_difference(found, as_json=as_json)
        answer(not found.added and not found.removed)


@contextmanager
def _refusals() -> Iterator[None]:
    """Turns what is wrong with a request into exit code 2, all else as other verbs do."""
    from pairmill_explorer.errors import RequestError

    with errors_as_exits():
        try:
            yield
        except RequestError as error:
            complain(str(error))
            raise typer.Exit(Exit.WRONG_REQUEST) from error


@contextmanager
def _desk(place: str, scratch: Path | None, bundle: Path | None = None) -> Iterator[SubsetDesk]:
    """Gives what answers about the subsets of a dataset in a folder or bucket."""
    from pairmill_explorer.subsets.open import opened_subsets

    with ExitStack() as stack:
        where = stack.enter_context(opened_place(place))
        store: ObjectStore
        if isinstance(where, Path):
            store = stack.enter_context(DirectoryStore(where))
            kept = scratch or where / STATE_FOLDER / "subsets"
        else:
            store = where
            kept = scratch or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pairmill-")))
        bundles = [bundle] if bundle is not None else []
        # errors alone, and to stderr: stdout holds the answer
        stack.enter_context(logging_to(sys.stderr, "error", service="subset", version=__version__))
        yield stack.enter_context(opened_subsets(store, kept, bundles=bundles))
