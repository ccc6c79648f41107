"""Recipes: what they may say, and the one form that equal ones have."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, MutableSequence, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from pairmill.errors import InvalidRecordError
from pairmill_explorer.errors import BadRequestError, RequestError, TooLargeError
from pairmill_explorer.search.collapse import Alike, alike_of
from pairmill_explorer.search.conditions import SafetyRules, conditions_of
from pairmill_explorer.search.query import check_parts, modality_of
from pairmill_explorer.subsets.choice import Rules
from pairmill_explorer.subsets.segments import CLUSTER, GROUP_COLUMNS
from pairmill_protos.explorer.v1.search_pb2 import Filters, SafeMode
from pairmill_protos.explorer.v1.search_pb2 import Modality as ModalityCode
from pairmill_protos.explorer.v1.subset_service_pb2 import Recipe

MAX_DESCRIPTION: Final = 2000
MAX_WEIGHTS: Final = 10_000
MAX_COMPARED: Final = 10_000
"""Results of a query up to which near-duplicates are looked for among them, as in search."""

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}")
_MAX_SEED: Final = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A recipe that makes sense, in the form that is kept."""

    recipe: Recipe
    digest: str  # hex

    @property
    def rules(self) -> Rules:
        """What is chosen of the rows that its filters admit."""
        recipe, sampling = self.recipe, self.recipe.sampling
        weight = sampling.default_weight if sampling.HasField("default_weight") else 1.0
        return Rules(
            min_score=recipe.min_score if recipe.HasField("min_score") else None,
            max_results=recipe.max_results if recipe.HasField("max_results") else None,
            one_per_cluster=self.alike.compares and not self.compares_results,
            group_by=sampling.group_by,
            max_per_group=sampling.max_per_group if sampling.HasField("max_per_group") else None,
            weights=dict(sampling.weights),
            default_weight=weight,
            size=recipe.size if recipe.HasField("size") else None,
            seed=recipe.seed,
        )

    @property
    def alike(self) -> Alike:
        """Which samples count as near-duplicates."""
        return alike_of(self.recipe.collapse)

    @property
    def compares_results(self) -> bool:
        """Whether near-duplicates are looked for among results; else `cluster_id` says what is one."""
        recipe = self.recipe
        few = recipe.HasField("max_results") and recipe.max_results <= MAX_COMPARED
        return self.alike.compares and bool(recipe.parts) and few


def check_name(name: str, field: str = "recipe.name") -> str:
    """Returns a recipe's name; raises BadRequestError for one that cannot be a folder's."""
    if not _NAME.fullmatch(name):
        raise BadRequestError(
            field, f"{name[:80]!r} is no name; 1 to 80 letters, digits, `-`, `_`, `.`, no `.` or `-` first"
        )
    return name


def checked(given: Recipe, dimensions: int, rules: SafetyRules) -> Checked:
    """Returns a recipe in its one form; raises BadRequestError or TooLargeError naming a field."""
    check_name(given.name)
    if len(given.description) > MAX_DESCRIPTION:
        raise TooLargeError("recipe.description", f"at most {MAX_DESCRIPTION:,} characters are taken")
    with in_recipe():
        check_parts(given.parts, dimensions)
        modality_of(given.modality)
        conditions_of(given.filters, rules)
        alike_of(given.collapse)
    _check_query(given)
    _check_sampling(given)
    _check_number(given, "size", 1)
    recipe = _canonical(given)
    found = Checked(recipe=recipe, digest=digest_of(recipe))
    _check_collapse(found)
    return found


@contextmanager
def in_recipe() -> Iterator[None]:
    """Names fields that are refused as those of a recipe."""
    try:
        yield
    except RequestError as error:
        raise type(error)(f"recipe.{error.field}", error.description) from error


def digest_of(recipe: Recipe) -> str:
    """Returns the SHA-256 of what a recipe in its one form says, hex; name and description say nothing."""
    facts = MessageToDict(recipe, preserving_proto_field_name=True)
    facts.pop("name", None)
    facts.pop("description", None)
    return hashlib.sha256(_json(facts)).hexdigest()


def recipe_to_json(recipe: Recipe) -> dict[str, object]:
    """Returns a recipe as plain values."""
    return MessageToDict(recipe, preserving_proto_field_name=True)


def recipe_from_json(facts: object) -> Recipe:
    """Returns the recipe of plain values; raises InvalidRecordError for what is none."""
    if not isinstance(facts, dict):
        raise InvalidRecordError("a recipe is a JSON object")
    try:
        return ParseDict(facts, Recipe())
    except ParseError as error:
        raise InvalidRecordError(f"no recipe: {error}") from error


