"""What is searched for becomes one vector, or is refused."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest

from pairmill_explorer.errors import BadRequestError, NotFoundError, RequestError, TooLargeError
from pairmill_explorer.ports import NotEmbeddableError
from pairmill_explorer.search.query import MAX_IMAGE_BYTES, check_parts, modality_of, query_vector
from pairmill_index.manifest import Modality
from pairmill_protos.explorer.v1.search_pb2 import QueryPart, Vector
from tests.fakes.index_world import DIMENSIONS, IndexWorld

NAN, INF = float("nan"), float("inf")


@dataclass
class FakeEncoder:
    """Gives axis 0 for any text and axis 1 for any image but a broken one."""

    texts: list[str] = field(default_factory=list)
    dimensions: int = DIMENSIONS

    def text(self, text: str) -> npt.NDArray[np.float32]:
        self.texts.append(text)
        return axis(0)

    def image(self, data: bytes) -> npt.NDArray[np.float32]:
        if data == b"broken":
            raise NotEmbeddableError("no known image format")
        return axis(1)

    def close(self) -> None:
        """Does nothing."""


def axis(number: int) -> npt.NDArray[np.float32]:
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    vector[number] = 1
    return vector


def part(values: list[float]) -> QueryPart:
    return QueryPart(vector=Vector(values=values))


@pytest.mark.parametrize(
    ("parts", "where", "kind"),
    [
        pytest.param([part([NAN] * DIMENSIONS)], "parts[0].vector", BadRequestError, id="nan"),
        pytest.param([part([INF] + [0.0] * (DIMENSIONS - 1))], "parts[0].vector", BadRequestError, id="inf"),
        pytest.param([part([0.0] * DIMENSIONS)], "parts[0].vector", BadRequestError, id="zero"),
        pytest.param([part([1.0] * 3)], "parts[0].vector", BadRequestError, id="dimensions"),
        pytest.param([part([])], "parts[0].vector", BadRequestError, id="no-components"),
        pytest.param([QueryPart()], "parts[0]", BadRequestError, id="empty"),
        pytest.param([QueryPart(text=" \n")], "parts[0].text", BadRequestError, id="blank"),
        pytest.param([QueryPart(text="x" * 10_000_000)], "parts[0].text", TooLargeError, id="10-megabytes"),
        pytest.param([QueryPart(image=b"")], "parts[0].image", BadRequestError, id="no-image"),
        pytest.param(
            [QueryPart(image=bytes(MAX_IMAGE_BYTES + 1))], "parts[0].image", TooLargeError, id="large-image"
        ),
        pytest.param([QueryPart(text="a", weight=NAN)], "parts[0].weight", BadRequestError, id="nan-weight"),
        pytest.param([QueryPart(text="a", weight=1e9)], "parts[0].weight", BadRequestError, id="huge-weight"),
        pytest.param([QueryPart(text="a")] * 17, "parts", TooLargeError, id="17-parts"),
    ],
)
def test_a_bad_part_names_its_field_h2(parts: list[QueryPart], where: str, kind: type[RequestError]) -> None:
    with pytest.raises(kind) as caught:
        check_parts(parts, DIMENSIONS)
    assert caught.value.field == where


def test_a_vector_of_the_largest_floats_has_a_direction_h2(world: IndexWorld) -> None:
    parts = [part([3e38] * DIMENSIONS)]
    check_parts(parts, DIMENSIONS)
    vector = query_vector(parts, Modality.IMAGE, world.index, None)
    assert np.allclose(vector, DIMENSIONS**-0.5)


def test_parts_are_added_up_as_unit_vectors_by_their_weights(world: IndexWorld) -> None:
    long_axis = (5 * axis(2)).tolist()
    parts = [QueryPart(text="a", weight=2), part(long_axis), QueryPart(image=b"x", weight=-1)]
    vector = query_vector(parts, Modality.IMAGE, world.index, FakeEncoder())
    assert np.allclose(vector, (2 * axis(0) + axis(2) - axis(1)) / np.sqrt(6))


def test_a_sample_stands_for_its_embedding_of_the_searched_modality(world: IndexWorld) -> None:
    sample = QueryPart(sample_id=world.ids()[7])
    for modality in Modality:
        vector = query_vector([sample], modality, world.index, None)
        assert np.allclose(vector, world.vectors[modality][7].astype(np.float32), atol=2e-3)
        assert np.isclose(np.linalg.norm(vector), 1)


def test_parts_that_cancel_each_other_out_are_refused_h2(world: IndexWorld) -> None:
    parts = [QueryPart(text="a"), QueryPart(text="b", weight=-1)]
    with pytest.raises(BadRequestError) as caught:
        query_vector(parts, Modality.IMAGE, world.index, FakeEncoder())
    assert caught.value.field == "parts"


def test_a_text_is_brought_to_one_form_before_it_is_embedded(world: IndexWorld) -> None:
    encoder = FakeEncoder()
    query_vector([QueryPart(text="  e\u0301te\u0301 ")], Modality.TEXT, world.index, encoder)
    assert encoder.texts == ["\u00e9t\u00e9"]


def test_a_hostile_image_is_the_requests_fault_h2(world: IndexWorld) -> None:
    with pytest.raises(BadRequestError) as caught:
        query_vector([QueryPart(image=b"broken")], Modality.IMAGE, world.index, FakeEncoder())
    assert caught.value.field == "parts[0].image"


@pytest.mark.parametrize(
    ("sample_id", "kind"),
    [("zz", BadRequestError), ("", BadRequestError), ("00" * 16, NotFoundError)],
    ids=["no-hex", "empty", "unknown"],
)
def test_a_sample_that_is_not_there_is_said_so_h2(
    world: IndexWorld, sample_id: str, kind: type[RequestError]
) -> None:
    with pytest.raises(kind) as caught:
        query_vector([QueryPart(sample_id=sample_id)], Modality.IMAGE, world.index, None)
    assert caught.value.field == "parts[0].sample_id"


def test_without_the_model_a_text_is_refused_and_a_sample_still_found(world: IndexWorld) -> None:
    with pytest.raises(BadRequestError, match="not at hand"):
        query_vector([QueryPart(text="a")], Modality.IMAGE, world.index, None)
    assert query_vector([QueryPart(sample_id=world.ids()[0])], Modality.IMAGE, world.index, None).any()


def test_a_modality_that_is_none_is_refused() -> None:
    assert [modality_of(code) for code in (0, 1, 2)] == [Modality.IMAGE, Modality.IMAGE, Modality.TEXT]  # type: ignore[arg-type]  # numbers as they come from the wire
    with pytest.raises(BadRequestError):
        modality_of(3)  # type: ignore[arg-type]  # as it comes from the wire
