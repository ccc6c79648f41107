"""Series that Pairmill's dashboards and rules ask for and that others expose, with their own labels."""

from __future__ import annotations

from typing import Final

SCRAPE_LABELS: Final = frozenset({"namespace", "job", "service", "member", "instance"})
"""Labels that a target gets where it is scraped."""

_MODEL: Final = {"model", "version"}
_GPU: Final = {"gpu_uuid"}

FOREIGN: Final[dict[str, set[str]]] = {
    "up": set(),
    "ALERTS": {"alertname", "alertstate", "severity"},
    # Of the Prometheus client, in every process
    "process_cpu_seconds_total": set(),
    "process_resident_memory_bytes": set(),
    "process_start_time_seconds": set(),
    "process_open_fds": set(),
    "process_max_fds": set(),
    # Of Triton, as its page on metrics has them
    "nv_inference_request_success": _MODEL,
    "nv_inference_request_failure": _MODEL | {"reason"},
    "nv_inference_count": _MODEL,
    "nv_inference_exec_count": _MODEL,
    "nv_inference_request_duration_us": _MODEL,
    "nv_inference_queue_duration_us": _MODEL,
    "nv_inference_compute_input_duration_us": _MODEL,
    "nv_inference_compute_infer_duration_us": _MODEL,
    "nv_inference_compute_output_duration_us": _MODEL,
    "nv_inference_pending_request_count": _MODEL,
    "nv_gpu_utilization": _GPU,
    "nv_gpu_memory_total_bytes": _GPU,
    "nv_gpu_memory_used_bytes": _GPU,
    "nv_gpu_power_usage": _GPU,
    "nv_gpu_power_limit": _GPU,
    "nv_energy_consumption": _GPU,
}
