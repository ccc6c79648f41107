from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pairmill_finaliser.choose import CHOICES, Contest
from pairmill_finaliser.steps import SCHEMAS
from pairmill_protos.common.v1.outcome_pb2 import Reason
from pairmill_protos.unit.v1.unit_pb2 import FinalisePhase


def candidate(number: int, *, key: int = 0, similarity: float = 0.5) -> dict[str, Any]:
    value = key.to_bytes(16, "big")
    return {
        "sample_id": number.to_bytes(16, "big"),
        "cluster_id": value,
        "url_id": value,
        "domain_id": value,
        "similarity": similarity,
    }


def contest(
    phase: FinalisePhase.ValueType, rows: list[dict[str, Any]], *, limit: int, piece: int
) -> list[int]:
    """Returns the numbers of the winners; every other row must have lost once."""
    table = pa.Table.from_pylist(rows, SCHEMAS["step_choice"])
    running = Contest(CHOICES[phase], limit)
    losers = [running.take(table.slice(start, piece)) for start in range(0, len(table), piece)]
    losers.append(running.settle())
    lost = pa.concat_tables(losers)
    assert set(lost.column("reason").to_pylist()) <= {CHOICES[phase].reason}
    winners = _numbers(running.winners)
    assert sorted(winners + _numbers(lost)) == sorted(int.from_bytes(row["sample_id"], "big") for row in rows)
    return sorted(winners)


def _numbers(table: pa.Table) -> list[int]:
    return [int.from_bytes(value or b"", "big") for value in table.column("sample_id").to_pylist()]


@pytest.mark.parametrize("piece", [1, 2, 100])
def test_of_a_cluster_the_smallest_id_stays(piece: int) -> None:
    rows = [
        candidate(3, similarity=0.9),
        candidate(2),
        candidate(7, key=1),
        candidate(5, key=1),
        candidate(9),
    ]
    assert contest(FinalisePhase.FINALISE_PHASE_CHOOSE_CLUSTER, rows, limit=1, piece=piece) == [2, 5]


@pytest.mark.parametrize("piece", [1, 2, 100])
def test_of_a_url_the_most_similar_stays_and_of_equals_the_smallest_id(piece: int) -> None:
    rows = [
        candidate(1, similarity=0.2),
        candidate(4, similarity=0.7),
        candidate(2, similarity=0.7),
        candidate(3, key=1, similarity=-0.1),
        candidate(5, key=1, similarity=-0.2),
    ]
    assert contest(FinalisePhase.FINALISE_PHASE_CHOOSE_URL, rows, limit=1, piece=piece) == [2, 3]


@pytest.mark.parametrize("piece", [1, 3, 100])
def test_of_a_domain_the_smallest_ids_stay_up_to_the_cap(piece: int) -> None:
    rows = [candidate(number, key=number % 2) for number in (8, 3, 1, 6, 4, 5)]
    assert contest(FinalisePhase.FINALISE_PHASE_CHOOSE_CAP, rows, limit=2, piece=piece) == [1, 3, 4, 6]


def test_winners_alone_are_kept_of_a_group_without_end() -> None:
    """One cluster of 300,000 copies: what cannot win any more is let go in pieces."""
    running = Contest(CHOICES[FinalisePhase.FINALISE_PHASE_CHOOSE_CLUSTER], 1)
    lost = 0
    for start in range(0, 300_000, 50_000):
        ids = np.arange(start, start + 50_000, dtype=">u8")
        names = pa.Array.from_buffers(
            pa.binary(16), len(ids), [None, pa.py_buffer(np.stack([ids * 0, ids], axis=1).tobytes())]
        )
        same = pa.array([bytes(16)] * len(ids), pa.binary(16))
        scores = pa.array(np.zeros(len(ids), dtype=np.float32))
        table = pa.table([names, same, same, same, scores], schema=SCHEMAS["step_choice"])
        lost += len(running.take(table))
        assert len(running.winners) <= 1
    lost += len(running.settle())
    assert (lost, _numbers(running.winners)) == (299_999, [0])


def test_every_choice_has_its_reason() -> None:
    assert {choice.reason for choice in CHOICES.values()} == {
        Reason.REASON_DUPLICATE_CLUSTER,
        Reason.REASON_DUPLICATE_URL,
        Reason.REASON_OVER_CAP,
    }
