"""What clients of clip-retrieval send, and the numbers that stand for rows."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from pairmill_explorer.errors import NotFoundError
from pairmill_explorer.http.clip.ids import found_by, numbers_of
from pairmill_explorer.http.clip.messages import KnnRequest, aesthetic_of, read_request, result_count
from pairmill_explorer.http.clip.ratings import RATINGS, Ratings, rating_means
from pairmill_explorer.http.clip.rows import categories_of, metadata_of
from pairmill_explorer.search.conditions import SafetyRules
from pairmill_explorer.search.found import Found
from pairmill_index.manifest import Modality
from tests.fakes.index_world import IndexWorld, make_index


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> IndexWorld:
    """A small index of two segments per bucket."""
    return make_index(tmp_path_factory.mktemp("index"), 600, segments=2)


def test_what_the_client_sends_is_read_with_all_its_nulls() -> None:
    body = {
        "text": None,
        "image": None,
        "image_url": None,
        "embedding_input": [1, 2.5],
        "deduplicate": True,
        "use_safety_model": True,
        "use_violence_detector": True,
        "indice_name": "demo",
        "use_mclip": False,
        "aesthetic_score": 9,
        "aesthetic_weight": 0.5,
        "modality": "image",
        "num_images": 40,
        "num_result_ids": 40,
    }
    request = read_request(KnnRequest, json.dumps(body).encode())
    assert request.embedding_input == [1.0, 2.5]
    assert aesthetic_of(request) == (9, 0.5)
    assert result_count(request) == 40


@pytest.mark.parametrize(
    ("score", "weight", "wanted"),
    [
        ("", "", None),
        (None, None, None),
        (9, None, None),
        (9, 0, None),
        ("7", "0.25", (7, 0.25)),
        (10, 1, (9, 1.0)),
        (3.9, 1, (3, 1.0)),
    ],
)
def test_an_aesthetic_score_counts_with_its_weight_only(
    score: float | str | None, weight: float | str | None, wanted: tuple[int, float] | None
) -> None:
    assert aesthetic_of(KnnRequest(aesthetic_score=score, aesthetic_weight=weight)) == wanted


def test_a_number_leads_back_to_its_row_and_javascript_can_read_it(world: IndexWorld) -> None:
    last = len(world.index.segments) - 1
    found = Found(
        segments=np.array([0, last, 1], dtype=np.int32),
        rows=np.array([3, 0, world.index.segments[1].rows - 1], dtype=np.int64),
        scores=np.zeros(3, dtype=np.float32),
    )
    numbers = numbers_of(found)
    assert max(numbers) < 2**53
    back = found_by(numbers, world.index)
    assert back.segments.tolist() == found.segments.tolist()
    assert back.rows.tolist() == found.rows.tolist()


def test_h2_a_number_that_is_no_row_is_not_found(world: IndexWorld) -> None:
    for number in (-1, world.index.segments[0].rows, len(world.index.segments) << 40, 2**62):
        with pytest.raises(NotFoundError, match="is no id of this version"):
            found_by([number], world.index)


def test_g8_the_number_of_a_removed_row_is_not_found(tmp_path: Path) -> None:
    index = make_index(tmp_path, 100).index
    found_by([3, 4], index)
    index.segments[0].alive[4] = False
    with pytest.raises(NotFoundError, match=r"ids\[1\]: 4 is no id of this version"):
        found_by([3, 4], index)


def test_metadata_is_that_of_the_row_whatever_the_order(world: IndexWorld) -> None:
    draw = np.random.default_rng(5)
    places = draw.integers(0, len(world.index.segments), 50).astype(np.int32)
    rows = np.array([draw.integers(0, world.index.segments[place].rows) for place in places], dtype=np.int64)
    found = Found(segments=places, rows=rows, scores=np.zeros(50, dtype=np.float32))
    told = msgspec.to_builtins(metadata_of(world.index, found, SafetyRules(max_unsafe_score=0.5)))
    for place, row, metadata in zip(places.tolist(), rows.tolist(), told, strict=True):
        table = world.index.segments[place].table
        assert metadata["url"] == table["url"][row].as_py()
        assert metadata["caption"] == table["text"][row].as_py()
        assert metadata["LANGUAGE"] == table["language"][row].as_py()
        assert metadata["AESTHETIC_SCORE"] == table["aesthetic_score"][row].as_py()
        punsafe = metadata["punsafe"]
        category = "UNSURE" if punsafe is None else "NSFW" if punsafe > 0.5 else "UNLIKELY"
        assert metadata["NSFW"] == category


def test_h6_a_score_that_is_unknown_is_never_called_safe() -> None:
    rules = SafetyRules(max_unsafe_score=0.3)
    scores = [0.2, float(np.float32(0.3)), 0.31, None, float("nan")]
    assert categories_of(scores, rules) == ["UNLIKELY", "UNLIKELY", "NSFW", "UNSURE", "UNSURE"]


def test_a_rating_is_the_mean_direction_of_the_samples_that_have_it(world: IndexWorld) -> None:
    means = rating_means(world.index)
    assert means.shape == (RATINGS, world.index.manifest.dimensions)
    scores = np.concatenate(
        [segment.table["aesthetic_score"].to_numpy().astype(np.float32) for segment in world.index.segments]
    )
    vectors = np.concatenate([segment.vectors(Modality.IMAGE) for segment in world.index.segments])
    for rating in range(RATINGS):
        lower = scores >= (rating if rating else -np.inf)
        own = vectors[lower & (scores < (rating + 1 if rating < RATINGS - 1 else np.inf))]
        if len(own):
            wanted = own.astype(np.float64).sum(axis=0)
            np.testing.assert_allclose(means[rating], wanted / np.linalg.norm(wanted), atol=1e-5)
        else:
            assert not means[rating].any()


def test_g8_removed_samples_are_in_no_mean(tmp_path: Path) -> None:
    index = make_index(tmp_path, 200, buckets=("en",)).index
    (segment,) = index.segments
    scores, before = segment.table["aesthetic_score"].to_numpy(), rating_means(index)
    fives = np.flatnonzero((scores >= 5) & (scores < 6))
    assert len(fives) > 1
    segment.alive[fives[1:]] = False
    vector = segment.vectors(Modality.IMAGE)[fives[0]].astype(np.float32)
    after = rating_means(index)
    np.testing.assert_allclose(after[5], vector / np.linalg.norm(vector), atol=1e-5)
    np.testing.assert_array_equal(after[6], before[6])


def test_a_query_leant_to_a_rating_that_nobody_has_stays(world: IndexWorld) -> None:
    query = np.zeros(world.index.manifest.dimensions, dtype=np.float32)
    query[0] = 1.0
    empty = next((one for one in range(RATINGS) if not rating_means(world.index)[one].any()), None)
    leant = Ratings().leaning(query, world.index, 0 if empty is None else empty, 0.0)
    np.testing.assert_allclose(leant, query)
