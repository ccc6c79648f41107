"""What the pages of the repository point to exists: files, headings, code, rules, commands."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from typer.main import get_group

from pairmill_standalone.cli.app import app
from tests.conftest import REPOSITORY

PAGES: Final = sorted(
    [
        *REPOSITORY.glob("*.md"),
        *(REPOSITORY / "docs").rglob("*.md"),
        *(REPOSITORY / "services").glob("*/README.md"),
        *(REPOSITORY / "libs").rglob("*.md"),
    ]
)
NAMES: Final = [str(page.relative_to(REPOSITORY)) for page in PAGES]
CODE_ROOTS: Final = ("libs", "services")

_FENCE: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_INLINE: Final = re.compile(r"`([^`\n]+)`")
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
_MODULE: Final = re.compile(r"`(pairmill(?:_[a-z]+)?(?:\.[A-Za-z_]\w*)+)`")
_PATH: Final = re.compile(r"`((?:libs|services|tests|docs|protos)/[\w/.-]+)`")
_RULE: Final = re.compile(r"\bU\d{1,2}a?\b")
_DEFINED: Final = re.compile(r"^\*\*(U\d{1,2}a?)[. *:]", re.MULTILINE)
_COMMAND: Final = re.compile(r"(?<![\w./-])pairmill ([a-z][a-z-]+)(?: ([a-z][a-z-]+))?")
_OPTION: Final = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def test_every_service_and_library_of_models_has_a_readme() -> None:
    packages = [path.parent for path in (REPOSITORY / "services").glob("*/pairmill_*")]
    missing = [package.name for package in packages if not (package / "README.md").is_file()]
    assert missing == []


@pytest.mark.parametrize("index", ["README.md", "docs/adr/README.md"])
def test_every_page_is_linked_from_its_index(index: str) -> None:
    start = REPOSITORY / index
    linked = {(start.parent / link.partition("#")[0]).resolve() for link in _links(start.read_text())}
    folder = REPOSITORY / "docs" if index == "README.md" else start.parent
    assert [page.name for page in folder.glob("*.md") if page not in linked | {start}] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    assert [link for link in _links(page.read_text()) if not _resolves(page, link)] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_code_that_is_named_exists(page: Path) -> None:
    text = page.read_text()
    assert [name for name in _MODULE.findall(text) if not _importable(name)] == []
    assert [path for path in _PATH.findall(text) if not _exists(path)] == []


def test_every_rule_that_is_named_stands_in_the_protocol() -> None:
    defined = set(_DEFINED.findall((REPOSITORY / "docs" / "protocol.md").read_text()))
    sources = [path for root in (*CODE_ROOTS, "protos", "tests") for path in _sources(REPOSITORY / root)]
    named = {rule for path in (*sources, *PAGES) for rule in _RULE.findall(path.read_text())}
    assert named - defined == set()


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_verbs_and_options_that_are_named_exist(page: Path) -> None:
    verbs = dict(_verbs())
    groups = {name.split()[0] for name in verbs if " " in name}
    for line in _commands(page.read_text()):
        for verb, inner in _COMMAND.findall(line):
            if verb in groups and not inner:
                continue  # the family of verbs
            named = f"{verb} {inner}" if verb in groups else verb
            assert named in verbs, line
            if line.lstrip().startswith((".venv/bin/pairmill", "pairmill ")):
                assert set(_OPTION.findall(line.partition("#")[0])) <= verbs[named], line


def test_options_of_run_stand_in_its_table() -> None:
    text = (REPOSITORY / "README.md").read_text()
    table = text.split("| option of `run` | does |")[1].split("\n\n")[0]
    named = set(_OPTION.findall(table))
    assert named <= dict(_verbs())["run"]
    assert len(named) > 8


def _commands(text: str) -> Iterator[str]:
    """What stands as code: lines of blocks, and pieces within a text."""
    for block in _FENCE.findall(text):
        yield from block.replace("\\\n", " ").splitlines()
    yield from _INLINE.findall(_FENCE.sub("", text))


def _links(text: str) -> Iterator[str]:
    for link in _LINK.findall(_FENCE.sub("", text)):
        if not link.startswith(("http://", "https://")):
            yield link


def _resolves(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return False
    return not anchor or anchor in {_slug(title) for title in _HEADING.findall(target.read_text())}


def _slug(title: str) -> str:
    """A heading's anchor, as forges make it."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def _importable(name: str) -> bool:
    """Whether a dotted name is a module, something in one, or a package of schemas."""
    parts = name.split(".")
    if (REPOSITORY / "protos").joinpath(*parts).is_dir():
        return True
    for cut in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[cut:]:
            if not hasattr(found, attribute):
                return False
            found = getattr(found, attribute)
        return True
    return False


def _exists(path: str) -> bool:
    return (REPOSITORY / path).exists()


def _sources(root: Path) -> Iterator[Path]:
    for pattern in ("*.py", "*.proto"):
        yield from (path for path in root.rglob(pattern) if "pairmill_protos" not in path.parts)


def _verbs() -> Iterator[tuple[str, set[str]]]:
    for name, command in get_group(app).commands.items():
        nested = getattr(command, "commands", None)
        if nested is None:
            yield name, _options(command)
        else:
            yield from ((f"{name} {inner}", _options(found)) for inner, found in nested.items())


def _options(command: object) -> set[str]:
    parameters = getattr(command, "params", [])
    return {"--help", *(name for parameter in parameters for name in getattr(parameter, "opts", []))}
