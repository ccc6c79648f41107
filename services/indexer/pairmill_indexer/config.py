"""What an indexer's process needs to know."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pairmill.bus.settings import KafkaConfig
from pairmill.store.settings import S3Config


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexerConfig:
    """Settings of an indexer. What an index is to be comes with each task."""

    bus_url: str  # address of the bus, such as kafka://kafka-0:9092,kafka-1:9092
    store_url: str  # address of the object store; datasets lie in folders below it
    kafka: KafkaConfig = field(default_factory=KafkaConfig)  # for a bus on Kafka
    s3: S3Config = field(default_factory=S3Config)  # for a store on S3
    member: str  # name of this process among the indexers, the same after a restart
    scratch: Path  # folder with room for the embeddings of the largest dataset twice
    memory_bytes: int = 2 * 2**30  # for a build, and for the inverted lists of the index that it makes
    threads: int = 0  # cores that a build uses; 0 takes all
    max_segments: int = 8  # of a bucket, before additions are merged
    max_attempts: int = 3  # builds that die or fail for no known reason, before a task is set aside
    stop_seconds: float = 20.0  # time to end cleanly after SIGTERM
    max_silence_seconds: float = 300.0  # longer without a delivery although messages wait is not live
    admin_host: str = "127.0.0.1"  # address that the admin port listens on; 0.0.0.0 in a container
    admin_port: int = 0  # port of /metrics, /livez and /readyz; 0 takes any free one
    log_level: str = "info"  # debug, info, warning or error
    reason_file: Path | None = None  # where the reason of a final exit is left for a supervisor
    watch_stdin: bool = False  # end when standard input ends: the supervisor is gone
