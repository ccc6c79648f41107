"""`pairmill index`: kNN indices of a dataset, built, added to, removed from, compacted, checked."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pairmill.dataset.reader import Dataset
from pairmill.errors import ConfigurationError, CorruptObjectError
from pairmill.idarrays import Words, words_of_bytes
from pairmill.ids import ID_BYTES, from_hex
from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectStore
from pairmill_index.manifest import IndexVersion
from pairmill_standalone.cli.exits import answer, errors_as_exits, say, say_json
from pairmill_standalone.cli.index_view import (
    build_progress,
    check_facts,
    index_facts,
    print_check,
    print_index,
)
from pairmill_standalone.cli.options import Json, Place
from pairmill_standalone.cli.places import opened_place
from pairmill_standalone.cli.sizes import bytes_of_size
from pairmill_standalone.workspace import STATE_FOLDER

index_app = typer.Typer(
    no_args_is_help=True, help="kNN indices of a dataset: built, added to, removed from, compacted, checked."
)

Scratch = Annotated[
    Path | None,
    typer.Option(
        "--scratch",
        help="Folder with room for the embeddings twice; the dataset's .pairmill if not given, or that of "
        "temporary files for a dataset in a bucket.",
    ),
]
Threads = Annotated[int, typer.Option("--threads", min=0, help="Cores to use; 0 for all.")]
Keep = Annotated[
    int, typer.Option("--keep", min=1, help="Versions to keep; files of older ones are deleted.")
]


@index_app.command()
def build(
    place: Place,
    memory: Annotated[
        str, typer.Option("--memory", help="Memory for all inverted lists, and for the build: 2GB, 512MB.")
    ] = "2GB",
    latency_ms: Annotated[
        float, typer.Option("--latency-ms", min=0.01, help="Milliseconds that a query may take, 95 of 100.")
    ] = 10.0,
    min_recall: Annotated[
        float, typer.Option("--min-recall", min=0, max=1, help="Recall@10 below which it is refused.")
    ] = 0.9,
    only_kept: Annotated[
        bool, typer.Option("--only-kept", help="Leave out samples that were filtered.")
    ] = False,
    keep: Keep = 2,
    scratch: Scratch = None,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Build an index of all samples, measure it, and let it serve in place of the one before.

    Exits 1 where it finds too little; then the one before keeps serving. Called again after a kill, it
    goes on with what was not finished.

    Example: pairmill index build out/first --memory 2GB --latency-ms 10 --min-recall 0.9
    """
    from pairmill_index.build import build_index
    from pairmill_index.options import BuildOptions

    with errors_as_exits(), _opened(place, scratch) as opened, build_progress() as progress:
        options = BuildOptions(
            memory_bytes=bytes_of_size("--memory", memory),
            latency_ms=latency_ms,
            min_recall=min_recall,
            only_kept=only_kept,
        )
        version = build_index(
            opened.dataset(),
            opened.store,
            options,
            scratch=opened.scratch,
            progress=progress,
            threads=threads,
        )
        _end(opened, version, keep, as_json=as_json)


@index_app.command()
def add(
    place: Place, keep: Keep = 2, scratch: Scratch = None, threads: Threads = 0, as_json: Json = False
) -> None:
    """Add what the dataset has and its index has not: new samples, and verdicts that changed.

    Nothing is trained again; the options are those of the build.

    Example: pairmill index add out/first
    """
    from pairmill_index.add import add_samples

    with errors_as_exits(), _opened(place, scratch) as opened, build_progress() as progress:
        version = add_samples(
            opened.dataset(), opened.store, scratch=opened.scratch, progress=progress, threads=threads
        )
        _end(opened, version, keep, as_json=as_json)


@index_app.command()
def remove(
    place: Place,
    ids: Annotated[
        Path | None,
        typer.Option(
            "--ids", metavar="FILE", help="Sample ids: a line each in hex, or .npy of 128-bit ids as u8,u8."
        ),
    ] = None,
    url: Annotated[
        list[str] | None, typer.Option("--url", help="Address of an image, with all its texts. Repeatable.")
    ] = None,
    keep: Keep = 2,
    scratch: Scratch = None,
    as_json: Json = False,
) -> None:
    """Remove samples: no search finds them from now on, nor in any later version or build.

    What was stored of them leaves the disk with: pairmill index compact

    Example: pairmill index remove out/first --url https://example.com/a.jpg

    Example: pairmill index remove out/first --ids taken-down.txt
    """
    from pairmill_index.remove import ids_of_urls, remove_samples
    from pairmill_index.removed import united

    with errors_as_exits(), _opened(place, scratch) as opened:
        if ids is None and not url:
            raise ConfigurationError("--ids: name a file of ids, or addresses with --url")
        wanted = [_ids_of_file(ids)] if ids is not None else []
        by_url = ids_of_urls(opened.store, url, scratch=opened.scratch) if url else {}
        for unknown in [one for one, own in by_url.items() if not len(own)]:
            sys.stderr.write(f"pairmill: --url: no sample of the index has the address {unknown}\n")
        found = united(*wanted, *by_url.values())
        if not len(found):
            raise ConfigurationError("--url: no sample of the index has such an address")
        version = remove_samples(opened.store, found, scratch=opened.scratch)
        _end(opened, version, keep, as_json=as_json)


