"""Files with URLs that a job leaves out (U8)."""

from __future__ import annotations

from pathlib import Path

from pairmill.errors import ConfigurationError
from pairmill_gateway.exclusions import excluded_ids


def read_exclusions(path: Path) -> bytes:
    """Returns the `url_id`s of a file, ascending and each once, 16 bytes each.

    Raises ConfigurationError naming the lines that are neither a URL nor a `url_id`.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--exclude: {path}: cannot be read as text: {error}") from error
    return excluded_ids(lines, name=f"--exclude: {path}")
