"""The whole system on this machine: the real servers, and every service as a process of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from deploy.local.commands import python_module, run
from deploy.local.component import STOP_SECONDS, Component
from deploy.local.ending import Ending, end_all
from deploy.local.kafka import KafkaCluster, KafkaOptions, KafkaServer
from deploy.local.layout import Layout
from deploy.local.ports import free_port
from deploy.local.prometheus import PrometheusServer
from deploy.local.s3 import S3Server
from deploy.local.scraping import Target, prepare_config, write_targets
from deploy.local.secret_files import draw_tokens
from deploy.local.service import KILL_AFTER_SECONDS, ServiceProcess, WebServer
from deploy.local.settings import (
    AFTERWARDS,
    BUCKET,
    STAGES,
    Addresses,
    command_env,
    service_env,
    write_command_env,
)
from deploy.local.state import Member, write_members
from deploy.local.triton import TritonServer
from pairmill_models.tiny import bundle_path

READY_SECONDS: Final = 120.0  # for all services together, on a machine that has two cores for all
_HEAP_MEGABYTES: Final = 256  # of each of several brokers
FIRST_GATEWAY: Final = "gateway-0"  # at the address that everybody is told
DEFAULT_MEMBERS: Final[Mapping[str, int]] = {"crawler": 2, "downloader": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A synthetic web that was made before and is to be served."""

    folder: Path
    candidates: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """What a stack is to be."""

    members: Mapping[str, int] = field(default_factory=lambda: dict(DEFAULT_MEMBERS))  # 1 if not named
    partitions: int = 8
    brokers: int = 1  # of Kafka; messages stand on all of them, on three at most
    bundle: Path = field(default_factory=bundle_path)
    world: World | None = None  # served to the downloaders
    service_env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by service
    s3_through: Callable[[str], str] = lambda endpoint: endpoint  # to where services are sent instead
    leashed: bool = True  # whether all ends with this process


