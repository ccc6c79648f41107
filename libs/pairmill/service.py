"""The frame of every stage's process: bus, store, loop, admin port, signals. Mains name the parts."""

from __future__ import annotations

import os
import re
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

import structlog
from prometheus_client import CollectorRegistry

from pairmill.bus.factory import open_bus
from pairmill.bus.port import Bus
from pairmill.bus.settings import KafkaConfig
from pairmill.clock import Clock, SystemClock
from pairmill.config import redacted
from pairmill.errors import ConfigurationError
from pairmill.stage.asking import GatewayRegistry
from pairmill.stage.checkpoints import checkpoints_of
from pairmill.stage.gateway_access import GatewayAccess
from pairmill.stage.loop import GAVE_UP, LoopSettings, StageLoop
from pairmill.stage.members import member_name
from pairmill.stage.port import Handler
from pairmill.stage.standing import LedgerRegistry, Registry
from pairmill.startup import Startup, startup_of
from pairmill.store.factory import open_store
from pairmill.store.port import ObjectStore
from pairmill.store.settings import S3Config
from pairmill.telemetry.admin import AdminServer
from pairmill.telemetry.bus import BusMetrics, MeasuredBus
from pairmill.telemetry.checks import PingCheck
from pairmill.telemetry.disk import show_scratch
from pairmill.telemetry.expiry import show_expiry
from pairmill.telemetry.metrics import StageMetrics
from pairmill.telemetry.store import MeasuredStore, StoreMetrics
from pairmill.units import DEAD_LETTERS_TOPIC, LEDGER_TOPIC, PROGRESS_TOPIC, STAGE_TOPICS

log = structlog.get_logger(__name__)

_SHARED_TOPICS: Final = (LEDGER_TOPIC, PROGRESS_TOPIC, DEAD_LETTERS_TOPIC)
"""What every stage writes to besides its follow-ups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """What every stage's process needs to know."""

    bus_url: str  # address of the bus, such as sqlite:///folder/bus.db
    store_url: str  # address of the object store, such as file:///folder
    kafka: KafkaConfig = field(default_factory=KafkaConfig)  # for a bus on Kafka
    s3: S3Config = field(default_factory=S3Config)  # for a store on S3
    gateway_target: str = ""  # host:port of the gateway's API, which says what is wanted; unset: the ledger
    gateway: GatewayAccess = field(default_factory=GatewayAccess)  # how the gateway is called
    member: str  # name of this process in its consumer group, the same after a restart
    scratch: Path  # folder for the attempts' private files
    units_in_flight: int = 2  # units at work at once
    waiting_per_partition: int = 4  # tasks in hand of one partition before it is paused
    stop_seconds: float = 20.0  # time to end cleanly after SIGTERM
    give_up_seconds: float | None = None  # end after so long an outage; unset waits for ever
    max_silence_seconds: float = 300.0  # longer without a delivery although messages wait is not live
    admin_host: str = "127.0.0.1"  # address that the admin port listens on; 0.0.0.0 in a container
    admin_port: int = 0  # port of /metrics, /livez and /readyz; 0 takes any free one
    log_level: str = "info"  # debug, info, warning or error
    reason_file: Path | None = None  # where the reason of a final exit is left for the supervisor
    watch_stdin: bool = False  # end when standard input ends: the supervisor is gone
    kill_at: str = ""  # tests only: point:n, ends the process with SIGKILL there


def run_stage(
    config: ServiceConfig,
    handler: Handler,
    *,
    group: str,
    registry: CollectorRegistry,
    pings: Mapping[str, Callable[[], None]] = MappingProxyType({}),
    learn: Callable[[Bus], None] = lambda bus: None,
    own: Sequence[object] = (),
) -> int:
    """Runs a handler as a service until it is told to stop; returns the process's exit code.

    `pings` are asked for readiness besides those of bus and store; each raises while its part is away.
    `learn` asks the bus what the handler has to know of it before the first unit. `own` are the handler's own
    configurations: when the certificates end that they name is shown as well.
    """
    show_expiry(registry, SystemClock(), config, *own)
    with closing(handler), ExitStack() as stack:  # before the last log line: it counts children that ended
        code, protocol_seconds = _run(_opened(config, handler, group, registry, stack), pings, learn)
    log.info("service_stopped", exit_code=code, **cpu_spent(protocol_seconds))
    return code


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """An opened service."""

    config: ServiceConfig
    settings: LoopSettings
    registry: CollectorRegistry
    stack: ExitStack
    clock: Clock
    bus: Bus
    store: ObjectStore
    loop: StageLoop


def _opened(
    config: ServiceConfig, handler: Handler, group: str, registry: CollectorRegistry, stack: ExitStack
) -> _Parts:
    """Opens what a service consists of; nothing of it asks bus or store yet."""
    clock = SystemClock()
    log.info("configured", **redacted(config))
    bus = MeasuredBus(
        stack.enter_context(open_bus(config.bus_url, config.kafka)), BusMetrics(registry), clock
    )
    store = MeasuredStore(
        stack.enter_context(open_store(config.store_url, config.s3)), StoreMetrics(registry, clock)
    )
    show_scratch(registry, config.scratch)
    settings = _loop_settings(config, handler, group)
    loop = StageLoop(
        settings,
        handler,
        bus=bus,
        store=store,
        registry=_registry(config, stack, bus, store, clock),
        clock=clock,
        observer=StageMetrics(registry, stage=handler.stage, clock=clock),
        checkpoints=checkpoints_of(config.kill_at),
    )
    return _Parts(
        config=config,
        settings=settings,
        registry=registry,
        stack=stack,
        clock=clock,
        bus=bus,
        store=store,
        loop=loop,
    )


