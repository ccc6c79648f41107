"""A job that ends is searchable by itself, whatever happens to the indexer meanwhile (A1, A2, H1)."""

from __future__ import annotations

import psutil
import pytest

from pairmill.dataset import roles
from pairmill.dataset.reader import Dataset
from pairmill_index.layout import FOLDER
from pairmill_index.pending import PENDING
from tests.e2e.conftest import Undisturbed
from tests.e2e.stack.faults import FaultTable
from tests.e2e.stack.indexed import SHARED_KEY, dataset_of, search, served, wait_indexed
from tests.e2e.stack.oracles import assert_same_dataset
from tests.e2e.stack.rig import Rig


def test_a_finished_job_is_searchable_by_itself(rig: Rig) -> None:
    job = rig.run(SHARED_KEY).job_id
    version = wait_indexed(rig, job)
    assert version.rows == indexed_rows(rig, job)
    found = search(rig, job, text="a red circle")
    assert found.hits
    assert {hit.sample.sample_id for hit in found.hits} <= sample_ids(rig, job)
    assert found.matching == version.rows
    assert found.hits[0].score == max(hit.score for hit in found.hits)


@pytest.mark.faults
def test_a1_a2_h1_an_indexer_killed_in_builds_leaves_one_index(
    rig: Rig, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    """It dies when its build has begun, and again when the first segment is on its way."""
    indexer = rig.services("indexer")[0]
    job = rig.submit("indexer-killed")
    rig.wait_for(job, lambda found: bool(psutil.Process(indexer.pid).children()) or _is_indexed(rig, job))
    indexer.kill()
    kills = 1
    while not _is_indexed(rig, job):
        if kills < 3 and indexer.alive and _has_begun(rig, job):
            indexer.kill()
            kills += 1
        rig.rest(0.1)
    version = wait_indexed(rig, job)
    assert rig.restarts >= 1
    assert kills > 1
    assert version.rows == indexed_rows(rig, job)
    with dataset_of(rig, job) as store:
        assert list(store.list(PENDING)) == []
        named = {file.path for segment in version.segments for file in segment.files}
        found = {one.key for one in store.list(f"{FOLDER}/segments/")}
        assert named == found, "nothing is left of builds that were killed"
    assert search(rig, job).matching == version.rows
    assert_same_dataset(rig, undisturbed.out, job)
    fault_table.add(
        "A1,A2,H1",
        injected="SIGKILL of the indexer when its build has begun, and when segments are on their way",
        seen="one index, nothing left over, searched over gRPC",
    )


def indexed_rows(rig: Rig, job: str) -> int:
    """Samples that have embeddings."""
    with dataset_of(rig, job) as store:
        return sum(entry.rows for entry in Dataset.open(store).files(roles.IMAGE_EMBEDDINGS))


def sample_ids(rig: Rig, job: str) -> set[str]:
    with dataset_of(rig, job) as store:
        batches = Dataset.open(store).samples(["sample_id"])
        return {str(value) for batch in batches for value in batch.column(0).to_pylist()}


def _is_indexed(rig: Rig, job: str) -> bool:
    return served(rig, job) is not None


def _has_begun(rig: Rig, job: str) -> bool:
    """Whether a segment is on its way."""
    with dataset_of(rig, job) as store:
        return any(True for _ in store.list(PENDING))
