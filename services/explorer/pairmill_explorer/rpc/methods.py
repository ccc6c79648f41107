"""Every method that the explorer serves: who may call it, with how much. What is not here is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pairmill.rpc.callers import Role
from pairmill.rpc.methods import OPERATE, READ, STREAM, Method

SEARCH_SERVICE: Final = "pairmill.explorer.v1.SearchService"
SUBSET_SERVICE: Final = "pairmill.explorer.v1.SubsetService"
WATCH_EXPORT: Final = f"/{SUBSET_SERVICE}/WatchExport"

_WITH_IMAGES: Final = Method(role=Role.READ, max_bytes=None)  # a query may hold images and vectors

METHODS: Final[Mapping[str, Method]] = {
    f"/{SEARCH_SERVICE}/ListDatasets": READ,
    f"/{SEARCH_SERVICE}/Search": _WITH_IMAGES,
    f"/{SEARCH_SERVICE}/GetFacets": _WITH_IMAGES,
    f"/{SEARCH_SERVICE}/GetSamples": READ,
    f"/{SEARCH_SERVICE}/GetFunnel": READ,
    f"/{SEARCH_SERVICE}/PreviewThreshold": READ,
    f"/{SEARCH_SERVICE}/ListDropped": READ,
    f"/{SEARCH_SERVICE}/ReportSample": READ,
    f"/{SUBSET_SERVICE}/SaveSubset": Method(role=Role.OPERATE, max_bytes=None),
    f"/{SUBSET_SERVICE}/GetSubset": READ,
    f"/{SUBSET_SERVICE}/ListSubsets": READ,
    f"/{SUBSET_SERVICE}/PreviewSubset": _WITH_IMAGES,
    f"/{SUBSET_SERVICE}/StartExport": OPERATE,
    f"/{SUBSET_SERVICE}/GetExport": READ,
    f"/{SUBSET_SERVICE}/ListExports": READ,
    WATCH_EXPORT: STREAM,
    f"/{SUBSET_SERVICE}/CancelExport": OPERATE,
    f"/{SUBSET_SERVICE}/DiffExports": READ,
}