@index_app.command()
def compact(
    place: Place,
    full: Annotated[bool, typer.Option("--full", help="Make one segment of each bucket.")] = False,
    keep: Keep = 2,
    scratch: Scratch = None,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Merge small segments and drop what was removed.

    With --keep 1, called again five minutes later, nothing of a removed sample is left on disk.

    Example: pairmill index compact out/first
    """
    from pairmill_index.compact import compact as run_compact

    with errors_as_exits(), _opened(place, scratch) as opened, build_progress() as progress:
        version = run_compact(
            opened.store, scratch=opened.scratch, full=full, progress=progress, threads=threads
        )
        _end(opened, version, keep, as_json=as_json)


@index_app.command()
def info(place: Place, as_json: Json = False) -> None:
    """Show what index serves: its segments, how they are searched, and what was measured.

    Example: pairmill index info out/first --json
    """
    from pairmill_index.publish import current_of, read_version

    with errors_as_exits(), _opened(place, None) as opened:
        current = current_of(opened.store)
        facts = index_facts(read_version(opened.store, current), opened.dataset_version(), current)
        say_json(facts) if as_json else print_index(facts)


@index_app.command()
def check(place: Place, scratch: Scratch = None, as_json: Json = False) -> None:
    """Compare every file with its checksum, recount, and search a sample of queries exactly.

    Exits 1 and says what is wrong.

    Example: pairmill index check out/first
    """
    from pairmill_index.check import check_index
    from pairmill_index.workplace import workplace

    with errors_as_exits(), _opened(place, scratch) as opened, workplace(opened.scratch) as folder:
        with build_progress() as progress:
            report = check_index(opened.store, folder, progress)
        say_json(check_facts(report)) if as_json else print_check(report)
        answer(report.is_sound)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A dataset's place."""

    where: Path | ObjectStore
    store: ObjectStore
    scratch: Path

    def dataset(self) -> Dataset:
        """Opens the dataset."""
        return Dataset.open(self.where)

    def dataset_version(self) -> str:
        """Returns the version of the dataset that stands there, empty where there is none any more."""
        try:
            return self.dataset().manifest.version
        except ConfigurationError:
            return ""


@contextmanager
def _opened(place: str, scratch: Path | None) -> Iterator[_Opened]:
    with opened_place(place) as where:
        if isinstance(where, Path):
            yield _Opened(where=where, store=DirectoryStore(where), scratch=scratch or where / STATE_FOLDER)
            return
        with tempfile.TemporaryDirectory(prefix="pairmill-index-") as folder:
            yield _Opened(where=where, store=where, scratch=scratch or Path(folder))


def _end(opened: _Opened, version: IndexVersion, keep: int, *, as_json: bool) -> None:
    """Deletes what old versions alone need, and shows the one that serves."""
    from pairmill_index.publish import current_of
    from pairmill_index.sweep import sweep

    sweep(opened.store, keep=keep)
    facts = index_facts(version, opened.dataset_version(), current_of(opened.store))
    say_json(facts) if as_json else print_index(facts)
    if not as_json:
        say(f"{version.samples:,} samples serve")


def _ids_of_file(path: Path) -> Words:
    """Returns the ids of a file; raises ConfigurationError for one that holds anything else."""
    from pairmill_index.removed import decode_ids

    data = path.read_bytes()
    try:
        return decode_ids(data, path.name) if path.suffix == ".npy" else _ids_of_lines(data.decode())
    except (CorruptObjectError, ValueError) as error:
        raise ConfigurationError(f"--ids: {path}: {error}") from error


def _ids_of_lines(text: str) -> Words:
    ids = [from_hex(line.strip()) for line in text.splitlines() if line.strip()]
    return words_of_bytes(b"".join(ids), ID_BYTES)
