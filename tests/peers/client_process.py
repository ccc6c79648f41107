"""Runs in the client's own environment: makes the calls of stdin, writes what came back to stdout."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import sys
from types import ModuleType


def client_module() -> ModuleType:
    """Returns the package's client, loaded from its file without the package's `__init__`."""
    path = importlib.metadata.distribution("clip-retrieval").locate_file("clip_retrieval/clip_client.py")
    spec = importlib.util.spec_from_file_location("clip_client", str(path))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["clip_client"] = module
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Answers a list of `{"client": {…}, "query": {…}}` with a list of what `query` returned."""
    module = client_module()
    answers = []
    for call in json.load(sys.stdin):
        options = dict(call["client"])
        if "modality" in options:
            options["modality"] = module.Modality(options["modality"])
        answers.append(module.ClipClient(**options).query(**call["query"]))
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
