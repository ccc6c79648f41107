"""What users ask about subsets: one method per call of `SubsetService`.

Each method takes and returns the call's messages and raises RequestError for what is wrong with a request,
RetriableError for what is away. All may be called from any thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pairmill.clock import Clock
from pairmill.errors import RetriableError
from pairmill.watching import watched
from pairmill_explorer.datasets.registry import Datasets
from pairmill_explorer.datasets.served import ServedDataset, Snapshot
from pairmill_explorer.errors import BadRequestError, NotFoundError
from pairmill_explorer.subsets.diff import diff_of
from pairmill_explorer.subsets.exports.job import (
    DEFAULT_SHARD_SAMPLES,
    MAX_SHARD_SAMPLES,
    MIN_SHARD_SAMPLES,
    End,
    ExportJob,
    Format,
    JobShelf,
    export_id_of,
)
from pairmill_explorer.subsets.exports.layout import is_export_id
from pairmill_explorer.subsets.exports.rates import bytes_per_second, rates
from pairmill_explorer.subsets.exports.view import WATCH_SECONDS, export_of, has_ended
from pairmill_explorer.subsets.line import ExportLine
from pairmill_explorer.subsets.preview import preview_of
from pairmill_explorer.subsets.recipe import Checked, check_name, checked, recipe_to_json
from pairmill_explorer.subsets.shelf import RecipeShelf
from pairmill_protos.explorer.v1.subset_service_pb2 import (
    CancelExportRequest,
    CancelExportResponse,
    DiffExportsRequest,
    DiffExportsResponse,
    Export,
    ExportFormat,
    GetExportRequest,
    GetExportResponse,
    GetSubsetRequest,
    GetSubsetResponse,
    ListExportsRequest,
    ListExportsResponse,
    ListSubsetsRequest,
    ListSubsetsResponse,
    PreviewSubsetRequest,
    PreviewSubsetResponse,
    Recipe,
    SaveSubsetRequest,
    SaveSubsetResponse,
    StartExportRequest,
    StartExportResponse,
    Subset,
    WatchExportRequest,
    WatchExportResponse,
)

FORMATS: Final[Mapping[ExportFormat.ValueType, Format]] = {
    ExportFormat.EXPORT_FORMAT_PARQUET: Format.PARQUET,
    ExportFormat.EXPORT_FORMAT_WEBDATASET: Format.WEBDATASET,
    ExportFormat.EXPORT_FORMAT_IDS: Format.IDS,
    ExportFormat.EXPORT_FORMAT_URLS: Format.URLS,
}
MAX_EXAMPLES: Final = 1000
_DEFAULT_EXAMPLES: Final = 20


class SubsetDesk:
    """Keeps recipes and has exports carried out. Thread-safe."""

    def __init__(self, datasets: Datasets, line: ExportLine, *, clock: Clock) -> None:
        self._datasets = datasets
        self._line = line
        self._clock = clock

    def save_subset(self, request: SaveSubsetRequest) -> SaveSubsetResponse:
        """Keeps a recipe under its name; the same recipe again is the same revision."""
        served = self._datasets.get(request.dataset)
        with served.use() as snapshot:
            recipe = _checked(request.recipe, snapshot)
        return SaveSubsetResponse(subset=RecipeShelf(served.store, self._clock).save(recipe))

    def get_subset(self, request: GetSubsetRequest) -> GetSubsetResponse:
        """Returns a recipe."""
        served = self._datasets.get(request.dataset)
        revision = request.revision if request.HasField("revision") else None
        return GetSubsetResponse(subset=RecipeShelf(served.store).get(request.name, revision))

    def list_subsets(self, request: ListSubsetsRequest) -> ListSubsetsResponse:
        """Returns the last revision of each recipe, by name."""
        served = self._datasets.get(request.dataset)
        return ListSubsetsResponse(subsets=RecipeShelf(served.store).all())

    def preview_subset(self, request: PreviewSubsetRequest) -> PreviewSubsetResponse:
        """Returns what a recipe cuts now."""
        served = self._datasets.get(request.dataset)
        with served.use() as snapshot:
            rate = bytes_per_second(rates(served.store))
            return preview_of(snapshot, _checked(request.recipe, snapshot), rate)

    def start_export(self, request: StartExportRequest) -> StartExportResponse:
        """Has an export carried out, unless it was; what failed or was cancelled begins anew."""
        served = self._datasets.get(request.dataset)
        revision = request.revision if request.HasField("revision") else None
        subset = RecipeShelf(served.store).get(request.name, revision)
        form, size = _format(request), _shard_samples(request)
        with served.use() as snapshot:
            job = new_job(subset, snapshot, form, size, self._clock)
        shelf, standing = JobShelf(served.store), self._line.standing(served.name, job.export_id)
        if standing is not None and standing.cancelled:
            raise RetriableError(f"export {job.export_id} is being cancelled; ask again in a moment")
        job = shelf.begin(job)
        if shelf.end(job.export_id) is None:
            self._line.submit(served, job)
        return StartExportResponse(export=self._export(served, job))

    def get_export(self, request: GetExportRequest) -> GetExportResponse:
        """Returns where an export stands."""
        served = self._datasets.get(request.dataset)
        return GetExportResponse(export=self._export(served, _job(served, request.export_id, "export_id")))

    def list_exports(self, request: ListExportsRequest) -> ListExportsResponse:
        """Returns all exports, or those of a recipe, the newest first."""
        served = self._datasets.get(request.dataset)
        if request.name:
            check_name(request.name, "name")
        shelf = JobShelf(served.store)
        found = [(job, end) for job, end in shelf.all() if request.name in ("", job.name)]
        found.sort(key=lambda one: (one[0].started_at, one[0].export_id), reverse=True)
        return ListExportsResponse(
            exports=[
                export_of(job, end, self._line.standing(served.name, job.export_id), shelf)
                for job, end in found
            ]
        )

    def watch_export(self, request: WatchExportRequest) -> Iterator[WatchExportResponse]:
        """Yields an export whenever it changed, until it has ended."""
        served = self._datasets.get(request.dataset)
        job = _job(served, request.export_id, "export_id")
        for export in watched(lambda: self._export(served, job), has_ended, self._line.wait, WATCH_SECONDS):
            yield WatchExportResponse(export=export)

    def cancel_export(self, request: CancelExportRequest) -> CancelExportResponse:
        """Ends an export and removes what it wrote, also of one that is complete."""
        served = self._datasets.get(request.dataset)
        job, shelf = _job(served, request.export_id, "export_id"), JobShelf(served.store)
        self._line.cancel(served.name, job.export_id)  # first: what ends meanwhile is noted before the cancel
        shelf.cancel(job, self._clock.now().isoformat())
        return CancelExportResponse(export=self._export(served, job))

    def diff_exports(self, request: DiffExportsRequest) -> DiffExportsResponse:
        """Returns what two complete exports have in common."""
        served = self._datasets.get(request.dataset)
        examples = request.examples if request.HasField("examples") else _DEFAULT_EXAMPLES
        if not 0 <= examples <= MAX_EXAMPLES:
            raise BadRequestError("examples", f"is {examples}; 0 to {MAX_EXAMPLES} is wanted")
        for field in ("old_export_id", "new_export_id"):
            job = _job(served, getattr(request, field), field)
            end = JobShelf(served.store).end(job.export_id)
            if end is None or end.state is not End.COMPLETE:
                raise BadRequestError(field, f"export {job.export_id} is not complete")
        with self._line.workplace() as scratch:
            found = diff_of(
                served.store, request.old_export_id, request.new_export_id, examples, scratch=scratch
            )
        return DiffExportsResponse(
            common=found.common,
            added=found.added,
            removed=found.removed,
            added_ids=found.added_ids,
            removed_ids=found.removed_ids,
        )

    def _export(self, served: ServedDataset, job: ExportJob) -> Export:
        end = JobShelf(served.store).end(job.export_id)
        return export_of(job, end, self._line.standing(served.name, job.export_id), JobShelf(served.store))


def new_job(subset: Subset, snapshot: Snapshot, form: Format, shard_samples: int, clock: Clock) -> ExportJob:
    """Returns the export of a recipe in a form, of a dataset and its index as they are now."""
    manifest, index = snapshot.dataset.manifest, snapshot.index
    return ExportJob(
        export_id=export_id_of(subset.digest, manifest.version, index.version, form, shard_samples),
        name=subset.recipe.name,
        revision=subset.revision,
        recipe=recipe_to_json(subset.recipe),
        recipe_digest=subset.digest,
        format=form,
        shard_samples=shard_samples,
        dataset_version=manifest.version,
        dataset_job=manifest.job_id,
        index_version=index.version,
        model=index.manifest.model,
        started_at=clock.now().isoformat(),
    )


def _checked(recipe: Recipe, snapshot: Snapshot) -> Checked:
    return checked(recipe, snapshot.index.manifest.dimensions, snapshot.rules)


def _format(request: StartExportRequest) -> Format:
    form = FORMATS.get(request.format)
    if form is None:
        known = ", ".join(ExportFormat.Name(code) for code in FORMATS)
        raise BadRequestError("format", f"give one of {known}")
    return form


def _shard_samples(request: StartExportRequest) -> int:
    size = request.shard_samples if request.HasField("shard_samples") else DEFAULT_SHARD_SAMPLES
    if not MIN_SHARD_SAMPLES <= size <= MAX_SHARD_SAMPLES:
        raise BadRequestError(
            "shard_samples", f"is {size}; {MIN_SHARD_SAMPLES} to {MAX_SHARD_SAMPLES:,} is wanted"
        )
    return size


def _job(served: ServedDataset, export_id: str, field: str) -> ExportJob:
    job = JobShelf(served.store).job(export_id) if is_export_id(export_id) else None
    if job is None:
        raise NotFoundError(field, f"there is no export {export_id[:80]!r}")
    return job
