"""How refusals of what is asked about subsets are said, those of an explorer elsewhere among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pairmill_standalone.cli.api_errors import Dialect

OPTIONS: Final[Mapping[str, str]] = {
    "dataset": "DIR",
    "name": "NAME",
    "export_id": "EXPORT",
    "old_export_id": "OLD",
    "new_export_id": "NEW",
    "deadline": "--timeout",
    "recipe.name": "NAME",
    "recipe.collapse.cosine": "--unlike",
    "recipe.collapse.phash_distance": "--one-per-cluster",
}
"""Options whose name is not that of their field."""

_RECIPE: Final = "recipe."
_FILTERS: Final = "recipe.filters."
_SAMPLING: Final = "recipe.sampling."
_WEIGHTS: Final = "recipe.sampling.weights"


def option_of(field: str) -> str:
    """Returns the option that a field of a request comes from; of a query's parts their place in it."""
    if field in OPTIONS:
        return OPTIONS[field]
    if field == "request" or field.startswith("recipe.parts"):
        return field
    if field.startswith(_FILTERS):
        return f"--where {field.removeprefix(_FILTERS)}"
    if field.startswith(_WEIGHTS):
        return f"--weight{field.removeprefix(_WEIGHTS).replace('[', ' ').rstrip(']')}"
    return "--" + field.removeprefix(_SAMPLING).removeprefix(_RECIPE).replace("_", "-")


EXPLORER: Final = Dialect(server="explorer", option_of=option_of)
