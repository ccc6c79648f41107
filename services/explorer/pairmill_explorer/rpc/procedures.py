"""From the services' descriptors to what is called: the one table that gRPC and JSON over HTTP serve from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from pairmill.rpc.methods import Method
from pairmill_explorer.rpc.methods import METHODS
from pairmill_explorer.rpc.ports import Searches, Subsets
from pairmill_protos.explorer.v1 import search_service_pb2, subset_service_pb2

Descriptor: TypeAlias = Any
"""Of a service or method; which of two classes it is depends on how protobuf was built."""

SEARCH: Final[Descriptor] = search_service_pb2.DESCRIPTOR.services_by_name["SearchService"]
SUBSET: Final[Descriptor] = subset_service_pb2.DESCRIPTOR.services_by_name["SubsetService"]

_WORD: Final = re.compile(r"(?<!^)(?=[A-Z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """A method that takes one message and returns one."""

    name: str  # /package.Service/Method
    method: Method
    request: type[Message]
    response: type[Message]
    answer: Callable[[Any], Message]

    @property
    def short_name(self) -> str:
        """`Service/Method`, as it stands in addresses and measures."""
        return self.name.rpartition(".")[2]


def procedures(searches: Searches, subsets: Subsets) -> dict[str, Procedure]:
    """Returns all that is answered at once, by full name; streams are left out."""
    found = [*_procedures(SEARCH, searches), *_procedures(SUBSET, subsets)]
    return {procedure.name: procedure for procedure in found}


def port_name(method: str) -> str:
    """Returns the name of the method of a port that answers a call."""
    return _WORD.sub("_", method).lower()


def _procedures(service: Descriptor, port: object) -> Iterator[Procedure]:
    for method in service.methods:
        if not method.server_streaming:
            name = f"/{service.full_name}/{method.name}"
            yield Procedure(
                name=name,
                method=METHODS[name],
                request=GetMessageClass(method.input_type),
                response=GetMessageClass(method.output_type),
                answer=getattr(port, port_name(method.name)),
            )
