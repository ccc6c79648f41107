"""What the gateway's process needs to know."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pairmill.bus.settings import KafkaConfig
from pairmill.rpc.config import RpcConfig
from pairmill.store.settings import S3Config


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """Settings of a gateway that drives one job on this machine."""

    bus_url: str  # address of the bus, such as sqlite:///folder/bus.db
    store_url: str  # address of the object store, such as file:///folder
    spec_key: str  # object that holds the job's spec
    spec_sha256: str  # its SHA-256, hex
    spec_bytes: int  # its size
    status_file: Path  # where the latest status is written for whoever watches
    scratch: Path  # folder for what is put together when the job ends
    reissue_after_seconds: float = 30.0  # silence after which a lost unit is handed out again
    poll_seconds: float = 0.25  # longest pause between two looks at the ledger while nothing happens
    give_up_seconds: float | None = None  # end after so long an outage; unset waits for ever
    admin_host: str = "127.0.0.1"  # address that the admin port listens on; 0.0.0.0 in a container
    admin_port: int = 0  # port of /metrics, /livez and /readyz; 0 takes any free one
    log_level: str = "info"  # debug, info, warning or error
    reason_file: Path | None = None  # where the reason of a final exit is left for the supervisor
    watch_stdin: bool = False  # end when standard input ends: the supervisor is gone
    kill_at: str = ""  # tests only: point:n, ends the process with SIGKILL there


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterConfig:
    """Settings of a gateway that drives all jobs of a cluster."""

    bus_url: str  # address of the bus, such as kafka://kafka-0:9092,kafka-1:9092
    store_url: str  # address of the object store; datasets lie in folders below it
    kafka: KafkaConfig = field(default_factory=KafkaConfig)  # for a bus on Kafka
    s3: S3Config = field(default_factory=S3Config)  # for a store on S3
    rpc: RpcConfig = field(default_factory=RpcConfig)  # the API
    member: str  # name of this process among the gateways, the same after a restart
    bundles: Path  # folder whose folders are the model bundles that jobs may name
    scratch: Path  # folder for what is put together when a job ends
    max_wats: int = 100_000  # WATs of one job
    max_running_jobs: int = 100  # jobs that have not ended; more are refused for the time being
    reissue_after_seconds: float = 60.0  # silence after which a lost unit is handed out again
    poll_seconds: float = 0.25  # longest pause between two looks where the bus does not tell of news
    absent_after_seconds: float = 1800.0  # without a member of a group before its jobs show as blocked
    sweep_again_seconds: float = 86_400.0  # from a job's end to the last sweep, for what stages wrote late
    keep_ledger: bool = False  # whether the topic keeps records that no job needs any more
    index_finished: bool = True  # whether datasets that were finished get an index
    index_only_kept: bool = False  # whether samples that were filtered are left out of it
    index_min_recall: float = 0.9  # recall@10 against exact search below which an index is refused
    index_latency_ms: float = 10.0  # of a query over one segment of it, the 95th percentile
    chores_at_once: int = 2  # jobs whose last files are written, or whose leavings are swept, at once
    admin_host: str = "127.0.0.1"  # address that the admin port listens on; 0.0.0.0 in a container
    admin_port: int = 0  # port of /metrics, /livez and /readyz; 0 takes any free one
    log_level: str = "info"  # debug, info, warning or error
    reason_file: Path | None = None  # where the reason of a final exit is left for a supervisor
    watch_stdin: bool = False  # end when standard input ends: the supervisor is gone
    kill_at: str = ""  # tests only: point:n, ends the process with SIGKILL there
