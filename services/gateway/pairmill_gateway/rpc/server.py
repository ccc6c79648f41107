"""The gateway's API as a server: a context manager that drains when it ends."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import grpc
import structlog
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha.reflection import enable_server_reflection
from prometheus_client import CollectorRegistry

from pairmill.clock import Clock
from pairmill.errors import ConfigurationError
from pairmill.telemetry.checks import Check
from pairmill_gateway.rpc.audit_service import AuditRpc
from pairmill_gateway.rpc.config import RpcConfig, is_loopback, split_address
from pairmill_gateway.rpc.guard import Guard
from pairmill_gateway.rpc.health import Health
from pairmill_gateway.rpc.job_service import JobRpc
from pairmill_gateway.rpc.methods import (
    AUDIT_SERVICE,
    HEALTH_SERVICE,
    JOB_SERVICE,
    METHODS,
    REFLECTION_SERVICE,
    UNIT_SERVICE,
)
from pairmill_gateway.rpc.metrics import RpcMetrics
from pairmill_gateway.rpc.places import Shares, threads_of
from pairmill_gateway.rpc.ports import Audits, Jobs, Standings
from pairmill_gateway.rpc.tls import server_credentials
from pairmill_gateway.rpc.tokens import TokenBook
from pairmill_gateway.rpc.unit_service import UnitRpc
from pairmill_protos.gateway.v1.audit_service_pb2_grpc import add_AuditServiceServicer_to_server
from pairmill_protos.gateway.v1.job_service_pb2_grpc import add_JobServiceServicer_to_server
from pairmill_protos.gateway.v1.unit_service_pb2_grpc import add_UnitServiceServicer_to_server

SERVICES: Final = (JOB_SERVICE, AUDIT_SERVICE, UNIT_SERVICE, HEALTH_SERVICE, REFLECTION_SERVICE)

_KEEPALIVE_MS: Final = 30_000
_KEEPALIVE_TIMEOUT_MS: Final = 10_000
_CALLS_PER_THREAD: Final = 2
"""Calls at once, those included that wait to be turned away."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """What the services need behind them."""

    jobs: Jobs
    audits: Audits
    standings: Standings


def always_ready() -> str | None:
    """Returns no problem."""
    return None


class RpcServer:
    """Serves the API meanwhile. At its end health says NOT_SERVING, calls at work finish, streams end.

    `ready` says why calls cannot be answered now, as while the ledger is read; health asks it each time.
    Raises ConfigurationError where the configuration cannot be served.
    """

    def __init__(
        self,
        config: RpcConfig,
        backends: Backends,
        *,
        registry: CollectorRegistry,
        clock: Clock,
        ready: Check = always_ready,
    ) -> None:
        if config.tokens_file is None:
            raise ConfigurationError("rpc.tokens_file: is not set; `pairmill job token` writes its lines")
        self._config = config
        self._clock = clock
        self._health = Health(SERVICES, ready)
        self._shares = Shares.of(config)
        metrics = RpcMetrics(registry, [*METHODS, "other"], lambda: self._shares.streams.taken_now)
        guard = Guard(config, TokenBook(config.tokens_file, clock), self._shares, metrics, clock)
        self._pool = ThreadPoolExecutor(threads_of(config), thread_name_prefix="rpc")
        self._server = grpc.server(
            self._pool,
            interceptors=[guard],
            options=server_options(config),
            maximum_concurrent_rpcs=threads_of(config) * _CALLS_PER_THREAD,
        )
        _add_services(self._server, backends, self._health)
        self.port = _bind(self._server, config)

    def __enter__(self) -> Self:
        """Starts to serve."""
        self._server.start()
        log.info("api_served", listen=self._config.listen, port=self.port)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drains: new calls go elsewhere first, then those at work end."""
        self.drain()
        self._clock.sleep(self._config.linger_seconds)
        self._server.stop(self._config.drain_seconds).wait()
        self._pool.shutdown(wait=False, cancel_futures=True)
        log.info("api_stopped")

    def drain(self) -> None:
        """Says NOT_SERVING and lets streams end; calls are still taken. May be called more than once."""
        self._health.stop()
        self._shares.streams.end_all()


def api_server(
    config: RpcConfig,
    backends: Backends,
    *,
    registry: CollectorRegistry,
    clock: Clock,
    ready: Check = always_ready,
) -> AbstractContextManager[RpcServer | None]:
    """Returns what serves the API meanwhile: nothing where no address is set, and no token is asked for."""
    if not config.listen:
        log.info("api_not_served")
        return nullcontext()
    return RpcServer(config, backends, registry=registry, clock=clock, ready=ready)


def server_options(config: RpcConfig) -> tuple[tuple[str, int], ...]:
    """Returns the transport's limits; connections end now and then, so that clients spread."""
    return (
        ("grpc.so_reuseport", 0),  # two gateways on one port would share it without a word
        ("grpc.max_receive_message_length", config.max_message_bytes),
        ("grpc.max_concurrent_streams", config.max_calls_per_connection),
        ("grpc.max_metadata_size", 16 * 2**10),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
        ("grpc.http2.min_ping_interval_without_data_ms", _KEEPALIVE_TIMEOUT_MS),
        ("grpc.max_connection_age_ms", int(config.max_connection_age_seconds * 1000)),
        ("grpc.max_connection_age_grace_ms", int(config.max_deadline_seconds * 1000)),
    )


def _add_services(server: grpc.Server, backends: Backends, health: Health) -> None:
    add_JobServiceServicer_to_server(JobRpc(backends.jobs), server)
    add_AuditServiceServicer_to_server(AuditRpc(backends.audits), server)
    add_UnitServiceServicer_to_server(UnitRpc(backends.standings), server)
    add_HealthServicer_to_server(health, server)
    enable_server_reflection(SERVICES, server)


def _bind(server: grpc.Server, config: RpcConfig) -> int:
    """Returns the port that is listened on."""
    try:
        host, _ = split_address(config.listen)
    except ValueError as error:
        raise ConfigurationError(f"rpc.{error}") from error
    try:
        if config.tls.certificate_file is not None:
            port = server.add_secure_port(config.listen, server_credentials(config.tls))
        else:
            _check_plaintext(host, config)
            port = server.add_insecure_port(config.listen)
    except RuntimeError as error:
        raise ConfigurationError(f"rpc.listen: cannot listen on {config.listen}; choose another") from error
    return port


def _check_plaintext(host: str, config: RpcConfig) -> None:
    if not config.allow_insecure:
        raise ConfigurationError(
            "rpc.tls.certificate_file: is not set; tokens would travel in the clear. "
            "Name a certificate, or set allow_insecure on a loopback address"
        )
    if not is_loopback(host):
        raise ConfigurationError(
            f"rpc.allow_insecure: {host} is no loopback address; name a certificate in rpc.tls"
        )