class Stack:
    """A stack in a folder. `up`, then `down`, or both as a context manager; used by one thread."""

    def __init__(
        self, root: Path, options: StackOptions | None = None, say: Callable[[str], None] | None = None
    ) -> None:
        """`say` is told what is going on."""
        self.layout = Layout(root.absolute())
        self.options = options or StackOptions()
        self._say = say or (lambda text: None)
        self._started: list[Component] = []
        self.services: dict[str, ServiceProcess] = {}

    def up(self) -> None:
        """Starts everything; what has come up is taken down again where something does not."""
        self.layout.make()
        try:
            self._start_servers()
            self._prepare()
            self._start_services()
        except BaseException:
            self.down()
            raise

    def down(self) -> list[str]:
        """Ends all and removes all but the logs; returns the names that had to be killed."""
        slow = end_all([_ending(component) for component in self._started])
        self._started, self.services = [], {}
        self.layout.clear()
        return slow

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    @property
    def kafka(self) -> KafkaServer:
        """The first broker, in most stacks the only one."""
        return self.brokers[0]

    @property
    def bus_servers(self) -> tuple[str, ...]:
        """All brokers, as host:port."""
        return tuple(broker.address for broker in self.brokers)

    @property
    def command_env(self) -> dict[str, str]:
        """What `pairmill` on the command line needs to speak to this stack."""
        return command_env(self.addresses)

    def note(self) -> None:
        """Writes which processes there are; to be called after one was started again."""
        write_members(self.layout.state, map(_member, self._started))

    def add_member(self, service: str) -> ServiceProcess:
        """Starts one more process of a service, and returns it at once."""
        names = (f"{service}-{number}" for number in itertools.count())
        return self._launch_service(service, next(name for name in names if name not in self.services))

    def _start_servers(self) -> None:
        self._say("starting Kafka, the S3 server and Prometheus")
        self.brokers = self._brokers()
        self.s3 = S3Server(self._data("s3"), log=self._log("s3"), leashed=self.options.leashed)
        config = prepare_config(self._data("prometheus-config"))
        self.prometheus = PrometheusServer(
            self._data("prometheus"), config, log=self._log("prometheus"), leashed=self.options.leashed
        )
        servers = (*self.brokers, self.s3, self.prometheus)
        for server in servers:
            self._launch(server)
        self.web = self._web()
        self._start_triton()
        for server in servers:
            server.wait_ready()

    def _brokers(self) -> list[KafkaServer]:
        folder, leashed = self._data("kafka"), self.options.leashed
        if self.options.brokers == 1:
            return [KafkaServer(folder, log=self._log("kafka"), leashed=leashed)]
        small = KafkaOptions(heap_megabytes=_HEAP_MEGABYTES)
        logs = self._log("kafka").parent
        return KafkaCluster(
            folder, brokers=self.options.brokers, options=small, logs=logs, leashed=leashed
        ).brokers

    def _web(self) -> WebServer | None:
        world = self.options.world
        if world is None:
            return None
        order = {"candidates": world.candidates, "seed": world.seed}
        log, leashed = self._log("web"), self.options.leashed
        web = WebServer(self._data("web"), world.folder, order, log=log, leashed=leashed)
        self._launch(web)
        web.wait_ready()
        return web

    def _start_triton(self) -> None:
        self._say("writing the model repository and starting tritonserver")
        repository = self._data("models")
        self._pairmill("bundle", "triton", self.options.bundle, repository, "--backend", "python")
        self.triton = TritonServer(
            self._data("triton"), repository, log=self._log("triton"), leashed=self.options.leashed
        )
        self._launch(self.triton)
        self.triton.wait_ready()

    def _prepare(self) -> None:
        """Makes what services take for granted: addresses, secrets, topics, the bucket."""
        tokens = draw_tokens(self.layout.secrets)
        bundles = self._data("bundles")
        bundles.mkdir(parents=True)
        bundle = bundles / self.options.bundle.name
        bundle.symlink_to(self.options.bundle.absolute())
        self.addresses = Addresses(
            bus_url=f"kafka://{','.join(self.bus_servers)}",
            s3_endpoint=self.options.s3_through(self.s3.endpoint),
            s3_credentials_file=self.s3.credentials_file,
            triton=self.triton.address,
            api=f"127.0.0.1:{free_port()}",
            explorer=f"127.0.0.1:{free_port()}",
            explorer_api=f"127.0.0.1:{free_port()}",
            tokens_file=tokens.known,
            stage_token_file=tokens.stages,
            user_token_file=tokens.user,
            bundles=bundles,
            bundle=bundle,
        )
        self.s3.make_bucket(BUCKET)
        write_command_env(self.layout.env, self.command_env)
        self._say("applying the topics")
        self._pairmill(
            *("topics", "apply", "--partitions", self.options.partitions),
            *("--replication", min(3, self.options.brokers)),
            **self.command_env,
        )

    def _start_services(self) -> None:
        self._say("starting the services")
        for service in ("gateway", *STAGES, *AFTERWARDS):
            for number in range(self.options.members.get(service, 1)):
                self._launch_service(service, f"{service}-{number}")
        for process in self.services.values():
            process.wait_ready(seconds=READY_SECONDS)

    def _launch_service(self, service: str, member: str) -> ServiceProcess:
        extra = dict(self.options.service_env.get(service, {}))
        if service == "gateway" and member != FIRST_GATEWAY:
            extra = {"PAIRMILL_RPC__LISTEN": f"127.0.0.1:{free_port()}", **extra}
        if service == "downloader" and self.web is not None:
            extra = {**self.web.downloader_env(), **extra}
        process = ServiceProcess(
            member,
            service,
            self.layout.scratch / member,
            service_env(self.addresses, service, extra),
            log=self._log(member),
            leashed=self.options.leashed,
        )
        self.services[member] = process
        self._launch(process)
        self._write_targets()
        return process

    def _launch(self, component: Component) -> None:
        component.launch()
        self._started.append(component)
        self.note()

    def _write_targets(self) -> None:
        folder = self.prometheus.config.parent
        found = [
            Target(address=process.address, labels={"service": process.service, "member": name})
            for name, process in self.services.items()
        ]
        write_targets(folder, "pairmill", found)
        triton = Target(address=self.triton.metrics_address, labels={"service": "triton"})
        write_targets(folder, "triton", [triton])

    def _pairmill(self, *arguments: object, **env: str) -> str:
        """Runs the command as a user would."""
        return run(python_module("pairmill_standalone", *arguments), env=env)

    def _data(self, name: str) -> Path:
        return self.layout.data / name

    def _log(self, name: str) -> Path:
        return self.layout.log(name)


def _member(component: Component) -> Member:
    ending = _ending(component)
    return Member(
        name=component.name,
        pid=component.pid,
        started=component.running.started,
        address=component.address,
        ready_url=component.ready_url,
        log=str(component.log_path),
        stop_seconds=ending.seconds,
        is_service=ending.is_service,
    )


def _ending(component: Component) -> Ending:
    is_service = isinstance(component, ServiceProcess)
    return Ending(
        name=component.name,
        running=component.running,
        seconds=KILL_AFTER_SECONDS if is_service else STOP_SECONDS,
        is_service=is_service,
    )
