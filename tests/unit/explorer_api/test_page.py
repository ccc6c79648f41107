"""The README's table of the calls is that of the code, and so are the schemas' comments."""

from __future__ import annotations

import re
from typing import Final

from pairmill.rpc.methods import STANDARD_METHODS
from pairmill_explorer.rpc.methods import METHODS, WATCH_EXPORT
from pairmill_explorer.rpc.ports import Searches, Subsets
from pairmill_explorer.rpc.procedures import SEARCH, SUBSET, port_name, procedures
from tests.conftest import REPOSITORY
from tests.fakes.explorer_desks import FakeDesk

_ROW: Final = re.compile(r"^\| `(\w+/\w+)` \| ([\w ]+) \|", re.MULTILINE)


def test_every_method_stands_in_the_readme_with_its_role() -> None:
    page = (REPOSITORY / "services" / "explorer" / "README.md").read_text()
    asked = {
        name.rpartition(".")[2]: method.role.name.lower() if method.role else "no token"
        for name, method in {**METHODS, **STANDARD_METHODS}.items()
    }
    assert dict(_ROW.findall(page)) == asked


def test_every_method_says_its_role_in_its_schema() -> None:
    schemas = "".join(
        path.read_text() for path in (REPOSITORY / "protos/pairmill/explorer/v1").glob("*_service.proto")
    )
    assert {name: role for role, name in re.findall(r"Role: (\w+)\.\n  rpc (\w+)", schemas)} == {
        name.rpartition("/")[2]: method.role.name.lower() for name, method in METHODS.items() if method.role
    }


def test_every_call_has_a_method_of_its_port_and_every_method_a_call() -> None:
    for service, port in ((SEARCH, Searches), (SUBSET, Subsets)):
        calls = {port_name(method.name) for method in service.methods if not method.server_streaming}
        assert calls == {name for name in vars(port) if not name.startswith("_")}


def test_all_but_the_stream_is_answered_at_once() -> None:
    desk = FakeDesk()
    assert set(procedures(desk, desk)) == set(METHODS) - {WATCH_EXPORT}
