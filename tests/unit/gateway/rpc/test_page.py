"""The README's table of the API is that of the code."""

from __future__ import annotations

import re
from typing import Final

from pairmill_gateway.rpc.methods import METHODS
from tests.conftest import REPOSITORY

_ROW: Final = re.compile(r"^\| `(\w+/\w+)` \| ([\w ]+) \|", re.MULTILINE)


def test_every_method_stands_in_the_readme_with_its_role() -> None:
    page = (REPOSITORY / "services" / "gateway" / "README.md").read_text()
    asked = {
        name.rpartition(".")[2]: method.role.name.lower() if method.role else "no token"
        for name, method in METHODS.items()
    }
    assert dict(_ROW.findall(page)) == asked


def test_every_method_says_its_role_in_its_schema() -> None:
    schemas = "".join(
        path.read_text() for path in (REPOSITORY / "protos/pairmill/gateway/v1").glob("*_service.proto")
    )
    own = {name.rpartition("/")[2]: method for name, method in METHODS.items() if "pairmill" in name}
    assert {name: role for role, name in re.findall(r"Role: (\w+)\.\n  rpc (\w+)", schemas)} == {
        name: method.role.name.lower() for name, method in own.items() if method.role
    }


def test_h3_only_the_health_check_is_open_to_all() -> None:
    assert [name for name, method in METHODS.items() if method.role is None] == [
        "/grpc.health.v1.Health/Check"
    ]
