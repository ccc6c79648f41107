"""clip-retrieval's protocol over a real index."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from prometheus_client import CollectorRegistry

from pairmill.clock import SystemClock
from pairmill.dataset.reader import Dataset
from pairmill.rpc.config import RpcConfig
from pairmill.store.directory import DirectoryStore
from pairmill_explorer.desks import opened_desks
from pairmill_explorer.http.clip.ratings import rating_means
from pairmill_explorer.open import CoreConfig, Explorer, open_explorer
from pairmill_explorer.rpc.work import WorkConfig
from pairmill_explorer.serving import serving
from pairmill_index.build import build_index
from pairmill_index.manifest import Modality
from pairmill_index.options import BuildOptions
from tests.fakes.dataset import build_dataset
from tests.fakes.explorer_desks import FakeDesk
from tests.fakes.explorer_served import Answer, Explored, http_config


@pytest.fixture(scope="module")
def explorer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explorer]:
    """A small dataset with its index."""
    folder = tmp_path_factory.mktemp("clip")
    build_dataset(folder / "dataset")
    store = DirectoryStore(folder / "dataset")
    build_index(Dataset.open(folder / "dataset"), store, BuildOptions(), scratch=folder)
    config = CoreConfig(scratch=folder / "scratch", poll_seconds=3600, image_processes=1)
    with open_explorer({"demo": store}, config) as opened:
        yield opened


@pytest.fixture(scope="module")
def served(explorer: Explorer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explored]:
    """It over HTTP."""
    registry, clock = CollectorRegistry(), SystemClock()
    scratch = tmp_path_factory.mktemp("scratch")
    with (
        opened_desks(explorer, scratch=scratch, registry=registry, clock=clock) as desks,
        serving(
            desks,
            http=http_config(None),
            rpc=RpcConfig(),
            work=WorkConfig(calls_per_minute=0),
            registry=registry,
            clock=clock,
        ) as running,
    ):
        yield Explored(running, FakeDesk(), None, registry, desks.clip_times)


def post(served: Explored, path: str, request: Any) -> Answer:
    return served.ask("POST", path, json.dumps(request).encode())


def knn(served: Explored, **request: Any) -> list[dict[str, Any]]:
    answer = post(served, "/knn-service", {"modality": "image", "indice_name": "demo", **request})
    assert answer.status == 200, answer.body
    results: list[dict[str, Any]] = answer.json
    return results


def exact(explorer: Explorer, vector: Any, modality: Modality) -> list[tuple[str, float]]:
    """Returns all samples by their cosine with a vector, the nearest first."""
    found = []
    with explorer.datasets.get("").use() as snapshot:
        for segment in snapshot.index.segments:
            scores = segment.vectors(modality).astype(np.float32) @ vector
            ids = segment.table["sample_id"].to_pylist()
            found += [(bytes(one or b"").hex(), float(score)) for one, score in zip(ids, scores, strict=True)]
    return sorted(found, key=lambda one: -one[1])


def a_vector(explorer: Explorer, modality: Modality = Modality.IMAGE) -> Any:
    with explorer.datasets.get("").use() as snapshot:
        vector = snapshot.index.segments[0].vectors(modality)[0].astype(np.float32)
    return vector / np.linalg.norm(vector)


def test_the_indices_are_the_datasets_by_name(served: Explored) -> None:
    assert served.ask("GET", "/indices-list").json == ["demo"]
    assert served.ask("GET", "/config.json").json == {
        "defaultBackend": f"http://{served.host}/",
        "defaultIndex": "demo",
        "urlColumn": "url",
    }


@pytest.mark.parametrize("modality", Modality)
def test_an_embedding_finds_what_an_exact_search_finds(
    served: Explored, explorer: Explorer, modality: Modality
) -> None:
    vector = a_vector(explorer, modality)
    results = knn(
        served, embedding_input=[3.0 * float(one) for one in vector], num_images=10, modality=modality.value
    )
    wanted = exact(explorer, vector, modality)[: len(results)]
    assert len(results) == 10
    assert [round(one["similarity"], 4) for one in results] == [round(score, 4) for _, score in wanted]
    assert results[0]["sample_id"] in {sample_id for sample_id, score in wanted if score > 0.999}


def test_the_first_images_have_metadata_and_all_results_an_id(served: Explored, explorer: Explorer) -> None:
    vector = [float(one) for one in a_vector(explorer)]
    results = knn(served, embedding_input=vector, num_images=3, num_result_ids=7)
    assert [set(one) >= {"url", "caption", "NSFW", "md5", "punsafe"} for one in results] == [True] * 3 + [
        False
    ] * 4
    assert all(set(one) == {"id", "similarity"} for one in results[3:])
    ids = [one["id"] for one in results]
    assert len({*ids}) == 7
    told = post(served, "/metadata", {"ids": ids, "indice_name": "demo"}).json
    assert [one["id"] for one in told] == ids
    assert [one["metadata"]["url"] for one in told[:3]] == [one["url"] for one in results[:3]]
    assert {one["metadata"]["NSFW"] for one in told} <= {"NSFW", "UNSURE", "UNLIKELY"}


def test_the_safety_model_leaves_out_what_is_unsafe_or_unknown(served: Explored, explorer: Explorer) -> None:
    vector = [float(one) for one in a_vector(explorer)]
    everything = knn(served, embedding_input=vector, num_images=1000)
    safe = knn(served, embedding_input=vector, num_images=1000, use_safety_model=True)
    assert {one["NSFW"] for one in safe} == {"UNLIKELY"}
    assert [one["id"] for one in everything if one["NSFW"] == "UNLIKELY"] == [one["id"] for one in safe]
    assert len(everything) == sum(1 for _ in exact(explorer, a_vector(explorer), Modality.IMAGE))


def test_of_alike_results_the_nearest_stays(served: Explored, explorer: Explorer) -> None:
    vector = [float(one) for one in a_vector(explorer)]
    everything = knn(served, embedding_input=vector, num_images=1000)
    apart = knn(served, embedding_input=vector, num_images=1000, deduplicate=True)
    assert apart[0]["id"] == everything[0]["id"]
    assert len({one["id"] for one in apart}) == len(apart) <= len(everything)
    order = {one["id"]: place for place, one in enumerate(everything)}
    places = [order[one["id"]] for one in apart]
    assert places == sorted(places)


def test_an_aesthetic_score_leans_the_query_to_samples_of_that_score(
    served: Explored, explorer: Explorer
) -> None:
    vector = a_vector(explorer)
    given = [float(one) for one in vector]
    with explorer.datasets.get("").use() as snapshot:
        means = rating_means(snapshot.index)
    (rating,) = np.flatnonzero(means.any(axis=1))[-1:]
    leant = vector + 0.5 * means[rating]
    leant /= np.linalg.norm(leant)
    results = knn(
        served,
        embedding_input=given,
        num_images=5,
        aesthetic_score=int(rating),
        aesthetic_weight=0.5,
    )
    wanted = exact(explorer, leant, Modality.IMAGE)[:5]
    assert [round(one["similarity"], 3) for one in results] == [round(score, 3) for _, score in wanted]
    plain = knn(served, embedding_input=given, num_images=5)
    for nothing in ({}, {"aesthetic_score": "", "aesthetic_weight": ""}, {"aesthetic_score": 9}):
        assert knn(served, embedding_input=given, num_images=5, **nothing) == plain


def test_texts_and_images_are_embedded_where_the_model_is_at_hand(
    served: Explored, explorer: Explorer
) -> None:
    """The fake dataset's bundle is not at hand: it is said so, and which field it is."""
    sink = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(sink, "PNG")
    for field, value in (("text", "red"), ("image", base64.b64encode(sink.getvalue()).decode())):
        answer = post(served, "/knn-service", {field: value, "num_images": 3, "modality": "image"})
        assert answer.status == 400
        assert [one["field"] for one in answer.json["violations"]] == [field]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({}, "text"),
        ({"text": ""}, "text"),
        ({"image_url": "http://169.254.169.254/"}, "image_url"),
        ({"image": "&&&"}, "image"),
        ({"embedding_input": []}, "embedding_input"),
        ({"embedding_input": [0.0] * 4}, "embedding_input"),
        ({"embedding_input": ["a"]}, "embedding_input[0]"),
        ({"embedding_input": [1.0], "modality": "sound"}, "modality"),
        ({"text": "a", "num_images": 0}, "num_images"),
        ({"text": "a", "num_images": -1, "num_result_ids": 3}, "num_result_ids"),
        ({"text": "a", "num_images": 10**9}, "num_images"),
        ({"text": "a", "num_result_ids": 10**9}, "num_result_ids"),
        ({"text": "a", "num_images": "x"}, "num_images"),
        ({"text": "a", "aesthetic_score": "high", "aesthetic_weight": 1}, "aesthetic_score"),
        ({"text": "a", "aesthetic_score": 99, "aesthetic_weight": 1}, "aesthetic_score"),
        ({"text": "a", "aesthetic_score": 9, "aesthetic_weight": 1e9}, "aesthetic_weight"),
        ({"text": "a", "indice_name": "other"}, "indice_name"),
    ],
    ids=str,
)
def test_h2_a_query_that_is_none_is_refused_with_the_field(
    served: Explored, request_: dict[str, Any], field: str
) -> None:
    answer = post(served, "/knn-service", request_)
    assert answer.status in (400, 404, 413)
    assert [one["field"] for one in answer.json["violations"]] == [field]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"text": 3}', b'{"embedding_input": [NaN]}'])
def test_h2_a_body_that_is_none_is_refused(served: Explored, body: bytes) -> None:
    assert served.ask("POST", "/knn-service", body).status == 400
    assert served.ask("POST", "/metadata", body).status == 400


@pytest.mark.parametrize("number", [-1, 2**53, 2**62, 10**6])
def test_h2_metadata_of_no_row_is_not_found(served: Explored, number: int) -> None:
    answer = post(served, "/metadata", {"ids": [0, number], "indice_name": "demo"})
    assert (answer.status, answer.json["violations"][0]["field"]) == (404, "ids[1]")


def test_where_the_time_goes_is_told(served: Explored, explorer: Explorer) -> None:
    knn(served, embedding_input=[float(one) for one in a_vector(explorer)], num_images=3)
    lines = served.ask("GET", "/metrics-summary").body.decode().splitlines()
    assert lines[0].startswith("Among ")
    assert {line.split()[0] for line in lines[3:]} == {"encode", "filter", "search", "rows"}
    page = served.ask("GET", "/metrics")
    assert page.headers["Content-Type"].startswith("text/plain")
    assert b"pairmill_knn_step_seconds_count" in page.body
