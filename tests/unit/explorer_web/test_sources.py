"""The web interface as it lies there: small, self-contained, and without a way for markup to get in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from pairmill_explorer.web import PAGE, STATIC

MOST_BYTES: Final = 200_000
MOST_MODULE_LINES: Final = 250
MODULES: Final = sorted((STATIC / "js").rglob("*.js"))
NAMES: Final = [str(path.relative_to(STATIC)) for path in MODULES]

_NAMED: Final = re.compile(r'^import \{([^}]*)\} from "([^"]+)";', re.MULTILINE)
_EXPORTED: Final = re.compile(r"^export (?:async )?(?:function|const|class) (\w+)", re.MULTILINE)
_MARKUP: Final = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc"
)
_STYLE: Final = re.compile(r'setAttribute\("style"|\bstyle:|cssText')
_ELSEWHERE: Final = re.compile(r"""["'(]\s*(?:https?:)?//(?!www\.w3\.org/2000/svg)""")
_INLINE: Final = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=")


def test_the_page_with_all_it_loads_is_small() -> None:
    files = [PAGE, *(path for path in STATIC.rglob("*") if path.is_file())]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES


def test_the_page_has_nothing_inline() -> None:
    assert _INLINE.findall(PAGE.read_text()) == []


def test_what_the_page_names_is_there() -> None:
    named = re.findall(r'(?:href|src)="(/static/[^"]+)"', PAGE.read_text())
    assert named
    assert [name for name in named if not (STATIC.parent / name.lstrip("/")).is_file()] == []


def test_every_stylesheet_is_loaded() -> None:
    sheets = {f"/static/css/{path.name}" for path in (STATIC / "css").iterdir()}
    assert sheets == set(re.findall(r'rel="stylesheet" href="([^"]+)"', PAGE.read_text()))


def test_every_module_is_loaded_at_once() -> None:
    """Otherwise each would wait for whoever imports it."""
    named = re.findall(r'rel="modulepreload" href="/static/([^"]+)"', PAGE.read_text())
    assert sorted(named) == sorted(set(NAMES) - {"js/main.js", "js/theme_first.js"})


@pytest.mark.parametrize("module", MODULES, ids=NAMES)
def test_a_module_makes_no_markup_and_no_inline_style(module: Path) -> None:
    code = _without_comments(module.read_text())
    assert _MARKUP.findall(code) + _STYLE.findall(code) == []


@pytest.mark.parametrize(
    "path", [PAGE, *MODULES, *sorted((STATIC / "css").iterdir())], ids=lambda path: path.name
)
def test_nothing_is_loaded_from_elsewhere(path: Path) -> None:
    assert _ELSEWHERE.findall(path.read_text()) == []


@pytest.mark.parametrize("module", MODULES, ids=NAMES)
def test_a_module_fits_what_a_reader_can_hold(module: Path) -> None:
    assert len(module.read_text().splitlines()) <= MOST_MODULE_LINES


@pytest.mark.parametrize("module", MODULES, ids=NAMES)
def test_what_a_module_imports_is_exported_and_used(module: Path) -> None:
    code = module.read_text()
    for names, source in _NAMED.findall(code):
        exported = set(_EXPORTED.findall((module.parent / source).read_text()))
        wanted = {name.strip() for name in names.split(",") if name.strip()}
        assert wanted <= exported, source
        rest = _NAMED.sub("", code)
        assert [name for name in wanted if not re.search(rf"\b{name}\b", rest)] == [], "imported for nothing"


def test_every_module_is_imported_by_another() -> None:
    imported = {
        (module.parent / source).resolve()
        for module in MODULES
        for _, source in _NAMED.findall(module.read_text())
    }
    entries = {path.resolve() for path in MODULES if path.name in ("main.js", "theme_first.js")}
    assert {path.resolve() for path in MODULES} - imported == entries


def test_every_exported_thing_says_what_it_is() -> None:
    silent = [
        f"{module.name}: {line}"
        for module in MODULES
        for before, line in _lines_with_the_one_before(module)
        if line.startswith(("export function", "export async function")) and not before.endswith("*/")
    ]
    assert silent == []


def _lines_with_the_one_before(module: Path) -> list[tuple[str, str]]:
    lines = module.read_text().splitlines()
    return list(zip(["", *lines], lines, strict=False))


def _without_comments(code: str) -> str:
    return re.sub(r"/\*.*?\*/|^\s*//.*$", "", code, flags=re.DOTALL | re.MULTILINE)
