"""`ClipClient` of the package clip-retrieval, as it is, against the explorer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from pairmill_explorer.open import Explorer
from pairmill_index.manifest import Modality
from pairmill_protos.explorer.v1.search_pb2 import Filters, SafeMode
from pairmill_protos.explorer.v1.search_service_pb2 import SearchRequest
from tests.peers.conftest import Ask

PLAIN: Final = {
    "aesthetic_weight": 0.0,
    "deduplicate": False,
    "use_safety_model": False,
    "use_violence_detector": False,
}
TEXT: Final = "a red circle on a blue background"


@pytest.fixture(scope="module")
def picture(explorer: Explorer, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A sample with its stored picture as a file."""
    filters = Filters(safe_mode=SafeMode.SAFE_MODE_HIDE, verdicts=["kept"])
    hits = explorer.search.search(SearchRequest(filters=filters, page_size=20)).hits
    sample = next(hit.sample for hit in hits if hit.sample.has_image)
    data = explorer.search.image("demo", sample.sample_id, 0)
    assert data is not None
    path = tmp_path_factory.mktemp("picture") / "picture.jpg"
    path.write_bytes(data)
    return sample.sample_id, path


def vectors(explorer: Explorer, modality: Modality) -> tuple[list[str], Any]:
    """Returns the ids of all samples and their vectors."""
    ids, found = list[str](), []
    with explorer.datasets.get("demo").use() as snapshot:
        for segment in snapshot.index.segments:
            ids += [bytes(one or b"").hex() for one in segment.table["sample_id"].to_pylist()]
            found.append(segment.vectors(modality).astype(np.float32))
    return ids, np.concatenate(found)


def test_a_text_with_all_defaults(ask: Ask) -> None:
    (results,) = ask(({}, {"text": TEXT}))
    assert 0 < len(results) <= 40
    assert all(set(one) >= {"id", "similarity", "url", "caption"} for one in results)
    scores = [one["similarity"] for one in results]
    assert scores == sorted(scores, reverse=True)
    assert all(isinstance(one["id"], int) for one in results)


@pytest.mark.parametrize("modality", Modality)
def test_a_text_finds_in_both_modalities_what_an_exact_search_finds(
    ask: Ask, explorer: Explorer, modality: Modality
) -> None:
    (results,) = ask(({**PLAIN, "modality": modality.value, "num_images": 10}, {"text": TEXT}))
    with explorer.datasets.get("demo").use() as snapshot:
        assert snapshot.encoder is not None
        query = snapshot.encoder.text(TEXT)
    ids, stored = vectors(explorer, modality)
    scores = stored @ query
    best = np.argsort(-scores)[:10]
    assert [round(one["similarity"], 3) for one in results] == [round(float(scores[one]), 3) for one in best]
    assert results[0]["sample_id"] in {ids[one] for one in best if scores[one] > scores[best[0]] - 1e-3}


def test_an_image_finds_itself(ask: Ask, picture: tuple[str, Path]) -> None:
    sample_id, path = picture
    (results,) = ask(({**PLAIN, "num_images": 5}, {"image": str(path)}))
    same = [one for one in results if one["sample_id"] == sample_id]
    assert same
    assert same[0]["similarity"] > 0.99
    assert results[0]["similarity"] > 0.99


def test_an_embedding_finds_its_own_sample(ask: Ask, explorer: Explorer) -> None:
    ids, stored = vectors(explorer, Modality.IMAGE)
    (results,) = ask(({**PLAIN, "num_images": 3}, {"embedding_input": [float(one) for one in stored[7]]}))
    assert results[0]["similarity"] == pytest.approx(1.0, abs=1e-3)
    assert ids[7] in {one["sample_id"] for one in results if one["similarity"] > 0.999}


def test_deduplicate_leaves_one_of_those_alike(ask: Ask) -> None:
    every, apart = ask(
        ({**PLAIN, "num_images": 1000}, {"text": TEXT}),
        ({**PLAIN, "num_images": 1000, "deduplicate": True}, {"text": TEXT}),
    )
    assert len(apart) < len(every)  # the synthetic web has copies of its pictures
    assert apart[0]["similarity"] == pytest.approx(every[0]["similarity"])
    assert len({one["id"] for one in apart}) == len(apart)


def test_the_safety_model_leaves_out_what_is_unsafe(ask: Ask) -> None:
    every, safe = ask(
        ({**PLAIN, "num_images": 1000}, {"text": TEXT}),
        ({**PLAIN, "num_images": 1000, "use_safety_model": True}, {"text": TEXT}),
    )
    unsafe = {one["id"] for one in every if one["NSFW"] != "UNLIKELY"}
    assert unsafe  # the synthetic web has unsafe pictures
    assert {one["id"] for one in safe} == {one["id"] for one in every} - unsafe


def test_the_violence_detector_may_be_asked_for(ask: Ask) -> None:
    options = {**PLAIN, "num_images": 5}
    without, with_it = ask(
        (options, {"text": TEXT}), ({**options, "use_violence_detector": True}, {"text": TEXT})
    )
    assert without == with_it


def test_an_aesthetic_score_brings_prettier_images(ask: Ask) -> None:
    options = {**PLAIN, "num_images": 30, "aesthetic_weight": 2.0}
    high, low = ask(
        ({**options, "aesthetic_score": 9}, {"text": TEXT}),
        ({**options, "aesthetic_score": 2}, {"text": TEXT}),
    )
    assert mean_score(high) >= mean_score(low)
    assert {one["id"] for one in high} != {one["id"] for one in low}


def test_an_address_of_an_image_is_not_fetched_and_it_is_said_why(ask: Ask) -> None:
    (answer,) = ask(({}, {"image": "http://169.254.169.254/latest"}))
    refused: Any = answer
    assert refused["code"] == "INVALID_ARGUMENT"
    assert refused["violations"][0]["field"] == "image_url"


def test_an_index_that_is_not_there_is_named(ask: Ask, url: str) -> None:
    (answer,) = ask(({"indice_name": "laion5B"}, {"text": TEXT}))
    refused: Any = answer
    assert (refused["code"], refused["violations"][0]["field"]) == ("NOT_FOUND", "indice_name")


def mean_score(results: list[dict[str, Any]]) -> float:
    scores = [one["AESTHETIC_SCORE"] for one in results if one["AESTHETIC_SCORE"] is not None]
    return float(np.mean(scores))
