"""The generated pages say everything there is, and are not stale."""

from __future__ import annotations

from pathlib import Path

from pairmill.dataset.explanations import reason_descriptions
from pairmill.jobspec.settings import field_names
from pairmill_standalone.docs.__main__ import main
from pairmill_standalone.docs.reasons import reasons_page
from pairmill_standalone.docs.settings import proto_comments, settings_page, variables_table
from tests.conftest import REPOSITORY


def test_every_reason_stands_on_its_page_once() -> None:
    page = reasons_page()
    for name in reason_descriptions():
        assert page.count(f"| `{name}`") == 1
    assert "| `http_5xx` ↻ |" in page
    assert "| `http_4xx` |" in page


def test_every_rule_that_can_be_set_stands_on_the_page_with_a_meaning() -> None:
    page = settings_page(REPOSITORY)
    for name in set(field_names()) - {"crawl"}:
        (line,) = (line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        assert line.split("|")[4].strip()


def test_every_variable_has_a_meaning() -> None:
    lines = [line for line in settings_page(REPOSITORY).splitlines() if line.startswith("| `PAIRMILL_")]
    assert len(lines) > 40
    assert [line for line in lines if not line.split("|")[4].strip()] == []


def test_the_pages_of_the_repository_are_not_stale() -> None:
    assert main(["--check"], REPOSITORY) == 0


def test_a_stale_page_is_found_and_written(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for folder in ("protos", "libs"):
        (tmp_path / folder).symlink_to(REPOSITORY / folder)
    for page in REPOSITORY.glob("services/*/README.md"):
        copy = tmp_path / page.relative_to(REPOSITORY)
        copy.parent.mkdir(parents=True)
        copy.write_text(page.read_text())
        for code in page.parent.glob("pairmill_*"):
            (copy.parent / code.name).symlink_to(code)
    assert main(["--check"], tmp_path) == 1
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    (tmp_path / "docs" / "reasons.md").write_text("old")
    assert main(["--check"], tmp_path) == 1


def test_comments_of_a_schema_belong_to_the_field_behind_them() -> None:
    proto = "// A job.\nmessage Job {\n  // First\n  // line.\n  int32 a = 1;\n  optional double b = 2;\n}\n"
    assert proto_comments(proto) == {"Job": {"a": "First line.", "b": ""}}


def test_a_nested_configuration_is_listed_field_by_field() -> None:
    from pairmill_crawler.config import CrawlerConfig

    table = variables_table(CrawlerConfig)
    assert "| `PAIRMILL_SOURCE__ATTEMPTS` | whole number | `6` | tries without any new byte" in table
