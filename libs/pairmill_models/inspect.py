"""What a bundle is, as plain values for people and scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pairmill_models.bundle import Bundle


def bundle_facts(bundle: Bundle) -> Mapping[str, Any]:
    """Returns the facts of a loaded bundle, ready for JSON: its card, digest, version and sizes."""
    card: dict[str, Any] = msgspec.to_builtins(bundle.card)
    return {
        "folder": str(bundle.folder),
        "digest": bundle.digest,
        "model_version": bundle.model_version,
        **card,
        "files": {name: facts.bytes for name, facts in sorted(bundle.files.items())},
        "bytes": sum(facts.bytes for facts in bundle.files.values()),
    }