def _check_query(recipe: Recipe) -> None:
    _check_number(recipe, "max_results", 1)
    if not recipe.parts:
        for name in ("min_score", "max_results"):
            if recipe.HasField(name):
                raise BadRequestError(f"recipe.{name}", "is of a query; give `parts` or leave it out")
        return
    if recipe.HasField("min_score") and not -1 <= recipe.min_score <= 1:
        raise BadRequestError("recipe.min_score", f"is {recipe.min_score:g}; a cosine, −1 to 1, is wanted")
    if not recipe.HasField("min_score") and not recipe.HasField("max_results"):
        raise BadRequestError(
            "recipe.max_results", "is unset, and so is `min_score`: one has to bound the query"
        )


def _check_collapse(found: Checked) -> None:
    recipe = found.recipe
    if found.alike.cosine is None or found.compares_results:
        return
    if not recipe.parts:
        raise BadRequestError("recipe.collapse.cosine", "compares a query's results; there is no query")
    raise BadRequestError(
        "recipe.collapse.cosine",
        f"needs `max_results` of at most {MAX_COMPARED:,}; for more, `phash_distance` takes one per cluster",
    )


def _check_sampling(recipe: Recipe) -> None:
    sampling, field = recipe.sampling, "recipe.sampling"
    if sampling.group_by and sampling.group_by not in GROUP_COLUMNS:
        known = ", ".join(GROUP_COLUMNS)
        raise BadRequestError(
            f"{field}.group_by", f"{sampling.group_by[:80]!r} is unknown; give one of {known}"
        )
    _check_number(sampling, "max_per_group", 1, field)
    if not sampling.group_by and sampling.HasField("max_per_group"):
        raise BadRequestError(f"{field}.max_per_group", "needs `group_by`; for a bound of all give `size`")
    if sampling.weights and sampling.group_by in ("", CLUSTER):
        raise BadRequestError(f"{field}.weights", "needs `group_by` a column with few values")
    if len(sampling.weights) > MAX_WEIGHTS:
        raise TooLargeError(f"{field}.weights", f"at most {MAX_WEIGHTS:,} are taken")
    weights = {f"weights[{name[:80]!r}]": weight for name, weight in sampling.weights.items()}
    if sampling.HasField("default_weight"):
        weights["default_weight"] = sampling.default_weight
    for name, weight in weights.items():
        if not 0 <= weight <= 1:  # so is NaN refused
            raise BadRequestError(f"{field}.{name}", f"is {weight:g}; a share, 0 to 1, is wanted")
    if not -_MAX_SEED <= recipe.seed < _MAX_SEED:
        raise BadRequestError("recipe.seed", "is no 64-bit number")


def _check_number(message: object, name: str, least: int, field: str = "recipe") -> None:
    has = getattr(message, "HasField")  # noqa: B009  # of either message
    value = getattr(message, name)
    if has(name) and value < least:
        raise BadRequestError(f"{field}.{name}", f"is {value}; at least {least} is wanted")


def _canonical(given: Recipe) -> Recipe:
    """Returns the form that recipes which say the same share: defaults filled in, lists sorted."""
    recipe = Recipe()
    recipe.CopyFrom(given)
    if recipe.parts:
        if recipe.modality == ModalityCode.MODALITY_UNSPECIFIED:
            recipe.modality = ModalityCode.MODALITY_IMAGE
        for part in recipe.parts:
            part.weight = part.weight if part.HasField("weight") else 1.0
    else:
        recipe.ClearField("modality")
    _sort_filters(recipe.filters)
    if recipe.HasField("collapse") and not alike_of(recipe.collapse).compares:
        recipe.ClearField("collapse")
    if recipe.HasField("sampling"):
        if recipe.sampling.default_weight == 1.0:
            recipe.sampling.ClearField("default_weight")
        if not recipe.sampling.ByteSize():
            recipe.ClearField("sampling")
    return recipe


def _sort_filters(filters: Filters) -> None:
    if filters.safe_mode == SafeMode.SAFE_MODE_UNSPECIFIED:
        filters.safe_mode = SafeMode.SAFE_MODE_HIDE
    elif filters.safe_mode == SafeMode.SAFE_MODE_BLUR:
        filters.safe_mode = SafeMode.SAFE_MODE_SHOW  # an export has nobody to blur for
    for values in (
        filters.buckets,
        filters.languages,
        filters.verdicts,
        filters.reasons,
        filters.hosts,
        filters.crawls,
        filters.licences,
    ):
        _sort_once(values)


def _sort_once(values: MutableSequence[str]) -> None:
    ordered: Sequence[str] = sorted(set(values))
    del values[:]
    values.extend(ordered)


def _json(facts: object) -> bytes:
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
