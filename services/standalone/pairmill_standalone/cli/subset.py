"""`pairmill subset`: recipes of subsets, what they cut, and exports."""

from __future__ import annotations

from typing import Annotated

import typer

from pairmill.clock import SystemClock
from pairmill.errors import ConfigurationError
from pairmill_protos.explorer.v1.subset_service_pb2 import (
    CancelExportRequest,
    DiffExportsRequest,
    Export,
    ExportFormat,
    GetSubsetRequest,
    ListExportsRequest,
    ListSubsetsRequest,
    PreviewSubsetRequest,
    SaveSubsetRequest,
    StartExportRequest,
)
from pairmill_standalone.cli.exits import Exit, answer, complain, say, say_json
from pairmill_standalone.cli.options import Json
from pairmill_standalone.cli.subset_place import Asked, with_subsets
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
    state_word,
    subset_facts,
    trouble_of,
)

subset_app = typer.Typer(
    no_args_is_help=True,
    help="Subsets of a dataset: recipes, what they cut, and exports; here, or at an explorer (--target).",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the recipe.")]
Revision = Annotated[int | None, typer.Option(min=1, help="An earlier revision; the last one if not given.")]


@subset_app.command()
@with_subsets()
def create(
    asked: Asked,
    name: Name,
    text: Texts = None,
    image: Images = None,
    like: Like = None,
    modality: ModalityOption = None,
    min_score: MinScore = None,
    max_results: MaxResults = None,
    where: Where = None,
    one_per_cluster: OnePerCluster = False,
    cosine: Cosine = None,
    group_by: GroupBy = None,
    max_per_group: MaxPerGroup = None,
    weight: Weights = None,
    default_weight: DefaultWeight = None,
    size: Size = None,
    seed: Seed = None,
    description: Description = None,
    recipe: RecipeFile = None,
    as_json: Json = False,
) -> None:
    """Save a recipe under a name; a name that is taken gets a new revision.

    Example: pairmill subset create out/first cats --text "a cat" --min-score 0.25 --where verdicts=kept

    Example: pairmill subset create out/first even --where verdicts=kept --group-by host --max-per-group 50
    """
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
    saved = asked.subsets.save_subset(SaveSubsetRequest(recipe=wanted)).subset
    if as_json:
        say_json(subset_facts(saved))
    else:
        say(f"{saved.recipe.name}, revision {saved.revision}")


@subset_app.command("list")
@with_subsets()
def list_subsets(
    asked: Asked,
    exports: Annotated[bool, typer.Option("--exports", help="List exports, the newest first.")] = False,
    as_json: Json = False,
) -> None:
    """List recipes, or exports.

    Example: pairmill subset list out/first --exports
    """
    if exports:
        found = asked.subsets.list_exports(ListExportsRequest()).exports
        if as_json:
            say_json([export_facts(one) for one in found])
        else:
            print_exports(found)
        return
    subsets = asked.subsets.list_subsets(ListSubsetsRequest()).subsets
    if as_json:
        say_json([subset_facts(one) for one in subsets])
    else:
        print_subsets(subsets)


@subset_app.command()
@with_subsets(encodes=True)
def preview(asked: Asked, name: Name, revision: Revision = None, as_json: Json = False) -> None:
    """Say how many samples and bytes a recipe cuts now, and how long an export would take.

    Example: pairmill subset preview out/first cats
    """
    subset = asked.subsets.get_subset(GetSubsetRequest(name=name, revision=revision)).subset
    found = asked.subsets.preview_subset(PreviewSubsetRequest(recipe=subset.recipe))
    print_preview(found, as_json=as_json)


@subset_app.command()
@with_subsets(encodes=True)
def export(
    asked: Asked,
    name: Name,
    form: Annotated[
        str, typer.Option("--format", help="webdataset, parquet, ids or urls.", show_default=True)
    ] = "webdataset",
    shard_samples: Annotated[
        int | None, typer.Option(help="Samples per shard or file, 100 to 1,000,000; 10,000 if not given.")
    ] = None,
    revision: Revision = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Follow the export to its end; without --target that is always so."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Write what a recipe cuts now; the same call again goes on, or finds it complete.

    Nothing is fetched again: shards are put together from stored ones. An explorer (--target) goes on with
    an export whoever watches it; with --watch the call ends as the export did.

    Example: pairmill subset export out/first cats --format webdataset

    Example: pairmill subset export first cats --target explorer:7701 --watch
    """
    request = StartExportRequest(
        name=name, revision=revision, format=_format(form), shard_samples=shard_samples
    )
    started = asked.subsets.start_export(request).export
    if asked.is_elsewhere and not watch:
        _tell_started(started, as_json=as_json)
        return
    ended = _followed(asked, started)
    if as_json:
        say_json(export_facts(ended))
    else:
        print_export(ended, asked.place)
    answer(not trouble_of(ended))


@subset_app.command()
@with_subsets()
def cancel(
    asked: Asked,
    export_id: Annotated[str, typer.Argument(metavar="EXPORT", help="Id of the export.")],
    as_json: Json = False,
) -> None:
    """End an export and remove what it wrote, also one that is complete or has failed.

    Ids of exports are what `pairmill subset list DIR --exports` shows.

    Example: pairmill subset cancel out/first 07149da1b328338fd79306c0
    """
    cancelled = asked.subsets.cancel_export(CancelExportRequest(export_id=export_id)).export
    if as_json:
        say_json(export_facts(cancelled))
    else:
        say(f"export {cancelled.export_id}: {state_word(cancelled)}")


@subset_app.command()
@with_subsets()
def diff(
    asked: Asked,
    old: Annotated[str, typer.Argument(metavar="OLD", help="Id of the older export.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Id of the newer one.")],
    examples: Annotated[int, typer.Option(min=0, max=1000, help="Ids to show of each side.")] = 20,
    as_json: Json = False,
) -> None:
    """Say what two exports have and have not in common. Exits 1 where they differ.

    Ids of exports are what `pairmill subset list DIR --exports` shows.

    Example: pairmill subset diff out/first 07149da1b328338fd79306c0 6ece256c7a8cfc4515880ed8
    """
    request = DiffExportsRequest(old_export_id=old, new_export_id=new, examples=examples)
    found = asked.subsets.diff_exports(request)
    print_difference(found, as_json=as_json)
    answer(not found.added and not found.removed)


def _format(name: str) -> ExportFormat.ValueType:
    code = f"EXPORT_FORMAT_{name.upper()}"
    if code not in dict(ExportFormat.items()) or not ExportFormat.Value(code):
        raise ConfigurationError(f"--format: {name!r} is unknown; give webdataset, parquet, ids or urls")
    return ExportFormat.Value(code)


def _tell_started(export: Export, *, as_json: bool) -> None:
    if as_json:
        say_json(export_facts(export))
        return
    complain(f"{state_word(export)}; the same call with --watch follows it")
    say(export.export_id)


def _followed(asked: Asked, export: Export) -> Export:
    """Shows an export until it has ended; one at an explorer goes on when the watch is broken off."""
    try:
        return follow(asked.subsets, export, SystemClock())
    except KeyboardInterrupt as error:
        if not asked.is_elsewhere:
            raise
        complain(f"interrupted; export {export.export_id} goes on, the same call shows it again")
        raise typer.Exit(Exit.INTERRUPTED) from error
