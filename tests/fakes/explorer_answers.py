"""Answers of a fake explorer: every call of the two services over a small world."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from pairmill_protos.common.v1.outcome_pb2 import Count, Outcome, Reason
from pairmill_protos.explorer.v1 import search_service_pb2 as search
from pairmill_protos.explorer.v1 import subset_service_pb2 as subset
from pairmill_protos.explorer.v1.search_pb2 import Field, Hit, Modality, Sample, Took
from tests.fakes.explorer_rules import ENDS, admits, facets, histograms, number, score
from tests.fakes.explorer_world import JAVASCRIPT, MAX_UNSAFE, World

DATASETS: Final = ("drawings", "others")
FUNNEL: Final = (
    ("crawl", "in", "", 900),
    ("crawl", "passed", "", 520),
    ("crawl", "dropped", "no_alt", 260),
    ("crawl", "dropped", "not_image_link", 120),
    ("download", "in", "", 520),
    ("download", "passed", "", 320),
    ("download", "failed", "http_4xx", 120),
    ("download", "failed", "robots_disallowed", 80),
    ("score", "in", "", 320),
    ("score", "kept", "", 230),
    ("score", "filtered", "low_similarity", 90),
    ("dataset", "in", "", 520),
    ("dataset", "kept", "", 230),
    ("dataset", "filtered", "low_similarity", 90),
    ("dataset", "failed", "http_4xx", 120),
    ("dataset", "failed", "robots_disallowed", 80),
)


@dataclass
class FakeExplorer:
    """Answers calls by the name of their method."""

    world: World
    reports: list[search.ReportSampleRequest] = field(default_factory=list)
    subsets: dict[str, subset.Subset] = field(default_factory=dict)
    exports: list[subset.Export] = field(default_factory=list)
    can_encode: bool = True
    trouble: str = ""  # of a dataset whose index serves

    def answer(self, method: str, request: Any) -> Message:
        """Returns a call's response."""
        answered = getattr(self, f"_{method}")(request)
        assert isinstance(answered, Message)
        return answered

    def _ListDatasets(self, request: search.ListDatasetsRequest) -> Message:  # noqa: N802 - the call's name
        infos = [
            search.DatasetInfo(
                dataset=name,
                samples=len(self.world.samples),
                kept=sum(sample.verdict == "kept" for sample in self.world.samples),
                model="drawn 1",
                dimensions=64,
                max_unsafe_score=MAX_UNSAFE,
                can_encode=self.can_encode,
                index_version="1" * 32,
                trouble=self.trouble,
                indices=[
                    search.IndexInfo(bucket="en", modality=modality, vectors=160, kind="IVF64,SQ8")
                    for modality in (Modality.MODALITY_IMAGE, Modality.MODALITY_TEXT)
                ],
            )
            for name in DATASETS
        ]
        return search.ListDatasetsResponse(datasets=infos)

    def _Search(self, request: search.SearchRequest) -> Message:  # noqa: N802 - the call's name
        found = [sample for sample in self.world.samples if admits(request.filters, sample)]
        scores = {sample.sample_id: score(request.parts, sample, self.world) for sample in found}
        if request.parts:
            found.sort(key=lambda sample: -scores[sample.sample_id])
        start = int(request.cursor or 0)
        end = start + (request.page_size if request.HasField("page_size") else 50)
        hits = [Hit(sample=sample) for sample in found[start:end]]
        if request.parts:
            for hit in hits:
                hit.score = scores[hit.sample.sample_id]
        more = str(end) if end < len(found) else ""
        return search.SearchResponse(
            hits=hits, next_cursor=more, matching=len(found), took=Took(total_ms=3.4)
        )

    def _GetFacets(self, request: search.GetFacetsRequest) -> Message:  # noqa: N802 - the call's name
        found = [sample for sample in self.world.samples if admits(request.filters, sample)]
        fields = list(request.fields) or list(ENDS)
        wanted = [
            facet for facet in facets(found, request.values) if not request.fields or facet.field in fields
        ]
        return search.GetFacetsResponse(
            facets=wanted,
            histograms=histograms(found, fields),
            whole=histograms(self.world.samples, fields),
            matching=len(found),
            total=len(self.world.samples),
        )

    def _GetSamples(self, request: search.GetSamplesRequest) -> Message:  # noqa: N802 - the call's name
        found = [self.world.find(sample_id) for sample_id in request.sample_ids]
        return search.GetSamplesResponse(samples=[_detail(sample) for sample in found if sample])

    def _GetFunnel(self, request: search.GetFunnelRequest) -> Message:  # noqa: N802 - the call's name
        lines = [search.FunnelLine(stage=a, outcome=b, reason=c, count=rows) for a, b, c, rows in FUNNEL]
        return search.GetFunnelResponse(lines=lines)

    def _PreviewThreshold(self, request: search.PreviewThresholdRequest) -> Message:  # noqa: N802 - its name
        known = [
            (number(sample, request.field), sample)
            for sample in self.world.samples
            if admits(request.filters, sample)
        ]
        scored = sorted(
            ((value, sample) for value, sample in known if value is not None), key=lambda pair: pair[0]
        )
        above = [sample for value, sample in scored if value >= request.value]
        below = [sample for value, sample in scored if value < request.value]
        languages = sorted({sample.language for _, sample in known})
        counts = [
            search.ThresholdCount(
                language=language,
                above=sum(sample.language == language for sample in above),
                below=sum(sample.language == language for sample in below),
                unknown=sum(value is None and sample.language == language for value, sample in known),
            )
            for language in languages
        ]
        return search.PreviewThresholdResponse(counts=counts, above=above[:12], below=below[::-1][:12])

    def _ListDropped(self, request: search.ListDroppedRequest) -> Message:  # noqa: N802 - the call's name
        rows = [("http_4xx", number) for number in range(120)] + [
            ("robots_disallowed", number) for number in range(80)
        ]
        found = [_dropped(reason, number) for reason, number in rows if request.reason in ("", reason)]
        start = int(request.cursor or 0)
        end = start + request.page_size
        counts = [
            Count(outcome=Outcome.OUTCOME_FAILED, reason=Reason.REASON_HTTP_4XX, rows=120),
            Count(outcome=Outcome.OUTCOME_FAILED, reason=Reason.REASON_ROBOTS_DISALLOWED, rows=80),
        ]
        more = str(end) if end < len(found) else ""
        return search.ListDroppedResponse(dropped=found[start:end], next_cursor=more, counts=counts)

    def _ReportSample(self, request: search.ReportSampleRequest) -> Message:  # noqa: N802 - the call's name
        self.reports.append(request)
        return search.ReportSampleResponse(report_id=f"report-{len(self.reports)}", filed_at=_now())

    def _SaveSubset(self, request: subset.SaveSubsetRequest) -> Message:  # noqa: N802 - the call's name
        before = self.subsets.get(request.recipe.name)
        saved = subset.Subset(
            recipe=request.recipe,
            revision=before.revision + 1 if before else 1,
            digest=hashlib.sha256(request.recipe.SerializeToString()).hexdigest(),
            saved_at=_now(),
        )
        self.subsets[request.recipe.name] = saved
        return subset.SaveSubsetResponse(subset=saved)

    def _GetSubset(self, request: subset.GetSubsetRequest) -> Message:  # noqa: N802 - the call's name
        return subset.GetSubsetResponse(subset=self.subsets[request.name])

    def _ListSubsets(self, request: subset.ListSubsetsRequest) -> Message:  # noqa: N802 - the call's name
        return subset.ListSubsetsResponse(subsets=[self.subsets[name] for name in sorted(self.subsets)])

    def _PreviewSubset(self, request: subset.PreviewSubsetRequest) -> Message:  # noqa: N802 - the call's name
        found = [sample for sample in self.world.samples if admits(request.recipe.filters, sample)]
        most = min(len(found), request.recipe.max_results or len(found), request.recipe.size or len(found))
        return subset.PreviewSubsetResponse(
            matching=len(found),
            samples=most,
            image_bytes=most * 21_000,
            without_image=sum(not sample.has_image for sample in found),
            estimated_seconds=most / 100,
            examples=found[:8],
        )

    def _StartExport(self, request: subset.StartExportRequest) -> Message:  # noqa: N802 - the call's name
        started = subset.Export(
            export_id=f"e{len(self.exports) + 1}",
            name=request.name,
            revision=self.subsets[request.name].revision,
            format=request.format,
            state=subset.EXPORT_STATE_RUNNING,
            samples_total=200,
            started_at=_now(),
        )
        self.exports.insert(0, started)
        return subset.StartExportResponse(export=started)

    def _ListExports(self, request: subset.ListExportsRequest) -> Message:  # noqa: N802 - the call's name
        listed = subset.ListExportsResponse(
            exports=[export for export in self.exports if request.name in ("", export.name)]
        )
        for export in self.exports:
            _go_on(export)
        return listed

    def _CancelExport(self, request: subset.CancelExportRequest) -> Message:  # noqa: N802 - the call's name
        export = next(export for export in self.exports if export.export_id == request.export_id)
        export.state = subset.EXPORT_STATE_CANCELLED
        return subset.CancelExportResponse(export=export)

    def _DiffExports(self, request: subset.DiffExportsRequest) -> Message:  # noqa: N802 - the call's name
        added = [self.world.samples[0].sample_id]
        return subset.DiffExportsResponse(common=180, added=20, removed=0, added_ids=added)


