"""A synthetic web as a process of its own."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Sequence

from pairmill import __version__
from pairmill.errors import ConfigurationError
from pairmill.service import end_with_parent
from pairmill.telemetry.logs import configure_logging
from pairmill_models.bundle import load_bundle
from pairmill_synthweb.config import SynthwebConfig
from pairmill_synthweb.prepare import PreparedWorld, prepare_world
from pairmill_synthweb.web import NETWORK, SyntheticWeb


def main(arguments: Sequence[str]) -> int:
    """Serves until SIGINT or SIGTERM; returns the exit code.

    Once it listens, one line of JSON on standard output says how a client finds it.
    """
    config = SynthwebConfig.from_arguments(arguments)
    configure_logging("info", service="synthweb", version=__version__, stream=sys.stderr)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopped.set())
    if config.watch_stdin:
        end_with_parent()
    try:
        prepared = _prepared(config)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    with prepared.web(config.port) as web:
        sys.stdout.write(json.dumps(_address(prepared, web)) + "\n")
        sys.stdout.flush()
        stopped.wait()
        if config.journal is not None:
            config.journal.write_text(json.dumps(web.journal.facts(), indent=1))
    return 0


def _prepared(config: SynthwebConfig) -> PreparedWorld:
    return prepare_world(
        config.world,
        load_bundle(config.bundle),
        candidates=config.candidates,
        seed=config.seed,
        wats=config.wats,
    )


def _address(prepared: PreparedWorld, web: SyntheticWeb) -> dict[str, object]:
    return {
        "port": web.port,
        "connect_to": list(web.connect_to),
        "allowed_networks": [NETWORK],
        "wats": [str(path) for path in prepared.wats],
        "truth": str(prepared.truth),
        "settings": dict(prepared.settings),
    }
