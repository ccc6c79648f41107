"""Admits what is submitted: the same submission is the same job, whichever gateway is asked (U19)."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache

from google.protobuf.json_format import MessageToDict

from pairmill.bus.port import Bus, TopicPartition
from pairmill.errors import ConfigurationError, RetriableError
from pairmill.jobspec.differences import differences
from pairmill.rpc.callers import Caller
from pairmill.stage.datasets import dataset_store
from pairmill.stage.messages import ledger_partition
from pairmill.store.port import ObjectStore
from pairmill.units import LEDGER_TOPIC
from pairmill_gateway.admission import Admission, normalise_wats
from pairmill_gateway.book import Book, JobEntry
from pairmill_gateway.bundles import BundleShelf
from pairmill_gateway.exclusions import excluded_ids
from pairmill_gateway.job_records import admitted_message
from pairmill_gateway.request import JobRequest, admit_request
from pairmill_protos.gateway.v1.job_service_pb2 import SubmitJobRequest
from pairmill_protos.job.v1.job_pb2 import JobAdmitted, JobSpec

_DEFAULT_PROFILE = "default"
_SPECS_KEPT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionLimits:
    """What a gateway takes."""

    max_wats: int = 100_000  # of one job
    max_running_jobs: int = 100  # that have not ended


class Submissions:
    """Thread-safe. Raises ConfigurationError for a wrong request, RetriableError while something is away."""

    def __init__(
        self, bus: Bus, store: ObjectStore, book: Book, bundles: BundleShelf, limits: SubmissionLimits
    ) -> None:
        """`store` holds the datasets of all jobs."""
        self._bus = bus
        self._store = store
        self._book = book
        self._bundles = bundles
        self._limits = limits
        self._lock = threading.Lock()
        self._stored = lru_cache(_SPECS_KEPT)(self._get)  # a spec never changes, and a watch asks each second

    def prepare(self, request: SubmitJobRequest, caller: Caller) -> Admission:
        """Returns the job that a request asks for, with nothing done yet."""
        wanted = JobRequest(
            wats=self._wats(request),
            profile=request.profile or _DEFAULT_PROFILE,
            crawl=request.crawl,
            settings=dict(request.settings),
            limit=request.limit if request.HasField("limit") else None,
            sample_rate=request.sample_rate if request.HasField("sample_rate") else None,
            excluded=excluded_ids(request.exclude) if request.exclude else None,
        )
        bundle = self._bundles.get(request.bundle)
        return admit_request(wanted, bundle, tenant=caller.tenant, idempotency_key=request.idempotency_key)

    def admit(self, admission: Admission, caller: Caller, dataset: str = "") -> tuple[JobEntry, bool]:
        """Returns the job, and whether this call admitted it; acknowledged on return.

        `dataset` is the folder of the base for a job that makes a new version, else the job's own.
        """
        with self._lock:
            place = self._ledger_end(admission.spec.job_id)  # before the look that finds no such job
            self._book.catch_up()
            known = self._book.get(admission.spec.job_id)
            if known is None:
                self._announce(admission, caller, dataset or admission.spec.job_id, place)
                self._book.catch_up()
            entry = self._book.get(admission.spec.job_id)
        if entry is None:
            raise RetriableError(f"job {admission.spec.job_id} cannot be read back yet")
        self._compare(entry, admission)
        return entry, known is None

    def spec_of(self, entry: JobEntry) -> JobSpec:
        """Returns the spec that a job was admitted with."""
        ref = entry.admitted.spec
        return JobSpec.FromString(self._stored(entry.admitted.dataset, ref.key, ref.sha256))

    def _get(self, dataset: str, key: str, sha256: bytes) -> bytes:
        return dataset_store(self._store, dataset).get(key, sha256=sha256)

    def _ledger_end(self, job_id: str) -> int:
        """Returns a place below which no record of a job stands that nobody has admitted until now."""
        return self._bus.end_offset(TopicPartition(LEDGER_TOPIC, ledger_partition(self._bus, job_id)))

    def _announce(self, admission: Admission, caller: Caller, dataset: str, place: int) -> None:
        running = sum(entry.is_running for entry in self._book.entries())
        if running >= self._limits.max_running_jobs:
            raise RetriableError(f"{running} jobs are running, which is as many as may; wait for one to end")
        store = dataset_store(self._store, dataset)
        for key, data in admission.objects.items():
            store.put(key, data)
        record = JobAdmitted(
            job_id=admission.spec.job_id,
            spec=admission.spec_ref,
            ledger_partition=ledger_partition(self._bus, admission.spec.job_id),
            dataset=dataset,
            submitted_by=caller.name,
            tenant=caller.tenant,
            profile=admission.spec.profile,
            ledger_offset=place,
        )
        self._bus.publish([admitted_message(self._bus, record)])

    def _compare(self, entry: JobEntry, admission: Admission) -> None:
        """Refuses another request under the key of a job."""
        if entry.admitted.spec.sha256 == admission.spec_ref.sha256:
            return
        there, here = (
            MessageToDict(spec, preserving_proto_field_name=True)
            for spec in (self.spec_of(entry), admission.spec)
        )
        found = list(differences(there, here, ignored=("job_id", "code_version")))
        if found:
            lines = "; ".join(line.strip() for line in found)
            raise ConfigurationError(
                f"idempotency_key: job {entry.job_id} was submitted under it with another request "
                f"(there -> here): {lines}"
            )

    def _wats(self, request: SubmitJobRequest) -> tuple[str, ...]:
        listing = normalise_wats(request.wats)
        problems = [f"wats: {problem}" for problem in listing.problems]
        for number, wat in enumerate(request.wats, start=1):
            if "://" not in wat and not wat.startswith("/"):
                problems.append(f"wats: line {number}: {wat[:100]!r} is neither a URL nor an absolute path")
        if not listing.wats:
            problems.append("wats: name at least one WAT")
        if len(listing.wats) > self._limits.max_wats:
            problems.append(f"wats: {len(listing.wats):,} are too many; at most {self._limits.max_wats:,}")
        if problems:
            raise ConfigurationError("\n".join(problems))
        return listing.wats
