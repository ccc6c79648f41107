"""`pairmill download`: a table of URLs and texts to shards, as img2dataset does it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pairmill_standalone.cli.count_view import Show, count_view
from pairmill_standalone.cli.exits import Exit, complain, errors_as_exits, say, say_json
from pairmill_standalone.cli.options import AllowNetwork, ConnectTo, Json
from pairmill_standalone.cli.tables import print_counts

if TYPE_CHECKING:
    from pairmill_downloader.table import TableProgress, TableSummary
    from pairmill_downloader.table_request import TableRequest

Tables = Annotated[
    list[Path],
    typer.Argument(metavar="TABLE", help="Parquet, CSV, TSV, JSONL, JSON or text files, or folders."),
]
Target = Annotated[Path, typer.Option("--out", help="Folder for the shards; the same call goes on.")]
UrlColumn = Annotated[str, typer.Option(help="Column with the addresses.")]
CaptionColumn = Annotated[str | None, typer.Option(help="Column with the texts.")]
Additional = Annotated[list[str] | None, typer.Option(help="A column to carry into the output. Repeatable.")]
PerShard = Annotated[int, typer.Option(help="Rows of the table per shard.")]
OutputFormat = Annotated[str, typer.Option(help="webdataset, files, parquet or dummy.")]
ImageSize = Annotated[int, typer.Option(help="Pixels, for --resize-mode.")]
ResizeMode = Annotated[str, typer.Option(help="keep_ratio, keep_ratio_largest, center_crop, border or no.")]
OnlyIfBigger = Annotated[bool, typer.Option(help="Whether images are only ever shrunk.")]
EncodeFormat = Annotated[str, typer.Option(help="jpg, png or webp.")]
EncodeQuality = Annotated[int, typer.Option(help="1 to 100.")]
SkipReencode = Annotated[bool, typer.Option(help="Store the fetched bytes where nothing is resized.")]
MinSize = Annotated[int, typer.Option(help="Least pixels of the shorter side.")]
MaxRatio = Annotated[float | None, typer.Option(help="Most ratio of the longer to the shorter side.")]
Retries = Annotated[int, typer.Option(help="Attempts after the first one.")]
Timeout = Annotated[float, typer.Option(help="Seconds for one address, redirects included.")]
AgentToken = Annotated[
    str | None, typer.Option(help="Product token looked up in robots.txt and X-Robots-Tag.")
]
Directives = Annotated[
    list[str] | None,
    typer.Option(help="An X-Robots-Tag directive that forbids use; the careful set if not given."),
]
HostDelay = Annotated[
    float | None, typer.Option(help="Least seconds between two requests to one host; 0.5 if not given.")
]
Connections = Annotated[int, typer.Option(help="Requests in flight per shard.")]
ShardsInFlight = Annotated[int, typer.Option(help="Shards at work at once.")]
Decoders = Annotated[int, typer.Option(min=1, help="Processes that decode and resize.")]


def download(
    tables: Tables,
    out: Target,
    url_column: UrlColumn = "url",
    caption_column: CaptionColumn = None,
    save_additional_columns: Additional = None,
    samples_per_shard: PerShard = 10_000,
    output_format: OutputFormat = "webdataset",
    image_size: ImageSize = 384,
    resize_mode: ResizeMode = "keep_ratio",
    resize_only_if_bigger: OnlyIfBigger = True,
    encode_format: EncodeFormat = "jpg",
    encode_quality: EncodeQuality = 95,
    skip_reencode: SkipReencode = False,
    min_image_size: MinSize = 0,
    max_aspect_ratio: MaxRatio = None,
    retries: Retries = 0,
    timeout: Timeout = 30.0,
    user_agent_token: AgentToken = None,
    disallowed_header_directives: Directives = None,
    host_delay_seconds: HostDelay = None,
    connections: Connections = 128,
    shards_in_flight: ShardsInFlight = 2,
    decode_processes: Decoders = 2,
    allow_network: AllowNetwork = None,
    connect_to: ConnectTo = None,
    as_json: Json = False,
) -> None:
    """Download a table of URLs and texts to shards, one row per row of the table.

    Options are img2dataset's where it has them. robots.txt and opt-outs are honoured, each host sees
    one polite client. Ctrl-C stops cleanly; the same call goes on with the shards that are missing.

    Example: pairmill download links.parquet --url-column url --caption-column text --out shards
    """
    options = dict(locals())
    with errors_as_exits():
        request = table_request(options)
        with stop_event() as stop, count_view("downloading") as show:
            summary = _run(request, show, stop)
        _tell(summary, out, as_json=as_json)


def table_request(options: dict[str, object]) -> TableRequest:
    """Returns the request that the command's options make; raises ConfigurationError for bad networks."""
    from pairmill.config import read_config
    from pairmill_downloader.config import DownloaderConfig
    from pairmill_downloader.table_request import TableRequest
    from pairmill_standalone.cli.run import downloader_env

    del options["as_json"]
    networks, routes = options.pop("allow_network"), options.pop("connect_to")
    env = dict(downloader_env(_texts(networks), _texts(routes)))
    env["PAIRMILL_DECODE_PROCESSES"] = str(options.pop("decode_processes"))
    options["save_additional_columns"] = tuple(_texts(options["save_additional_columns"]))
    return TableRequest(**options, config=read_config(DownloaderConfig, env))  # type: ignore[arg-type] # names are equal, and typer checked the types


def _texts(values: object) -> list[str]:
    return [str(value) for value in values] if isinstance(values, list | tuple) else []


def _run(request: TableRequest, show: Show, stop: threading.Event) -> TableSummary:
    from pairmill_downloader.table import download_table

    def progress(now: TableProgress) -> None:
        show(now.rows, now.rows_in_all or 0, f"{now.successes:,} images")

    return download_table(request, progress, stop)


def _tell(summary: TableSummary, out: Path, *, as_json: bool) -> None:
    if as_json:
        say_json(
            {
                "out": str(out),
                "rows": summary.rows,
                "successes": summary.successes,
                "failed": dict(summary.failed),
                "shards": summary.shards,
                "stopped": summary.stopped,
            }
        )
    else:
        say(f"{summary.successes:,} of {summary.rows:,} rows in {summary.shards:,} shards in {out}")
        if summary.failed:
            print_counts("not downloaded:", summary.failed)
    if summary.stopped:
        complain("interrupted; the same command goes on from here")
        raise typer.Exit(Exit.INTERRUPTED)


@contextmanager
def stop_event() -> Iterator[threading.Event]:
    """Gives an event that the first Ctrl-C sets; the second one interrupts at once."""
    stop = threading.Event()

    def note(_number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
