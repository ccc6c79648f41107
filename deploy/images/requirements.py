"""Prints what extras of pyproject.toml ask for, one requirement a line, without Pairmill itself.

python requirements.py EXTRA…
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

OWN = re.compile(r"pairmill\[(.+)\]")


def requirements(
    always: Sequence[str], extras: Mapping[str, Sequence[str]], wanted: Iterable[str]
) -> list[str]:
    """Returns the requirements of extras, and what is always needed, sorted; extras may name extras.

    Raises KeyError for an extra that there is not.
    """
    waiting, seen, found = list(wanted), set[str](), set(always)
    while waiting:
        extra = waiting.pop()
        if extra in seen:
            continue
        seen.add(extra)
        for requirement in extras[extra]:
            own = OWN.fullmatch(requirement)
            if own:
                waiting += [name.strip() for name in own[1].split(",")]
            else:
                found.add(requirement)
    return sorted(found)


def main(wanted: Sequence[str], project: Path = Path("pyproject.toml")) -> int:
    """Prints the requirements; returns 2 where an extra is not there."""
    declared = tomllib.loads(project.read_text())["project"]
    extras = declared["optional-dependencies"]
    unknown = [name for name in wanted if name not in extras]
    if unknown or not wanted:
        named = ", ".join(unknown) or "none is named"
        sys.stderr.write(f"no such extra: {named}; there are {', '.join(extras)}\n")
        return 2
    sys.stdout.write("".join(f"{line}\n" for line in requirements(declared["dependencies"], extras, wanted)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