def _go_on(export: subset.Export) -> None:
    """Each look finds an export further on; a name with "endless" never comes to an end."""
    if export.state != subset.EXPORT_STATE_RUNNING or (export.samples_done and "endless" in export.name):
        return
    export.samples_done += 100
    export.bytes_done = export.samples_done * 21_000
    export.remaining_seconds = (export.samples_total - export.samples_done) / 100
    if export.samples_done >= export.samples_total:
        export.state = subset.EXPORT_STATE_COMPLETE
        export.folder = f"exports/{export.export_id}"


def _detail(sample: Sample) -> search.SampleDetail:
    columns = {
        "URL": sample.url,
        "TEXT": sample.text,
        "page_url": JAVASCRIPT if sample.url == JAVASCRIPT else f"https://{sample.host}/page.html",
        "crawl": sample.crawl,
        "wat_file": "CC-MAIN-20240301.warc.wat.gz",
        "warc_offset": "517849",
        "licence": sample.licence,
        "verdict": sample.verdict,
        "reason": sample.reason,
        "phash": sample.phash,
        "model": "drawn",
    }
    evidence = {"robots": "allowed", "http_status": "200", "final_url": sample.url, "detail": ""}
    return search.SampleDetail(
        sample=sample,
        fields=[Field(name=name, value=value, null=not value) for name, value in columns.items()],
        evidence=[Field(name=name, value=value, null=not value) for name, value in evidence.items()],
    )


def _dropped(reason: str, number: int) -> search.Dropped:
    return search.Dropped(
        sample_id=f"{number:032x}",
        url=f"https://gone.example/{reason}/{number}.png",
        text=f"a picture that is not there, number {number}",
        reason=reason,
        detail="404 Not Found" if reason == "http_4xx" else "Disallow: /",
        page_url="https://gone.example/page.html",
    )


def _now() -> Timestamp:
    moment = Timestamp()
    moment.FromDatetime(datetime.now(UTC))
    return moment
