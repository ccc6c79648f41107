"""The WATs that options of the command line name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pairmill.errors import ConfigurationError
from pairmill_gateway.admission import WatList, normalise_wats


def collect_wats(named: Sequence[str], lists: Sequence[Path]) -> WatList:
    """Returns the WATs named one by one and those of list files, with the lines that are bad."""
    lines = list(named)
    for path in lists:
        try:
            lines.extend(path.read_text().splitlines())
        except OSError as error:
            raise ConfigurationError(f"--wat-list: {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"--wat-list: {path}: not a text file") from error
    return normalise_wats(lines)
