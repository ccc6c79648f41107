"""What the explorer's process needs to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pairmill.rpc.config import RpcConfig
from pairmill.store.settings import S3Config
from pairmill_explorer.http.config import HttpConfig
from pairmill_explorer.open import CoreConfig
from pairmill_explorer.rpc.work import WorkConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplorerConfig:
    """Settings of an explorer."""

    datasets: Mapping[str, str] = field(default_factory=dict)  # name=address each; the first is the default
    store_url: str = ""  # store whose datasets are served besides, once they are indexed: the gateway's
    s3: S3Config = field(default_factory=S3Config)  # for datasets on S3
    core: CoreConfig  # how datasets are opened and searched
    http: HttpConfig = field(default_factory=HttpConfig)  # page, JSON and clip-retrieval's protocol
    rpc: RpcConfig = field(default_factory=RpcConfig)  # the gRPC API
    work: WorkConfig = field(default_factory=WorkConfig)  # how much is done at once
    admin_host: str = "127.0.0.1"  # address that the admin port listens on; 0.0.0.0 in a container
    admin_port: int = 0  # port of /metrics, /livez and /readyz; 0 takes any free one
    log_level: str = "info"  # debug, info, warning or error
    reason_file: Path | None = None  # where the reason of a final exit is left for a supervisor
    watch_stdin: bool = False  # end when standard input ends: the supervisor is gone

    def __post_init__(self) -> None:
        if not (self.datasets or self.store_url):
            raise ValueError(
                "neither datasets nor store_url is set; set one, such as name=s3://bucket/prefix"
            )
        if not (self.http.listen or self.rpc.listen):
            raise ValueError("neither http.listen nor rpc.listen is set; set one, such as 0.0.0.0:7700")
