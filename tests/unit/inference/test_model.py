"""A model held to its version, and batches in which single rows are bad."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from pairmill.errors import ConfigurationError, RetriableError
from pairmill_inference.embedding import embed_block, is_suspect
from pairmill_inference.model import PinnedModel
from pairmill_inference.pairs import DecodedBlock, Pair
from pairmill_models.embedder import ModelError
from pairmill_protos.common.v1.outcome_pb2 import Reason
from tests.fakes.embedder import FakeEmbedder, Floats, Pixels
from tests.fakes.shard import drawn_picture

ROWS = 256


def pinned(embedder: FakeEmbedder) -> PinnedModel:
    return PinnedModel(embedder=embedder, name="fake", version="fake-1", dimensions=16)


def block(rows: int = ROWS) -> DecodedBlock:
    pairs = tuple(
        Pair(sample_id=f"{number:032x}", key="", url="", caption=f"caption {number}", image_path="")
        for number in range(rows)
    )
    images = np.stack([drawn_picture(number, 8, 8) for number in range(rows)])
    return DecodedBlock(pairs=pairs, images=images, failures=())


def refuses(bad: set[str]) -> Any:
    def spoil(texts: Sequence[str], answer: Floats) -> Floats:
        if bad & set(texts):
            raise ModelError("no memory for this batch")
        return answer

    return spoil


def test_f3_f5_a_batch_that_is_refused_is_halved_down_to_the_culprit() -> None:
    embedder = FakeEmbedder(spoil_texts=refuses({"caption 100"}))
    found = embed_block(block(), pinned(embedder))
    assert len(found.pairs) == ROWS - 1
    (failed,) = found.failures
    assert (failed.sample_id, failed.reason) == (f"{100:032x}", Reason.REASON_BAD_MODEL_OUTPUT)
    assert "no memory" in failed.detail
    assert len(embedder.text_batches) <= 2 * 8 + 1


def test_f3_memory_that_runs_out_halves_the_batch() -> None:
    def spoil(images: Pixels, answer: Floats) -> Floats:
        if len(images) > 40:
            raise MemoryError
        return answer

    found = embed_block(block(), pinned(FakeEmbedder(spoil_images=spoil)))
    assert len(found.pairs) == ROWS
    assert not found.failures


@pytest.mark.parametrize("tower", ["image", "text"])
@pytest.mark.parametrize("value", [0.0, np.nan, np.inf], ids=["zero", "nan", "infinite"])
def test_e15_f5_one_row_without_direction_fails_alone(tower: str, value: float) -> None:
    def spoil(_rows: object, answer: Floats) -> Floats:
        answer[7] = value
        return answer

    option: dict[str, Any] = {f"spoil_{tower}s": spoil}
    clean = embed_block(block(), pinned(FakeEmbedder()))
    found = embed_block(block(), pinned(FakeEmbedder(**option)))
    (failed,) = found.failures
    assert (failed.sample_id, failed.reason) == (f"{7:032x}", Reason.REASON_BAD_EMBEDDING)
    assert tower in failed.detail
    others = np.arange(ROWS) != 7
    assert np.array_equal(found.images, clean.images[others])
    assert np.array_equal(found.texts, clean.texts[others])
    assert np.isfinite(found.images).all()


def test_e15_a_black_picture_is_a_bad_embedding() -> None:
    given = block(3)
    given.images[1] = 0
    found = embed_block(given, pinned(FakeEmbedder()))
    assert [pair.sample_id for pair in found.pairs] == [f"{0:032x}", f"{2:032x}"]
    assert [failed.reason for failed in found.failures] == [Reason.REASON_BAD_EMBEDDING]


def test_f8_a_permuted_batch_gives_every_row_its_own_embedding() -> None:
    given = block(64)
    straight = embed_block(given, pinned(FakeEmbedder()))
    order = np.random.default_rng(1).permutation(64)
    mixed = DecodedBlock(
        pairs=tuple(given.pairs[place] for place in order), images=given.images[order], failures=()
    )
    found = embed_block(mixed, pinned(FakeEmbedder()))
    by_id = {pair.sample_id: row for row, pair in enumerate(found.pairs)}
    places = [by_id[pair.sample_id] for pair in straight.pairs]
    assert np.allclose(found.images[places].astype(float), straight.images.astype(float), atol=1e-3)
    assert np.allclose(found.texts[places].astype(float), straight.texts.astype(float), atol=1e-3)


@pytest.mark.parametrize(
    "spoiled",
    [
        lambda answer: answer[:, :8],
        lambda answer: np.concatenate([answer, answer], axis=1),
        lambda answer: answer.astype(np.float64),
        lambda answer: answer.astype(np.float16),
        lambda answer: answer.reshape(-1),
    ],
    ids=["narrow", "wide", "float64", "float16", "flat"],
)
def test_f4_an_answer_of_another_width_or_type_stops_the_stage(spoiled: Any) -> None:
    embedder = FakeEmbedder(spoil_images=lambda images, answer: spoiled(answer))
    with pytest.raises(ConfigurationError, match="16 float32"):
        embed_block(block(4), pinned(embedder))


def test_f4_f6_a_model_that_changes_in_mid_run_stops_the_stage() -> None:
    embedder = FakeEmbedder()
    model = pinned(embedder)
    assert len(embed_block(block(4), model).pairs) == 4
    embedder.model_version = "fake-2"
    with pytest.raises(ConfigurationError, match=r"fake-2.*fake-1"):
        embed_block(block(4), model)


def test_f4_an_answer_with_too_few_rows_cannot_be_matched() -> None:
    def spoil(texts: Sequence[str], answer: Floats) -> Floats:
        return answer[:-1] if "caption 3" in texts else answer

    found = embed_block(block(8), pinned(FakeEmbedder(spoil_texts=spoil)))
    (failed,) = found.failures
    assert (failed.sample_id, failed.reason) == (f"{3:032x}", Reason.REASON_BAD_MODEL_OUTPUT)


def test_f1_a_model_that_is_away_is_nobodys_fault() -> None:
    def spoil(texts: Sequence[str], answer: Floats) -> Floats:
        raise RetriableError("the model server is away")

    with pytest.raises(RetriableError):
        embed_block(block(4), pinned(FakeEmbedder(spoil_texts=spoil)))


def test_a_block_of_which_nothing_is_left_is_suspect() -> None:
    def spoil(_rows: object, answer: Floats) -> Floats:
        return answer * np.float32(np.nan)

    given = block(4)
    assert is_suspect(given, embed_block(given, pinned(FakeEmbedder(spoil_images=spoil))))
    assert not is_suspect(given, embed_block(given, pinned(FakeEmbedder())))


def test_an_empty_block_asks_the_model_nothing() -> None:
    embedder = FakeEmbedder()
    empty = DecodedBlock(pairs=(), images=np.zeros((0, 8, 8, 3), dtype=np.uint8), failures=())
    found = embed_block(empty, pinned(embedder))
    assert found.images.shape == found.texts.shape == (0, 16)
    assert not is_suspect(empty, found)
    assert embedder.image_batches == embedder.text_batches == []
