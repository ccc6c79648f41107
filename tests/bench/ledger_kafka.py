"""A job's state rebuilt from its ledger on a real broker; `python -m tests.bench.ledger_kafka`.

What a gateway does when it starts, over everything that lies between: broker, network, client, walk.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import Final

from deploy.local.kafka import KafkaServer
from pairmill.bus.kafka import KafkaBus
from pairmill.bus.kafka_admin import KafkaAdmin
from pairmill.bus.port import Outgoing
from pairmill.bus.settings import KafkaConfig
from pairmill.ledger.follower import JobFollower
from pairmill.units import LEDGER_TOPIC, PROGRESS_TOPIC
from tests.bench.figures import Column, Figure, Result, Sample, plain_table
from tests.bench.isolated import in_own_process, metered
from tests.bench.ledger_records import admission, read_values, write_records
from tests.bench.machine import machine_line
from tests.fakes.store import MemoryStore

UNITS: Final = 1_000_000
PUBLISHED_AT_ONCE: Final = 5_000

RECORDS: Final = Figure("records walked", "")
UNIT_BYTES: Final = Figure("peak memory, process, per unit", "bytes")


def publish(servers: tuple[str, ...], path: Path, units: int) -> None:
    """Publishes the records of a file on the topic `ledger`."""
    key, values = admission(units).spec.job_id.encode(), read_values(path)
    with KafkaBus(servers, KafkaConfig()) as bus:
        while batch := list(islice(values, PUBLISHED_AT_ONCE)):
            bus.publish([Outgoing(topic=LEDGER_TOPIC, partition=0, key=key, value=value) for value in batch])


def rebuild(servers: tuple[str, ...], units: int) -> Sample:
    """Rebuilds the job's state; returns what that took."""
    admitted, store = admission(units), MemoryStore()
    for key, data in admitted.objects.items():
        store.put(key, data)

    def follow() -> JobFollower:
        follower = JobFollower(bus, store, admitted.spec_ref)
        follower.catch_up()
        follower.walk.take_expected()
        return follower

    with KafkaBus(servers, KafkaConfig()) as bus:
        follower, usage = metered(follow)
    records = follower.last_place() + 1
    return {**usage.figures(), RECORDS: records, UNIT_BYTES: usage.own_bytes / records}


def measure(folder: Path, units: int, records: Path) -> Sample:
    """Starts a broker, fills its ledger from a file, and rebuilds the state in a fresh process."""
    with KafkaServer(folder / "kafka") as kafka:
        servers = (kafka.address,)
        with KafkaAdmin(servers, KafkaConfig()) as admin:
            for topic in (LEDGER_TOPIC, PROGRESS_TOPIC):
                admin.create_topic(topic, 1)
        in_own_process(publish, servers, records, units)
        return in_own_process(rebuild, servers, units)


def main() -> int:
    """Measures one size and prints the figures; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ledger_kafka", description=__doc__)
    parser.add_argument("--units", type=int, default=UNITS, help="size of the job")
    parser.add_argument("--records", type=Path, metavar="FILE", help="keep the ledger here, and reuse it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = options.records or Path(folder, "records")
        if not path.exists():
            in_own_process(write_records, path, options.units)
        sample = measure(Path(folder), options.units, path)
    columns = [Column(label=f"{options.units:,} units", samples=[sample])]
    result = Result(name="ledger-kafka", setup="a job's state rebuilt from a broker", columns=columns)
    sys.stdout.write(f"{plain_table(result)}\n{machine_line()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
