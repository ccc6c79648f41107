"""An API as a server: a context manager that drains when it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from pairmill.rpc.config import RpcConfig, is_loopback, split_address
from pairmill.rpc.guard import Guard
from pairmill.rpc.health import Health
from pairmill.rpc.methods import STANDARD_METHODS, Method, services_of
from pairmill.rpc.metrics import RpcMetrics
from pairmill.rpc.places import Shares, threads_of
from pairmill.rpc.quotas import Quota
from pairmill.rpc.refusals import Refuse, refusal_of
from pairmill.rpc.tls import server_credentials
from pairmill.rpc.tokens import TokenBook
from pairmill.telemetry.checks import Check

_KEEPALIVE_MS: Final = 30_000
_KEEPALIVE_TIMEOUT_MS: Final = 10_000
_CALLS_PER_THREAD: Final = 2
"""Calls at once, those included that wait to be turned away."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """What a server serves, besides the standard services."""

    methods: Mapping[str, Method]  # by full name; what is not among them is refused
    add: Callable[[grpc.Server], None]  # adds the servicers of those methods
    refuse: Refuse = refusal_of  # what errors are to a caller
    quota: Quota | None = None  # how often one may call; None: as often as it likes


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
        api: Api,
        *,
        registry: CollectorRegistry,
        clock: Clock,
        ready: Check = always_ready,
    ) -> None:
        if config.tokens_file is None:
            raise ConfigurationError("rpc.tokens_file: is not set; `pairmill job token` writes its lines")
        self._config = config
        self._clock = clock
        methods = {**api.methods, **STANDARD_METHODS}
        services = services_of(methods)
        self._health = Health(services, ready)
        self._shares = Shares.of(config)
        metrics = RpcMetrics(registry, [*methods, "other"], lambda: self._shares.streams.taken_now)
        guard = Guard(
            config,
            methods,
            api.refuse,
            tokens=TokenBook(config.tokens_file, clock),
            quota=api.quota or Quota(None, clock),
            shares=self._shares,
            metrics=metrics,
            clock=clock,
        )
        self._pool = ThreadPoolExecutor(threads_of(config), thread_name_prefix="rpc")
        self._server = grpc.server(
            self._pool,
            interceptors=[guard],
            options=server_options(config),
            maximum_concurrent_rpcs=threads_of(config) * _CALLS_PER_THREAD,
        )
        api.add(self._server)
        add_HealthServicer_to_server(self._health, self._server)
        enable_server_reflection(services, self._server)
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


def served(
    config: RpcConfig,
    api: Api,
    *,
    registry: CollectorRegistry,
    clock: Clock,
    ready: Check = always_ready,
) -> AbstractContextManager[RpcServer | None]:
    """Returns what serves the API meanwhile: nothing where no address is set, and no token is asked for."""
    if not config.listen:
        log.info("api_not_served")
        return nullcontext()
    return RpcServer(config, api, registry=registry, clock=clock, ready=ready)


def server_options(config: RpcConfig) -> tuple[tuple[str, int], ...]:
    """Returns the transport's limits; connections end now and then, so that clients spread."""
    return (
        ("grpc.so_reuseport", 0),  # two servers on one port would share it without a word
        ("grpc.max_receive_message_length", config.max_message_bytes),
        ("grpc.max_concurrent_streams", config.max_calls_per_connection),
        ("grpc.max_metadata_size", 16 * 2**10),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
        ("grpc.http2.min_ping_interval_without_data_ms", _KEEPALIVE_TIMEOUT_MS),
        ("grpc.max_connection_age_ms", int(config.max_connection_age_seconds * 1000)),
        ("grpc.max_connection_age_grace_ms", int(config.max_deadline_seconds * 1000)),
    )


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
