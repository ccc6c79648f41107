"""Images and texts through the model, in process or in Triton."""

from __future__ import annotations

from typing import Final

from deploy.grafana.boards.common import lag_of, middle_and_slow, unit_times, units_by_result
from deploy.grafana.panels import Dashboard, Panel, Query, Row, Step
from deploy.grafana.promql import TRITON_SCOPE, UNITS, mean, picked, rate, share, summed

_INFERENCE: Final = 'service="inference"'
_FAILED: Final = 'result!="answered"'
_MODELS: Final = ("model", "version")
_REQUESTS: Final = "nv_inference_request_success"


def _mean_of_triton(duration: str) -> str:
    """Returns the mean seconds of a part of the requests that Triton answered."""
    spent = rate(duration, _MODELS, scope=TRITON_SCOPE)
    return f"{spent} / ({rate(_REQUESTS, _MODELS, scope=TRITON_SCOPE)} > 0) / 1e6"


_NOW: Final = Row(
    "Now",
    (
        Panel(
            title="Rows embedded",
            queries=[Query(rate("pairmill_inference_rows_total", ["model"]), "{{model}}")],
            shows="Rows a second that the towers of the model answered for. As many images as texts in the "
            "long run.",
            remedy="0 with lag: see requests by result, and `/readyz` of inference.",
            runbook="outage",
            unit="rowsps",
        ),
        Panel(
            title="Rows at once",
            queries=[Query(mean("pairmill_inference_batch_rows", ["model"]), "{{model}}")],
            shows="Rows that a tower was given at once, on average.",
            remedy="Far below `PAIRMILL_TRITON__IMAGE_BATCH`: shards are small, or decoding does not keep "
            "up.",
            runbook="triton-queue",
            unit="none",
            decimals=0,
        ),
        Panel(
            title="Time of a block",
            queries=middle_and_slow("pairmill_inference_duration_seconds", ["model"]),
            shows="How long a tower took for a block of rows, as inference sees it: Triton's queue included.",
            remedy="It grows with more inference processes: the model server is the limit.",
            runbook="triton-queue",
            unit="s",
        ),
    ),
)

_TRITON: Final = Row(
    "Triton",
    (
        Panel(
            title="Requests by result",
            queries=[
                Query(rate("pairmill_triton_requests_total", ["model", "result"]), "{{model}} {{result}}"),
            ],
            shows="Requests of inference to Triton, a second. `busy`, `away` and `slow` are tried again.",
            remedy="`busy`: its queue is full, fewer inference processes or more instances. `away`, `slow`: "
            "the server. `refused`, `wrong`: the model is not that of the bundle.",
            runbook="triton-queue",
            unit="reqps",
        ),
        Panel(
            title="Requests that fail",
            queries=[
                Query(
                    share(
                        rate("pairmill_triton_requests_total", ["model"], window=UNITS, where=_FAILED),
                        rate("pairmill_triton_requests_total", ["model"], window=UNITS),
                    ),
                    "{{model}}",
                )
            ],
            shows="Share of the requests that had no answer, over five minutes.",
            remedy="Above a tenth for long: work is done twice; see by which result.",
            runbook="triton-queue",
            unit="percentunit",
            steps=[Step(0.1, "red")],
        ),
        Panel(
            title="Time of a request",
            queries=middle_and_slow("pairmill_triton_request_seconds", ["model"]),
            shows="From sending a request to its answer, the wait in Triton's queue included.",
            remedy="Near `PAIRMILL_TRITON__REQUEST_TIMEOUT_SECONDS`: soon requests end as `slow`; see the "
            "queue.",
            runbook="triton-queue",
            unit="s",
        ),
        Panel(
            title="Rows of a request",
            queries=[Query(mean("pairmill_triton_request_rows", ["model"]), "{{model}}")],
            shows="Rows of a request, on average. Triton joins requests, up to the model's largest batch.",
            remedy="A few rows only: shards are small; the work for each request is then paid too often.",
            runbook="triton-queue",
            unit="none",
            decimals=0,
        ),
        Panel(
            title="Rows that Triton works on at once",
            queries=[
                Query(
                    f"{rate('nv_inference_count', _MODELS, scope=TRITON_SCOPE)}"
                    f" / ({rate('nv_inference_exec_count', _MODELS, scope=TRITON_SCOPE)} > 0)",
                    "{{model}} {{version}}",
                )
            ],
            shows="Rows of an execution of the model: what dynamic batching makes of the requests.",
            remedy="Not more than the rows of a request, with several inference processes: requests are not "
            "joined; raise `max_queue_delay_microseconds` of the model.",
            runbook="triton-queue",
            unit="none",
            decimals=0,
        ),
        Panel(
            title="Wait in Triton's queue",
            queries=[
                Query(_mean_of_triton("nv_inference_queue_duration_us"), "{{model}} {{version}}"),
            ],
            shows="How long a request waited for an instance of the model, on average.",
            remedy="Longer than the model computes: more instances or GPUs, or fewer inference processes.",
            runbook="triton-queue",
            unit="s",
            steps=[Step(1, "orange"), Step(5, "red")],
        ),
        Panel(
            title="Time that Triton computes",
            queries=[
                Query(_mean_of_triton("nv_inference_compute_infer_duration_us"), "{{model}} {{version}}"),
            ],
            shows="How long the model itself took for a request, on average.",
            remedy="It rose with a release or a driver: compare with docs/benchmarks.md.",
            runbook="triton-queue",
            unit="s",
        ),
        Panel(
            title="Requests that wait in Triton",
            queries=[
                Query(
                    summed(picked("nv_inference_pending_request_count", scope=TRITON_SCOPE), _MODELS),
                    "{{model}} {{version}}",
                )
            ],
            shows="Requests that Triton has taken and not begun: what queue-based scaling looks at.",
            remedy="At the model's `max_queue_size`: further ones are refused as `busy`.",
            runbook="triton-queue",
            unit="none",
        ),
        Panel(
            title="Requests that Triton failed",
            queries=[
                Query(
                    rate("nv_inference_request_failure", _MODELS, scope=TRITON_SCOPE), "{{model}} {{version}}"
                )
            ],
            shows="Requests a second that Triton itself counts as failed.",
            remedy="Its log has the cause. Refusals by a full queue are among them.",
            runbook="triton-queue",
            unit="reqps",
        ),
    ),
)

