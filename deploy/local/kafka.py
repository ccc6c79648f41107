"""Apache Kafka brokers without ZooKeeper, each its own controller as well."""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from deploy.local.cache import Cache
from deploy.local.commands import require, run
from deploy.local.component import Component, Program
from deploy.local.ports import free_port

VERSION: Final = "4.3.1"
SLF4J_VERSION: Final = "1.7.36"  # the broker logs nothing without a binding
CLIENT: Final = "CLIENT"  # the listener that every broker has, in plain text
_CONTROLLER: Final = "CONTROLLER"
_STARTED: Final = "Kafka Server started"  # said once the broker is no longer fenced
_JAVA: Final = "install Java 17 or newer, on Debian: apt-get install openjdk-17-jre-headless"
_MAVEN: Final = "install Maven, on Debian: apt-get install maven"

_POM: Final = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>kafka</artifactId><version>{VERSION}</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>{SLF4J_VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaOptions:
    """What a broker may have besides the listener in plain text."""

    listeners: Mapping[str, str] = field(default_factory=dict)  # name, as SECURE, to protocol, as SASL_SSL
    properties: Mapping[str, str] = field(default_factory=dict)  # lines of server.properties, the last word
    format_arguments: Sequence[str] = ()  # for the first formatting, such as --add-scram and its value
    heap_megabytes: int = 384


@dataclass(frozen=True, slots=True, kw_only=True)
class Quorum:
    """The brokers of one cluster, by node id."""

    cluster_id: str
    controllers: Mapping[int, str]  # host:port
    directories: Mapping[int, str]  # ids of their data folders


def fetch_kafka(cache: Cache | None = None) -> Path:
    """Returns the folder with Kafka's jars, fetched by Maven where it is not there."""
    require("java", used_for="Kafka", remedy=_JAVA)
    return (cache or Cache.of_user()).provide(f"kafka-{VERSION}", _fetch) / "lib"


def _fetch(folder: Path) -> None:
    maven = require("mvn", used_for="fetching Kafka", remedy=_MAVEN)
    (folder / "pom.xml").write_text(_POM)
    run([maven, "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"], cwd=folder)


class KafkaServer(Component):
    """One broker, which is its own controller or one of several; topics are not made by asking for them."""

    def __init__(
        self,
        folder: Path,
        *,
        options: KafkaOptions | None = None,
        node: int = 1,
        quorum: Quorum | None = None,
        jars: Path | None = None,
        log: Path | None = None,
        leashed: bool = True,
    ) -> None:
        """Fetches Kafka where it is not there; `quorum` is given for brokers of a larger cluster."""
        super().__init__("kafka" if quorum is None else f"kafka-{node}", folder, log=log, leashed=leashed)
        self._jars = jars or fetch_kafka()
        self._options = options or KafkaOptions()
        self._node = node
        self._quorum = quorum or new_quorum(1, first=node)
        self._ports = {name: free_port() for name in (CLIENT, *self._options.listeners)}

    @property
    def address(self) -> str:
        """The listener in plain text."""
        return self.listener(CLIENT)

    @property
    def bus_url(self) -> str:
        """Address of the bus, as services take it."""
        return f"kafka://{self.address}"

    def listener(self, name: str) -> str:
        """Returns host:port of a listener of the options."""
        return f"127.0.0.1:{self._ports[name]}"

    def prepare(self) -> None:
        """Writes server.properties anew, and formats the data folder at the first start."""
        super().prepare()
        properties = self.folder / "server.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in self._properties().items()))
        if not (self.folder / "data" / "meta.properties").exists():
            run([*self._java(64), "kafka.tools.StorageTool", *self._format_arguments(properties)])

    def program(self) -> Program:
        """Returns the broker's command."""
        command = [*self._java(self._options.heap_megabytes), "kafka.Kafka", "server.properties"]
        return Program(command=command)

    def is_ready(self) -> bool:
        """Returns whether the broker has said that it serves."""
        return _STARTED in self.log()

    def _java(self, megabytes: int) -> list[str | Path]:
        return [
            require("java", used_for="Kafka", remedy=_JAVA),
            f"-Xmx{megabytes}m",
            "-XX:+UseSerialGC",  # fewest threads: the machine is shared with all the others
            "-XX:TieredStopAtLevel=1",  # starts sooner
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS",
            "-cp",
            f"{self._jars}/*",
        ]

    def _format_arguments(self, properties: Path) -> list[str | Path]:
        quorum = self._quorum
        if len(quorum.controllers) == 1:
            members = ["--standalone"]
        else:
            found = (f"{n}@{at}:{quorum.directories[n]}" for n, at in quorum.controllers.items())
            members = ["--initial-controllers", ",".join(found)]
        extra = self._options.format_arguments
        return ["format", *members, "-t", quorum.cluster_id, "-c", properties, *extra]

    def _properties(self) -> dict[str, str]:
        copies = min(3, len(self._quorum.controllers))
        listeners = {name: self.listener(name) for name in self._ports}
        protocols = {_CONTROLLER: "PLAINTEXT", CLIENT: "PLAINTEXT", **self._options.listeners}
        all_listeners = {**listeners, _CONTROLLER: self._quorum.controllers[self._node]}
        return {
            "process.roles": "broker,controller",
            "node.id": str(self._node),
            "controller.quorum.bootstrap.servers": ",".join(self._quorum.controllers.values()),
            "controller.listener.names": _CONTROLLER,
            "inter.broker.listener.name": CLIENT,
            "listeners": ",".join(f"{name}://{at}" for name, at in all_listeners.items()),
            "advertised.listeners": ",".join(f"{name}://{at}" for name, at in listeners.items()),
            "listener.security.protocol.map": ",".join(f"{name}:{p}" for name, p in protocols.items()),
            "log.dirs": str(self.folder / "data"),
            "auto.create.topics.enable": "false",  # U19: clients never create topics
            "unclean.leader.election.enable": "false",
            "offsets.topic.replication.factor": str(copies),
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": str(copies),
            "transaction.state.log.min.isr": str(min(2, copies)),
            "transaction.state.log.num.partitions": "1",
            "group.initial.rebalance.delay.ms": "0",
            "broker.heartbeat.interval.ms": "500",
            "broker.session.timeout.ms": "4000",  # a killed broker is let in again once its old self is dead
            "group.min.session.timeout.ms": "1000",  # tests do not wait six seconds for a death
            "log.cleaner.dedupe.buffer.size": str(4 * 2**20),
            **self._options.properties,
        }


class KafkaCluster:
    """Several brokers, started together and stopped one by one. As a context manager: up, then down."""

    def __init__(
        self,
        folder: Path,
        *,
        brokers: int = 3,
        options: KafkaOptions | None = None,
        jars: Path | None = None,
        logs: Path | None = None,
        leashed: bool = True,
    ) -> None:
        """`logs` is a folder for a log of each broker, by default its own."""
        quorum = new_quorum(brokers)
        self.brokers = [
            KafkaServer(
                folder / str(node),
                options=options,
                node=node,
                quorum=quorum,
                jars=jars,
                log=None if logs is None else logs / f"kafka-{node}.log",
                leashed=leashed,
            )
            for node in quorum.controllers
        ]

    def broker(self, node: int) -> KafkaServer:
        """Returns the broker of a node id, as clients name it."""
        return self.brokers[node - 1]

    @property
    def servers(self) -> tuple[str, ...]:
        """The brokers' listeners in plain text."""
        return tuple(broker.address for broker in self.brokers)

    @property
    def bus_url(self) -> str:
        """Address of the bus, as services take it."""
        return f"kafka://{','.join(self.servers)}"

    def start(self) -> KafkaCluster:
        """Starts all brokers and waits until each serves."""
        try:
            for broker in self.brokers:
                broker.launch()
            for broker in self.brokers:
                broker.wait_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """Ends all brokers; the last ones have no quorum to hand over to, so they get little time."""
        for number, broker in enumerate(self.brokers):
            broker.stop(seconds=20.0 if number == 0 else 3.0)

    def kill(self) -> None:
        """Ends all brokers as a crash would."""
        for broker in self.brokers:
            broker.kill()

    def __enter__(self) -> KafkaCluster:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def new_quorum(size: int, *, first: int = 1) -> Quorum:
    """Returns a new cluster of so many nodes, their ports on the loopback."""
    nodes = range(first, first + size)
    return Quorum(
        cluster_id=_kafka_uuid(),
        controllers={node: f"127.0.0.1:{free_port()}" for node in nodes},
        directories={node: _kafka_uuid() for node in nodes},
    )


def _kafka_uuid() -> str:
    """Returns a random id as Kafka writes them; one that begins with a dash would read as an option."""
    text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return secrets.choice("ABCDEFGH") + text[1:] if text.startswith("-") else text
