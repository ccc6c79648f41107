"""What `download_table` is asked to do. Names follow img2dataset where it has one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pairmill.errors import ConfigurationError
from pairmill.jobspec.profiles import ALL_FORMATS, MAX_PIXELS, profile
from pairmill.reasons import RULES_VERSION
from pairmill_downloader.config import DownloaderConfig
from pairmill_protos.job.v1.job_pb2 import DownloadRules, ImageRules, ResizeMode

RESIZE_MODES: Final = ("keep_ratio", "keep_ratio_largest", "center_crop", "border", "no")
OUTPUT_FORMATS: Final = ("webdataset", "files", "parquet", "dummy")
ENCODE_FORMATS: Final = ("jpg", "png", "webp")
_NOT_IN_RESULT: Final = frozenset(
    {"tables", "out", "config", "connections", "shards_in_flight", "timeout", "retries", "host_delay_seconds"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRequest:
    """A table of URLs and texts, and what is to be made of it."""

    tables: Sequence[Path]  # parquet, CSV, TSV, JSONL, JSON or text files, .gz too, or folders of them
    out: Path
    url_column: str = "url"
    caption_column: str | None = None
    save_additional_columns: Sequence[str] = ()
    samples_per_shard: int = 10_000
    output_format: str = "webdataset"  # one of OUTPUT_FORMATS
    image_size: int = 384
    resize_mode: str = "keep_ratio"  # one of RESIZE_MODES
    resize_only_if_bigger: bool = True
    encode_format: str = "jpg"  # one of ENCODE_FORMATS
    encode_quality: int = 95
    skip_reencode: bool = False
    min_image_size: int = 0  # pixels, of the shorter side
    max_image_pixels: int = MAX_PIXELS
    max_aspect_ratio: float | None = None
    formats: Sequence[str] = ALL_FORMATS
    retries: int = 0  # after the first attempt
    timeout: float = 30.0  # seconds for a whole exchange
    max_body_bytes: int = 20 * 2**20
    user_agent_token: str | None = None
    user_agent: str | None = None
    disallowed_header_directives: Sequence[str] | None = None  # None is the default profile's
    honour_robots: bool = True
    host_delay_seconds: float | None = None  # None is the default profile's
    host_connections: int | None = None
    connections: int = 128  # requests in flight per shard
    shards_in_flight: int = 2
    config: DownloaderConfig = field(default_factory=DownloaderConfig)

    def image_rules(self) -> ImageRules:
        """Returns the rules for images."""
        rules = profile("everything").image
        rules.image_size = self.image_size
        rules.resize_mode = ResizeMode.Value(f"RESIZE_MODE_{self.resize_mode.upper()}")
        rules.only_shrink = self.resize_only_if_bigger
        rules.encode_format = self.encode_format
        rules.jpeg_quality = self.encode_quality
        rules.skip_reencode = self.skip_reencode
        rules.min_side = max(1, self.min_image_size)
        rules.max_pixels = self.max_image_pixels
        del rules.formats[:]
        rules.formats.extend(self.formats)
        if self.max_aspect_ratio is not None:
            rules.max_aspect_ratio = self.max_aspect_ratio
        return rules

    def download_rules(self) -> DownloadRules:
        """Returns the rules for fetching: one round, in which every row ends."""
        rules = profile("default").download
        del rules.retry_delay_seconds[:]
        rules.max_attempts = 1 + self.retries
        rules.deadline_seconds = self.timeout
        rules.connect_timeout_seconds = min(rules.connect_timeout_seconds, self.timeout)
        rules.first_byte_timeout_seconds = min(rules.first_byte_timeout_seconds, self.timeout)
        rules.max_body_bytes = self.max_body_bytes
        rules.min_body_bytes = 0
        rules.unit_connections = self.connections
        rules.honour_robots = self.honour_robots
        rules.user_agent = self.user_agent or rules.user_agent
        rules.user_agent_token = self.user_agent_token or rules.user_agent_token
        if self.host_delay_seconds is not None:
            rules.host_delay_seconds = self.host_delay_seconds
        if self.host_connections is not None:
            rules.host_connections = self.host_connections
        if self.disallowed_header_directives is not None:
            del rules.forbidding_directives[:]
            rules.forbidding_directives.extend(self.disallowed_header_directives)
        return rules

    def identity(self) -> dict[str, Any]:
        """Returns what the finished shards depend on: a resume with anything else is refused."""
        fields = (one.name for one in dataclasses.fields(self) if one.name not in _NOT_IN_RESULT)
        known = {name: _plain(getattr(self, name)) for name in fields}
        return known | {
            "tables": [str(path.resolve()) for path in self.tables],
            "rules_version": RULES_VERSION,
        }


def check_request(request: TableRequest) -> None:
    """Raises ConfigurationError with everything that is wrong, each with the option's name."""
    problems = [
        *_choice("--resize-mode", request.resize_mode, RESIZE_MODES),
        *_choice("--output-format", request.output_format, OUTPUT_FORMATS),
        *_choice("--encode-format", request.encode_format, ENCODE_FORMATS),
        *(problem for name in request.formats for problem in _choice("--formats", name, ALL_FORMATS)),
        *_least("--samples-per-shard", request.samples_per_shard, 1),
        *_least("--image-size", request.image_size, 1),
        *_least("--retries", request.retries, 0),
        *_least("--connections", request.connections, 1),
        *_least("--shards-in-flight", request.shards_in_flight, 1),
        *_least("--encode-quality", request.encode_quality, 1),
        *_least("--max-image-pixels", request.max_image_pixels, 1),
    ]
    if request.encode_quality > 100:
        problems.append(f"--encode-quality: {request.encode_quality} is out of range; 1 to 100")
    if request.timeout <= 0:
        problems.append(f"--timeout: {request.timeout:g} is too short; it must be above 0")
    if request.max_aspect_ratio is not None and request.max_aspect_ratio < 1:
        problems.append(f"--max-aspect-ratio: {request.max_aspect_ratio:g} is too small; at least 1")
    if not request.tables:
        problems.append("TABLE: name at least one file or folder")
    problems += [f"TABLE: {path} does not exist" for path in request.tables if not path.exists()]
    if problems:
        raise ConfigurationError("\n".join(problems))


def _choice(name: str, value: str, choices: Sequence[str]) -> list[str]:
    return [] if value in choices else [f"{name}: {value!r} is none of: {', '.join(choices)}"]


def _least(name: str, value: float, least: float) -> list[str]:
    return [] if value >= least else [f"{name}: {value:g} is too small; at least {least:g}"]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | list) else value
