"""Saved recipes in a dataset's store: `subsets/<name>/<revision>.json`, each written once.

Stores cannot write an object only if it is absent. So whoever saves claims a revision first and looks again:
only who sees no other claim on it, and no recipe under it, writes. Two that claim at once both step back to
higher numbers; numbers may have gaps, recipes are never overwritten.
"""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from pairmill.clock import Clock, SystemClock
from pairmill.errors import CorruptObjectError, ObjectMissingError, RetriableError
from pairmill.store.port import ObjectStore
from pairmill_explorer.errors import NotFoundError
from pairmill_explorer.subsets.recipe import Checked, check_name, digest_of, recipe_from_json, recipe_to_json
from pairmill_protos.explorer.v1.subset_service_pb2 import Subset

FOLDER: Final = "subsets/"
SCHEMA_VERSION: Final = 1
_CLAIMS: Final = "claims/"
_ATTEMPTS: Final = 50


@dataclass(frozen=True, slots=True)
class RecipeShelf:
    """The recipes of one dataset. Thread-safe, and safe among processes."""

    store: ObjectStore
    clock: Clock = SystemClock()  # noqa: RUF009  # it holds nothing

    def save(self, checked: Checked) -> Subset:
        """Keeps a recipe as a new revision; the last one again where it says the same."""
        name = checked.recipe.name
        last = self._last(name)
        if last is not None and last.recipe == checked.recipe:
            return last
        saved = Subset(recipe=checked.recipe, digest=checked.digest, saved_at=self._now())
        saved.revision = self._claimed(name, saved)
        return saved

    def get(self, name: str, revision: int | None = None) -> Subset:
        """Returns a recipe, the last revision if none is named; raises NotFoundError."""
        check_name(name, "name")
        found = self._last(name) if revision is None else self._read(name, revision)
        if found is None:
            which = f"revision {revision} of " if revision is not None else ""
            raise NotFoundError("name", f"there is no {which}recipe {name}")
        return found

    def all(self) -> list[Subset]:
        """Returns the last revision of each recipe, by name."""
        last: dict[str, int] = {}
        for name, revision in self._keys(FOLDER):
            last[name] = max(revision, last.get(name, 0))
        found = (self._read(name, revision) for name, revision in sorted(last.items()))
        return [subset for subset in found if subset is not None]

    def _claimed(self, name: str, subset: Subset) -> int:
        """Writes a recipe under a revision that nobody else has; returns it."""
        own, step = secrets.token_hex(8), 0
        for _ in range(_ATTEMPTS):
            revision = max((number for _, number in self._keys(f"{FOLDER}{name}/")), default=0) + 1 + step
            claim = f"{FOLDER}{name}/{_CLAIMS}{revision}-{own}"
            self.store.put(claim, b"")
            try:
                claims = [found.key for found in self.store.list(f"{FOLDER}{name}/{_CLAIMS}{revision}-")]
                if claims == [claim] and self.store.stat(_key(name, revision)) is None:
                    subset.revision = revision
                    self.store.put(_key(name, revision), _encoded(subset))
                    return revision
            finally:
                self.store.delete(claim)
            step = random.SystemRandom().randrange(8)
        raise RetriableError(f"recipe {name} is being saved by many at once; try again")

    def _last(self, name: str) -> Subset | None:
        revision = max((number for _, number in self._keys(f"{FOLDER}{name}/")), default=None)
        return self._read(name, revision) if revision is not None else None

    def _keys(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yields names and revisions of what is there."""
        for found in self.store.list(prefix):
            name, _, file = found.key.removeprefix(FOLDER).partition("/")
            stem, _, suffix = file.partition(".")
            if suffix == "json" and stem.isdigit():
                yield name, int(stem)

    def _read(self, name: str, revision: int) -> Subset | None:
        try:
            return _decoded(self.store.get(_key(name, revision)), _key(name, revision))
        except ObjectMissingError:
            return None

    def _now(self) -> Timestamp:
        stamp = Timestamp()
        stamp.FromDatetime(self.clock.now())
        return stamp


def _key(name: str, revision: int) -> str:
    return f"{FOLDER}{name}/{revision:05d}.json"


def _encoded(subset: Subset) -> bytes:
    facts = {
        "schema_version": SCHEMA_VERSION,
        "revision": subset.revision,
        "digest": subset.digest,
        "saved_at": subset.saved_at.ToJsonString(),
        "recipe": recipe_to_json(subset.recipe),
    }
    return json.dumps(facts, indent=1, ensure_ascii=False).encode() + b"\n"


def _decoded(data: bytes, key: str) -> Subset:
    """Raises CorruptObjectError for what is no recipe, or not the one that its digest names."""
    try:
        facts = json.loads(data)
        subset = Subset(recipe=recipe_from_json(facts["recipe"]), revision=int(facts["revision"]))
        subset.digest = str(facts["digest"])
        subset.saved_at.FromJsonString(facts["saved_at"])
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptObjectError(f"{key} is no recipe: {error}") from error
    if digest_of(subset.recipe) != subset.digest:
        raise CorruptObjectError(f"{key} does not have the digest that it states")
    return subset
