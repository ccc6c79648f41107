"""Where subsets are asked for: in a dataset's folder or bucket, or at an explorer that serves it."""

from __future__ import annotations

import functools
import inspect
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Concatenate, Final, ParamSpec, Protocol

import typer

from pairmill import __version__
from pairmill.errors import ConfigurationError
from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectStore
from pairmill.telemetry.logs import logging_to
from pairmill_protos.explorer.v1.subset_service_pb2 import (
    CancelExportRequest,
    CancelExportResponse,
    DiffExportsRequest,
    DiffExportsResponse,
    GetSubsetRequest,
    GetSubsetResponse,
    ListExportsRequest,
    ListExportsResponse,
    ListSubsetsRequest,
    ListSubsetsResponse,
    PreviewSubsetRequest,
    PreviewSubsetResponse,
    SaveSubsetRequest,
    SaveSubsetResponse,
    StartExportRequest,
    StartExportResponse,
    WatchExportRequest,
    WatchExportResponse,
)
from pairmill_standalone.cli.api_connection import (
    Connection,
    connection_parameters,
    described,
    open_channel,
    taken_connection,
)
from pairmill_standalone.cli.exits import errors_as_exits
from pairmill_standalone.cli.places import is_address, opened_place
from pairmill_standalone.cli.subset_client import SubsetClient
from pairmill_standalone.cli.subset_errors import EXPLORER, option_of
from pairmill_standalone.workspace import STATE_FOLDER

P = ParamSpec("P")

TARGET_VARIABLE: Final = "PAIRMILL_EXPLORER_TARGET"

Place = Annotated[
    str,
    typer.Argument(
        metavar="DIR",
        help="Folder or s3://bucket/prefix of a finished dataset; with --target its name at the explorer.",
    ),
]
Target = Annotated[
    str,
    typer.Option(
        "--target",
        metavar="HOST:PORT",
        envvar=TARGET_VARIABLE,
        help="An explorer's gRPC API, to be asked instead.",
    ),
]
Scratch = Annotated[
    Path | None,
    typer.Option("--scratch", help="Folder that keeps copies of an index in a bucket from call to call."),
]
Bundle = Annotated[
    Path | None, typer.Option("--bundle", help="The dataset's model bundle, for queries by text or image.")
]


class Subsets(Protocol):
    """What answers about the subsets of one dataset."""

    def save_subset(self, request: SaveSubsetRequest, /) -> SaveSubsetResponse: ...  # noqa: D102

    def get_subset(self, request: GetSubsetRequest, /) -> GetSubsetResponse: ...  # noqa: D102

    def list_subsets(self, request: ListSubsetsRequest, /) -> ListSubsetsResponse: ...  # noqa: D102

    def preview_subset(self, request: PreviewSubsetRequest, /) -> PreviewSubsetResponse: ...  # noqa: D102

    def start_export(self, request: StartExportRequest, /) -> StartExportResponse: ...  # noqa: D102

    def list_exports(self, request: ListExportsRequest, /) -> ListExportsResponse: ...  # noqa: D102

    def cancel_export(self, request: CancelExportRequest, /) -> CancelExportResponse: ...  # noqa: D102

    def diff_exports(self, request: DiffExportsRequest, /) -> DiffExportsResponse: ...  # noqa: D102

    def watch_export(self, request: WatchExportRequest, /) -> Iterator[WatchExportResponse]: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whom a verb asks."""

    place: str  # of the dataset, as it was given
    subsets: Subsets
    is_elsewhere: bool  # then exports go on without this process


def with_subsets(*, encodes: bool = False) -> Callable[[Callable[Concatenate[Asked, P], None]], Any]:
    """Returns what makes a verb have a place and the options that reach it, and get whom to ask there.

    Verbs that encode queries have `--bundle` too.
    """

    def decorated(verb: Callable[Concatenate[Asked, P], None]) -> Callable[..., None]:
        own = list(inspect.signature(verb, eval_str=True).parameters.values())[1:]

        @functools.wraps(verb)
        def call(context: typer.Context, **options: Any) -> None:
            place, scratch = options.pop("place"), options.pop("scratch")
            bundle = options.pop("bundle", None)
            named = _is_named(context, "target")
            connection = chosen(place, taken_connection(options), is_named=named)
            with errors_as_exits(), _refusals(), _asked(place, connection, scratch, bundle) as asked:
                verb(asked, **options)  # type: ignore[call-arg] # what is left are the verb's own options

        bundles = [_option("bundle", Bundle)] if encodes else []
        shared = [*bundles, _option("scratch", Scratch), *connection_parameters(Target)]
        place = inspect.Parameter("place", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Place)
        context = inspect.Parameter(
            "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
        )
        return described(call, [context, place, *own, *shared])

    return decorated


def chosen(place: str, given: Connection, *, is_named: bool) -> Connection:
    """Returns the connection that a place is reached by; without a target it is opened here.

    A target that was not named with the call, but comes from the environment, is not for what is plainly a
    folder or an address.
    """
    return given if is_named or not is_address(place) else replace(given, target="")


def _is_named(context: typer.Context, option: str) -> bool:
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def _option(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


@contextmanager
def _refusals() -> Iterator[None]:
    """Says what is wrong with a request by its option, as an explorer's refusals are said."""
    from pairmill_explorer.errors import RequestError

    try:
        yield
    except RequestError as error:
        raise ConfigurationError(f"{option_of(error.field)}: {error.description}") from error


@contextmanager
def _asked(place: str, connection: Connection, scratch: Path | None, bundle: Path | None) -> Iterator[Asked]:
    if not connection.target:
        with _here(place, scratch, bundle) as subsets:
            yield Asked(place=place, subsets=subsets, is_elsewhere=False)
        return
    if scratch is not None or bundle is not None:
        option = "--scratch" if scratch is not None else "--bundle"
        raise ConfigurationError(f"{option}: is the explorer's own with --target; leave it out")
    with open_channel(connection, EXPLORER) as (channel, caller):
        yield Asked(place=place, subsets=SubsetClient(channel, caller, place), is_elsewhere=True)


@contextmanager
def _here(place: str, scratch: Path | None, bundle: Path | None) -> Iterator[Subsets]:
    """Gives what answers about the subsets of a dataset in a folder or bucket."""
    from pairmill_explorer.subsets.open import opened_subsets

    with ExitStack() as stack:
        where = stack.enter_context(opened_place(place))
        store: ObjectStore
        if isinstance(where, Path):
            store = stack.enter_context(DirectoryStore(where))
            kept = scratch or where / STATE_FOLDER / "subsets"
        else:
            store = where
            kept = scratch or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pairmill-")))
        bundles = [bundle] if bundle is not None else []
        # errors alone, and to stderr: stdout holds the answer
        stack.enter_context(logging_to(sys.stderr, "error", service="subset", version=__version__))
        yield stack.enter_context(opened_subsets(store, kept, bundles=bundles))