def _run(
    parts: _Parts, pings: Mapping[str, Callable[[], None]], learn: Callable[[Bus], None]
) -> tuple[int, float]:
    """Returns the exit code and the CPU seconds of this thread, which does nothing but protocol."""
    config, loop, clock = parts.config, parts.loop, parts.clock
    topics = (*parts.settings.topics, *_SHARED_TOPICS)
    startup = startup_of(
        parts.bus, topics, parts.store, clock, parts.registry, learn, give_up_seconds=config.give_up_seconds
    )
    ping_checks = {"bus": parts.bus.ping, "store": parts.store.ping, **pings}
    parts.stack.enter_context(
        AdminServer(
            host=config.admin_host,
            port=config.admin_port,
            registry=parts.registry,
            live={"loop": startup.live(loop.is_live)},
            ready={
                "loop": startup.ready(loop.is_ready),
                **{part: PingCheck(ping, clock) for part, ping in ping_checks.items()},
            },
        )
    )
    stop_on_signals(startup.request_stop, loop.request_stop)
    if config.watch_stdin:
        end_with_parent()
    log.info("service_started", group=parts.settings.group, member=config.member)
    started = time.thread_time()
    code = _work(config, startup, loop)
    return code, time.thread_time() - started


def _work(config: ServiceConfig, startup: Startup, loop: StageLoop) -> int:
    """Waits for what the loop begins with, and runs it."""
    code = loop.run() if startup.wait() else 0
    gave_up = startup.gave_up or loop.gave_up
    if gave_up:
        leave_reason(config.reason_file, gave_up)
    return GAVE_UP if gave_up else code


def _registry(
    config: ServiceConfig, stack: ExitStack, bus: Bus, store: ObjectStore, clock: Clock
) -> Registry:
    """Returns who knows whether units are wanted: the gateway, or on one machine the ledger itself."""
    if not config.gateway_target:
        return LedgerRegistry(bus, store)
    from pairmill.stage.gateway_client import GatewayClient  # gRPC is an extra of its own

    return GatewayRegistry(stack.enter_context(GatewayClient(config.gateway_target, config.gateway)), clock)


def cpu_spent(protocol_seconds: float) -> dict[str, float]:
    """Returns the process's CPU seconds for its last log line, children that have ended included.

    `protocol_seconds` is what the thread took that does nothing but bus, ledger and bookkeeping.
    """
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "protocol_cpu_seconds": round(protocol_seconds, 3),
        "cpu_seconds": round(sum(usage.ru_utime + usage.ru_stime for usage in spent), 3),
        "peak_memory_bytes": peak_memory_bytes(),
    }


def peak_memory_bytes(status: Path = Path("/proc/self/status")) -> int:
    """Returns the most memory that this program had resident.

    Not `ru_maxrss`, where the kernel tells otherwise: that survives exec, so a program that is started by
    a larger one begins with the other's figure.
    """
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)
    except OSError:
        found = None
    kibibytes = int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kibibytes * 1024


def exit_code_of(main: Callable[[Mapping[str, str]], int], env: Mapping[str, str] = os.environ) -> int:
    """Returns main's exit code; 2 with the message on stderr where the configuration is wrong."""
    try:
        return main(env)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        reason_file = env.get("PAIRMILL_REASON_FILE")
        leave_reason(Path(reason_file) if reason_file else None, str(error))
        return 2


def leave_reason(path: Path | None, reason: str) -> None:
    """Writes why the process ends for whoever started it."""
    if path is not None:
        path.write_text(reason)


def end_with_parent() -> None:
    """Ends this process as soon as the one that holds the other end of its standard input is gone."""

    def wait() -> None:
        while os.read(0, 1024):
            pass
        os._exit(1)  # work in hand is repeated by the next run (U2)

    threading.Thread(target=wait, name="parent", daemon=True).start()


def _loop_settings(config: ServiceConfig, handler: Handler, group: str) -> LoopSettings:
    return LoopSettings(
        group=group,
        topics=STAGE_TOPICS[handler.stage],
        member=member_name(config.member),
        scratch=config.scratch,
        units_in_flight=config.units_in_flight,
        waiting_per_partition=config.waiting_per_partition,
        stop_seconds=config.stop_seconds,
        most_silence_seconds=config.kafka.session_timeout_seconds / 2,
        give_up_seconds=config.give_up_seconds,
        max_silence_seconds=config.max_silence_seconds,
    )


def stop_on_signals(*requests: Callable[[], None]) -> None:
    """Lets SIGTERM and SIGINT make each of these requests."""

    def stop(_number: int, _frame: object) -> None:
        for request in requests:
            request()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
