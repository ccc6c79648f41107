"""`UnitService`: answers stages before they start work (U2a)."""

from __future__ import annotations

from collections.abc import Iterator

import grpc

from pairmill.rpc.refusals import Violation
from pairmill_gateway.rpc.ports import Standings
from pairmill_gateway.rpc.requests import DIGEST_BYTES, MAX_UNITS, refuse_if
from pairmill_protos.gateway.v1.unit_service_pb2 import GetStandingsRequest, GetStandingsResponse
from pairmill_protos.gateway.v1.unit_service_pb2_grpc import UnitServiceServicer


class UnitRpc(UnitServiceServicer):
    """The service."""

    def __init__(self, standings: Standings) -> None:
        self._standings = standings

    def GetStandings(  # noqa: N802 - the method's name
        self, request: GetStandingsRequest, context: grpc.ServicerContext
    ) -> GetStandingsResponse:
        """Returns the standing of each unit, in order."""
        refuse_if([*_problems(request)])
        return GetStandingsResponse(standings=self._standings.ask(request.units))


def _problems(request: GetStandingsRequest) -> Iterator[Violation]:
    if len(request.units) > MAX_UNITS:
        yield Violation(
            field="units", description=f"has {len(request.units):,} entries; at most {MAX_UNITS:,}"
        )
        return
    for place, unit in enumerate(request.units):
        if not unit.job_id or not unit.unit_id:
            yield Violation(field=f"units[{place}]", description="names no job and unit")
        if len(unit.input_digest) != DIGEST_BYTES:
            yield Violation(
                field=f"units[{place}].input_digest",
                description=f"has {len(unit.input_digest)} bytes; it takes {DIGEST_BYTES}",
            )
