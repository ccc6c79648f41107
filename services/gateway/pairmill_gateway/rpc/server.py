"""The gateway's API."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

import grpc
from prometheus_client import CollectorRegistry

from pairmill.clock import Clock
from pairmill.rpc.config import RpcConfig
from pairmill.rpc.refusals import refusal_of
from pairmill.rpc.server import Api, RpcServer, always_ready, served
from pairmill.telemetry.checks import Check
from pairmill_gateway.rpc.audit_service import AuditRpc
from pairmill_gateway.rpc.codes import CODES
from pairmill_gateway.rpc.job_service import JobRpc
from pairmill_gateway.rpc.methods import METHODS
from pairmill_gateway.rpc.ports import Audits, Jobs, Standings
from pairmill_gateway.rpc.unit_service import UnitRpc
from pairmill_protos.gateway.v1.audit_service_pb2_grpc import add_AuditServiceServicer_to_server
from pairmill_protos.gateway.v1.job_service_pb2_grpc import add_JobServiceServicer_to_server
from pairmill_protos.gateway.v1.unit_service_pb2_grpc import add_UnitServiceServicer_to_server


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """What the services need behind them."""

    jobs: Jobs
    audits: Audits
    standings: Standings


def gateway_api(backends: Backends) -> Api:
    """Returns what a gateway serves."""

    def add(server: grpc.Server) -> None:
        add_JobServiceServicer_to_server(JobRpc(backends.jobs), server)
        add_AuditServiceServicer_to_server(AuditRpc(backends.audits), server)
        add_UnitServiceServicer_to_server(UnitRpc(backends.standings), server)

    return Api(methods=METHODS, add=add, refuse=partial(refusal_of, codes=CODES))


def api_server(
    config: RpcConfig,
    backends: Backends,
    *,
    registry: CollectorRegistry,
    clock: Clock,
    ready: Check = always_ready,
) -> AbstractContextManager[RpcServer | None]:
    """Returns what serves the API meanwhile: nothing where no address is set, and no token is asked for."""
    return served(config, gateway_api(backends), registry=registry, clock=clock, ready=ready)
