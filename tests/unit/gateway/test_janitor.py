"""The janitor removes steps and orphans of its own job alone, and may be killed anywhere (U4, U11)."""

from __future__ import annotations

import pytest

from pairmill.dataset.audit import audit
from pairmill.dataset.manifest_files import open_manifest
from pairmill.dataset.reader import Dataset
from pairmill.dataset.source import FolderFiles
from pairmill.dataset.versions import keep_current_version, version_key
from pairmill.errors import NoSpaceError
from pairmill_gateway.janitor import Janitor, owner_pattern
from tests.fakes.dataset_options import save_manifest
from tests.fakes.driven_job import Job
from tests.fakes.failing_store import FailingStore


def _keys(job: Job) -> set[str]:
    return {info.key for info in job.store.list("")}


def test_g1_after_the_end_only_what_the_manifest_names_stays(job: Job) -> None:
    job.drive(job.driver())
    job_id = job.builder.spec.job_id
    orphan = f"shards/{job_id}.w0000.r0000.d00000-0badbeef.tar"
    job.store.put(orphan, b"a second attempt")
    other = "shards/j0123456789ab.w0000.r0000.d00000-0badbeef.tar"
    job.store.put(other, b"another job's")
    swept = Janitor(job.store, FolderFiles(job.out)).sweep(job_id)
    named = {entry.path for entry in Dataset.open(job.out).files()}
    kept = {key for key in _keys(job) if owner_pattern(job_id).search(key)}
    assert kept <= named
    assert swept.objects > 0
    assert other in _keys(job)
    assert orphan not in _keys(job)
    assert audit(job.out).findings == ()


def test_g7_files_that_only_a_part_of_the_manifest_names_stay(job: Job) -> None:
    job.drive(job.driver())
    manifest = open_manifest(job.out).manifest
    named = {entry.path for entry in manifest.files}
    save_manifest(job.out, manifest, limit=1)
    assert open_manifest(job.out).manifest.is_split
    Janitor(job.store, FolderFiles(job.out)).sweep(job.builder.spec.job_id)
    assert named <= _keys(job)
    assert audit(job.out).findings == ()


def test_the_kept_manifest_of_an_earlier_version_stays(job: Job) -> None:
    job.drive(job.driver())
    job_id, source = job.builder.spec.job_id, FolderFiles(job.out)
    keep_current_version(job.store, source, except_job="the next one")
    Janitor(job.store, source).sweep(job_id)
    assert version_key(job_id) in _keys(job)


def test_a_job_without_a_manifest_keeps_everything(job: Job) -> None:
    driver = job.driver()
    driver.step()
    job.stages.step()
    before = _keys(job)
    assert Janitor(job.store, FolderFiles(job.out)).sweep(job.builder.spec.job_id).objects == 0
    assert _keys(job) == before


def test_g1_a_sweep_that_was_cut_off_is_completed_by_the_next(job: Job) -> None:
    job.drive(job.driver())
    job_id = job.builder.spec.job_id
    for number in range(3):
        job.store.put(f"steps/plan/{job_id}.w0000.r0000-{number:08x}.parquet", b"a step")
    failing = FailingStore(job.store, fails="-00000001")
    janitor = Janitor(failing, FolderFiles(job.out))
    with pytest.raises(NoSpaceError):
        janitor.sweep(job_id)
    janitor.sweep(job_id)
    assert not any("steps/plan/" in key for key in _keys(job))
    assert audit(job.out).findings == ()


@pytest.mark.parametrize(
    ("key", "own"),
    [
        ("shards/jab.w0000.r0000.d00000-12345678.tar", True),
        ("embeddings/img_emb/img_emb_jab.w0000-12345678.npy", True),
        ("train/jab/00000.tar", True),
        ("ledger/jab.parquet", True),
        ("ledger/lists/jab-00ff.binpb", True),
        ("shards/jabc.w0000.r0000.d00000-12345678.tar", False),
        ("ledger/lists/lists-00ff.binpb", False),
        ("data/en/part-jab.f09.00000-12345678.parquet", True),
        ("dataset.json", False),
    ],
)
def test_a_jobs_names_are_told_from_all_others(key: str, own: bool) -> None:
    assert bool(owner_pattern("jab").search(key)) is own


def test_g5_what_a_dead_process_was_writing_goes_too(job: Job) -> None:
    job.drive(job.driver())
    left = job.out / "shards" / ".tmp-0badbeef"
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"a part of an object")
    Janitor(job.store, FolderFiles(job.out)).sweep(job.builder.spec.job_id)
    assert not left.exists()
