"""`AuditService`: checks what is asked and hands it to the audits."""

from __future__ import annotations

import grpc

from pairmill.rpc.callers import Role
from pairmill.rpc.calls import current_caller
from pairmill.rpc.refusals import RefusedError
from pairmill_gateway.rpc.paging import page_of, page_token
from pairmill_gateway.rpc.ports import Audits
from pairmill_gateway.rpc.requests import job_id_problems, refuse_if, stage_problems
from pairmill_protos.gateway.v1.audit_service_pb2 import (
    GetFunnelRequest,
    GetFunnelResponse,
    ListDeadLettersRequest,
    ListDeadLettersResponse,
    ListOpenUnitsRequest,
    ListOpenUnitsResponse,
    ListOrphansRequest,
    ListOrphansResponse,
    ReplayDeadLettersRequest,
    ReplayDeadLettersResponse,
)
from pairmill_protos.gateway.v1.audit_service_pb2_grpc import AuditServiceServicer


class AuditRpc(AuditServiceServicer):
    """The service; each method as its schema says."""

    def __init__(self, audits: Audits) -> None:
        self._audits = audits

    def GetFunnel(self, request: GetFunnelRequest, context: grpc.ServicerContext) -> GetFunnelResponse:  # noqa: N802 - the method's name
        """Returns the funnel of a job."""
        refuse_if([*job_id_problems(request.job_id)])
        return self._audits.funnel(request.job_id, current_caller())

    def ListOpenUnits(  # noqa: N802 - the method's name
        self, request: ListOpenUnitsRequest, context: grpc.ServicerContext
    ) -> ListOpenUnitsResponse:
        """Returns a page of open units."""
        problems = [*job_id_problems(request.job_id), *stage_problems(request.stage)]
        query = f"open {request.job_id} {request.stage}"
        page = page_of(request.page_size, request.page_token, query, problems)
        refuse_if(problems)
        answer = self._audits.open_units(request.job_id, request.stage, page, current_caller())
        answer.next_page_token = page_token(answer.next_page_token, query)
        return answer

    def ListOrphans(self, request: ListOrphansRequest, context: grpc.ServicerContext) -> ListOrphansResponse:  # noqa: N802 - the method's name
        """Returns a page of orphans."""
        problems = [*job_id_problems(request.job_id)]
        query = f"orphans {request.job_id}"
        page = page_of(request.page_size, request.page_token, query, problems)
        refuse_if(problems)
        answer = self._audits.orphans(request.job_id, page, current_caller())
        answer.next_page_token = page_token(answer.next_page_token, query)
        return answer

    def ListDeadLetters(  # noqa: N802 - the method's name
        self, request: ListDeadLettersRequest, context: grpc.ServicerContext
    ) -> ListDeadLettersResponse:
        """Returns a page of dead letters; without a job those that name none."""
        caller = current_caller()
        if not request.job_id and caller.role < Role.ADMIN:
            raise RefusedError(
                grpc.StatusCode.PERMISSION_DENIED, "what names no job may be anyone's: only for admin"
            )
        problems = [*job_id_problems(request.job_id)] if request.job_id else []
        query = f"letters {request.job_id}"
        page = page_of(request.page_size, request.page_token, query, problems)
        refuse_if(problems)
        answer = self._audits.dead_letters(request.job_id, page, caller)
        answer.next_page_token = page_token(answer.next_page_token, query)
        return answer

    def ReplayDeadLetters(  # noqa: N802 - the method's name
        self, request: ReplayDeadLettersRequest, context: grpc.ServicerContext
    ) -> ReplayDeadLettersResponse:
        """Admits a repair."""
        refuse_if([*job_id_problems(request.job_id)])
        return self._audits.replay(request.job_id, request.fork, current_caller())
