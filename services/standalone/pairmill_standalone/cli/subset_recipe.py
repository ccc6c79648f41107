"""From options to a recipe."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pairmill.errors import ConfigurationError

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from pairmill_protos.explorer.v1.search_pb2 import Filters
    from pairmill_protos.explorer.v1.subset_service_pb2 import Recipe

_WORD: Final = 2**63

Texts = Annotated[list[str] | None, typer.Option("--text", help="Search by text. Repeatable.")]
Images = Annotated[list[Path] | None, typer.Option("--image", help="Search by an image file. Repeatable.")]
Like = Annotated[
    list[str] | None, typer.Option("--like", metavar="ID", help="Search by a sample of the dataset.")
]
ModalityOption = Annotated[
    str | None, typer.Option("--modality", help="Which embeddings: image or text; image if not given.")
]
MinScore = Annotated[float | None, typer.Option(help="Smallest cosine with the query.")]
MaxResults = Annotated[int | None, typer.Option(max=_WORD - 1, help="Most results of the query.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="FIELD=VALUE",
        help="A filter: languages=en,de, similarity=0.3.., width=256..1024, text_contains=cat. Repeatable.",
    ),
]
OnePerCluster = Annotated[
    bool, typer.Option("--one-per-cluster", help="Of copies and near-duplicates take one.")
]
Cosine = Annotated[
    float | None, typer.Option("--unlike", help="Leave out results whose cosine with a nearer one is above.")
]
GroupBy = Annotated[str | None, typer.Option(help="language, bucket, host, crawl, licence or cluster_id.")]
MaxPerGroup = Annotated[int | None, typer.Option(max=_WORD - 1, help="Most samples of one group.")]
Weights = Annotated[
    list[str] | None,
    typer.Option("--weight", metavar="VALUE=SHARE", help="Share of a group, 0 to 1. Repeatable."),
]
DefaultWeight = Annotated[float | None, typer.Option(help="Share of all other groups.")]
Size = Annotated[int | None, typer.Option(max=_WORD - 1, help="Most samples, drawn by seed.")]
Seed = Annotated[
    int | None, typer.Option(min=-_WORD, max=_WORD - 1, help="Of all random choices; 0 if not given.")
]
Description = Annotated[str | None, typer.Option(help="What the subset is for.")]
RecipeFile = Annotated[
    Path | None,
    typer.Option("--recipe", metavar="FILE", help="A recipe as JSON; the options above are set in it."),
]

_SPAN: Final = ".."


def recipe_of(
    name: str,
    file: Path | None,
    *,
    texts: Sequence[str] | None,
    images: Sequence[Path] | None,
    like: Sequence[str] | None,
    modality: str | None,
    min_score: float | None,
    max_results: int | None,
    where: Sequence[str] | None,
    one_per_cluster: bool,
    cosine: float | None,
    group_by: str | None,
    max_per_group: int | None,
    weights: Sequence[str] | None,
    default_weight: float | None,
    size: int | None,
    seed: int | None,
    description: str | None,
) -> Recipe:
    """Returns the recipe that options ask for; raises ConfigurationError naming an option.

    An option that is not given leaves what stands in `file`.
    """
    from pairmill_protos.explorer.v1.search_pb2 import Modality, QueryPart

    recipe = _read(file)
    recipe.name = name
    recipe.parts.extend(QueryPart(text=text) for text in texts or ())
    recipe.parts.extend(QueryPart(image=path.read_bytes()) for path in images or ())
    recipe.parts.extend(QueryPart(sample_id=sample) for sample in like or ())
    if modality not in (None, "image", "text"):
        raise ConfigurationError(f"--modality: {modality!r} is neither image nor text")
    if modality is not None:
        recipe.modality = Modality.Value(f"MODALITY_{modality.upper()}")
    _set(recipe, min_score=min_score, max_results=max_results, size=size, seed=seed, description=description)
    for assignment in where or ():
        add_filter(recipe.filters, assignment)
    if one_per_cluster:
        recipe.collapse.phash_distance = 0
    _set(recipe.collapse if cosine is not None else None, cosine=cosine)
    sampled = group_by is not None or weights or max_per_group is not None or default_weight is not None
    if sampled:
        _set(
            recipe.sampling,
            group_by=group_by,
            max_per_group=max_per_group,
            default_weight=default_weight,
        )
        for weight in weights or ():
            value, _, share = weight.rpartition("=")
            recipe.sampling.weights[value] = _number(share, "--weight")
    return recipe


def add_filter(filters: Filters, assignment: str) -> None:
    """Sets the field of filters that `FIELD=VALUE` names; raises ConfigurationError for what is none."""
    from pairmill_protos.explorer.v1.search_pb2 import SafeMode

    name, found, value = assignment.partition("=")
    field = filters.DESCRIPTOR.fields_by_name.get(name)
    if field is None or not found:
        known = ", ".join(one.name for one in filters.DESCRIPTOR.fields)
        raise ConfigurationError(f"--where: {assignment!r} is no filter; FIELD=VALUE, FIELD one of {known}")
    if name == "safe_mode":
        code = f"SAFE_MODE_{value.upper()}"
        if code not in dict(SafeMode.items()):
            raise ConfigurationError(f"--where: safe_mode is hide or show, not {value!r}")
        filters.safe_mode = SafeMode.Value(code)
    elif name == "fetched_at":
        low, high = _span(value, assignment)
        if low:
            getattr(filters.fetched_at, "from").CopyFrom(_time(low))
        if high:
            filters.fetched_at.before.CopyFrom(_time(high))
    elif field.message_type is not None:
        low, high = _span(value, assignment)
        _set(
            getattr(filters, name),
            min=_number(low, assignment) if low else None,
            max=_number(high, assignment) if high else None,
        )
    elif isinstance(getattr(filters, name), str):
        setattr(filters, name, value)
    else:
        getattr(filters, name).extend(value.split(","))


def _read(file: Path | None) -> Recipe:
    from pairmill.errors import InvalidRecordError
    from pairmill_explorer.subsets.recipe import recipe_from_json
    from pairmill_protos.explorer.v1.subset_service_pb2 import Recipe

    if file is None:
        return Recipe()
    try:
        return recipe_from_json(json.loads(file.read_bytes()))
    except (ValueError, InvalidRecordError) as error:
        raise ConfigurationError(f"--recipe: {file} is no recipe: {error}") from error


def _set(message: Any, **values: float | str | None) -> None:
    for name, value in values.items():
        if value is not None:
            setattr(message, name, value)


def _span(value: str, assignment: str) -> tuple[str, str]:
    low, found, high = value.partition(_SPAN)
    if not found:
        raise ConfigurationError(f"--where: {assignment!r}: an interval is wanted, such as 0.3.. or 10..20")
    return low, high


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigurationError(f"{where}: {text!r} is no number") from error


def _time(text: str) -> Timestamp:
    from google.protobuf.timestamp_pb2 import Timestamp

    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"--where: {text!r} is no time such as 2024-02-28T12:00") from error
    stamp = Timestamp()
    stamp.FromDatetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return stamp
