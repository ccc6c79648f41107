"""Jobs whose dataset is searched: their index in the bucket, and what the explorer finds in it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import grpc

from pairmill.config import read_config
from pairmill.store.factory import open_store
from pairmill.store.port import ObjectStore
from pairmill.store.settings import S3Config
from pairmill_index.manifest import IndexVersion
from pairmill_index.publish import current_or_none, read_version
from pairmill_protos.explorer.v1.search_pb2 import Filters, SafeMode
from pairmill_protos.explorer.v1.search_service_pb2 import SearchRequest, SearchResponse
from pairmill_protos.explorer.v1.search_service_pb2_grpc import SearchServiceStub
from tests.e2e.stack.rig import SECONDS, Rig

SHARED_KEY = "indexed"
"""Of the job that tests share that only need one that was searched."""


def dataset_of(rig: Rig, job: str) -> ObjectStore:
    return open_store(rig.dataset(job), read_config(S3Config, rig.env, "PAIRMILL_S3__"))


def served(rig: Rig, job: str) -> IndexVersion | None:
    with dataset_of(rig, job) as store:
        current = current_or_none(store)
        return read_version(store, current) if current is not None else None


def wait_indexed(rig: Rig, job: str) -> IndexVersion:
    """Waits until the index of a job's dataset serves, and returns it."""
    deadline = time.monotonic() + SECONDS
    while (version := served(rig, job)) is None:
        assert time.monotonic() < deadline, "there is no index"
        rig.rest(0.5)
    return version


def search(rig: Rig, job: str, text: str = "") -> SearchResponse:
    """Searches a dataset over gRPC, as soon as the explorer serves it."""
    token = Path(rig.env["PAIRMILL_TOKEN_FILE"]).read_text().strip()
    call: dict[str, Any] = {"timeout": 20.0, "metadata": (("authorization", f"Bearer {token}"),)}
    request = SearchRequest(dataset=job, filters=Filters(safe_mode=SafeMode.SAFE_MODE_SHOW))
    if text:
        request.parts.add(text=text)
    waits = (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNAVAILABLE)  # it looks now and then
    deadline = time.monotonic() + SECONDS
    with grpc.insecure_channel(rig.stack.addresses.explorer_api) as channel:
        while True:
            try:
                return SearchServiceStub(channel).Search(request, **call)
            except grpc.RpcError as error:
                if error.code() not in waits or time.monotonic() > deadline:
                    raise
            rig.rest(0.5)