_GPU: Final = Row(
    "GPU",
    (
        Panel(
            title="GPU utilisation",
            queries=[
                Query(summed(picked("nv_gpu_utilization", scope=TRITON_SCOPE), ["gpu_uuid"]), "{{gpu_uuid}}")
            ],
            shows="Share of the time that a GPU had something to compute.",
            remedy="Low with lag: it is not fed; more inference processes, or larger batches. No data: "
            "Triton sees no GPU.",
            runbook="triton-queue",
            unit="percentunit",
            highest=1,
        ),
        Panel(
            title="GPU memory",
            queries=[
                Query(
                    f"{summed(picked('nv_gpu_memory_used_bytes', scope=TRITON_SCOPE), ['gpu_uuid'])}"
                    f" / {summed(picked('nv_gpu_memory_total_bytes', scope=TRITON_SCOPE), ['gpu_uuid'])}",
                    "{{gpu_uuid}}",
                )
            ],
            shows="Share of a GPU's memory that is taken.",
            remedy="Near 1: the next larger batch fails; fewer instances of the model on this GPU.",
            runbook="triton-queue",
            unit="percentunit",
            highest=1,
            steps=[Step(0.95, "red")],
        ),
        Panel(
            title="GPU power",
            queries=[
                Query(
                    f"{summed(picked('nv_gpu_power_usage', scope=TRITON_SCOPE), ['gpu_uuid'])}"
                    f" / {summed(picked('nv_gpu_power_limit', scope=TRITON_SCOPE), ['gpu_uuid'])}",
                    "{{gpu_uuid}}",
                )
            ],
            shows="Power that a GPU draws, as a share of its limit: the honest measure of how busy it is.",
            remedy="Far below 1 at full utilisation: batches are too small to fill the GPU.",
            runbook="triton-queue",
            unit="percentunit",
            highest=1,
        ),
    ),
)

_UNITS: Final = Row(
    "Units",
    (
        unit_times("inference", "A shard is embedded in", "the model is slower, or shared by more"),
        units_by_result("inference"),
        lag_of("inference", "embed-tasks"),
        Panel(
            title="Cores of inference",
            queries=[
                Query(
                    rate("pairmill_cpu_seconds_total", ["member"], window=UNITS, where=_INFERENCE),
                    "{{member}}",
                ),
            ],
            shows="CPU of each inference process with its children: decoding, and in process the model "
            "itself.",
            remedy="At what it is given, with a GPU that idles: decoding is the limit; more processes.",
            runbook="triton-queue",
            unit="cores",
        ),
    ),
)

INFERENCE: Final = Dashboard(
    name="inference",
    title="Inference and Triton",
    about="How fast does the model answer, how full are its batches, and where do requests wait?",
    rows=(_NOW, _TRITON, _GPU, _UNITS),
)
