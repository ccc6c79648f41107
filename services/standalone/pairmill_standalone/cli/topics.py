"""`pairmill topics`: the topics of a Kafka cluster, as they are declared."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from pairmill.config import read_config
from pairmill.errors import ConfigurationError
from pairmill_standalone.cli.exits import answer, errors_as_exits, say, say_json
from pairmill_standalone.cli.options import Json

if TYPE_CHECKING:
    from pairmill.bus.kafka_admin import KafkaAdmin
    from pairmill.bus.kafka_topics import Difference
    from pairmill.bus.topic_declarations import Declarations

topics_app = typer.Typer(no_args_is_help=True, help="The topics of a Kafka cluster, as they are declared.")

_KAFKA: Final = "kafka://"

BusUrl = Annotated[
    str | None,
    typer.Option(
        "--bus-url",
        help="kafka://host:port,…; PAIRMILL_BUS_URL if not given. TLS and SASL stand in PAIRMILL_KAFKA__….",
    ),
]
Partitions = Annotated[
    int | None,
    typer.Option(
        "--partitions", min=1, help="Of each topic of tasks; as many as there are, or the file says."
    ),
]
Replication = Annotated[
    int | None,
    typer.Option("--replication", min=1, help="Brokers that hold each message; 3 or all for new topics."),
]
File = Annotated[
    Path | None, typer.Option("--file", help="Declarations to use in place of those that ship with Pairmill.")
]


@topics_app.command()
def apply(
    bus_url: BusUrl = None,
    partitions: Partitions = None,
    replication: Replication = None,
    file: File = None,
    as_json: Json = False,
) -> None:
    """Create the topics that are missing, and give the others the settings that are declared.

    Topics that are not declared are left alone, and so are settings that no declaration names.

    Example: pairmill topics apply --bus-url kafka://localhost:9092 --partitions 48
    """
    from pairmill.bus.kafka_topics import apply_declarations

    with errors_as_exits(), _admin(bus_url) as admin:
        declarations = _declarations(admin, partitions, file)
        found = apply_declarations(admin, declarations, replication=replication)
        _show(found, as_json, nothing=f"{len(declarations.topics)} topics were as declared")


@topics_app.command()
def check(
    bus_url: BusUrl = None,
    partitions: Partitions = None,
    replication: Replication = None,
    file: File = None,
    as_json: Json = False,
) -> None:
    """Say how the topics differ from what is declared, and change nothing; exit 1 if they do.

    Example: pairmill topics check --bus-url kafka://localhost:9092
    """
    from pairmill.bus.kafka_topics import find_differences

    with errors_as_exits(), _admin(bus_url) as admin:
        declarations = _declarations(admin, partitions, file)
        found = find_differences(admin, declarations, replication=replication)
        _show(found, as_json, nothing=f"{len(declarations.topics)} topics are as declared")
        answer(not found)


def _admin(bus_url: str | None, env: Mapping[str, str] = os.environ) -> KafkaAdmin:
    from pairmill.bus.kafka_admin import KafkaAdmin
    from pairmill.bus.settings import KafkaConfig

    url = bus_url or env.get("PAIRMILL_BUS_URL", "")
    if not url.startswith(_KAFKA):
        raise ConfigurationError(f"--bus-url: {url!r} is no Kafka cluster; give kafka://host:port")
    config = read_config(KafkaConfig, env, "PAIRMILL_KAFKA__")
    return KafkaAdmin(tuple(url.removeprefix(_KAFKA).split(",")), config)


def _declarations(admin: KafkaAdmin, partitions: int | None, file: Path | None) -> Declarations:
    """Returns the declarations with the number of partitions asked for, or else the one there is."""
    from pairmill.bus.kafka_topics import present_work_partitions
    from pairmill.bus.topic_declarations import read_declarations

    declared = read_declarations(partitions, file)
    present = None if partitions is not None else present_work_partitions(admin, declared)
    return declared if present is None else read_declarations(present, file)


def _show(found: Sequence[Difference], as_json: bool, *, nothing: str) -> None:
    rows = [(each.topic, each.what, each.present, each.declared, each.remedy.value) for each in found]
    if as_json:
        names = ("topic", "what", "present", "declared", "remedy")
        say_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    if not rows:
        say(nothing)
        return
    table = Table("topic", "what", "present", "declared", "remedy")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
