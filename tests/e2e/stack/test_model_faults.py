"""Models that answer wrongly, refuse pictures, or answer in another order (F4, F5, F8)."""

from __future__ import annotations

import hashlib
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from pairmill.dataset import roles
from pairmill.dataset.reader import Dataset
from pairmill.dataset.verdicts import SCORE_NAMES
from pairmill_inference.adapters.decoders import DecodeToSquare
from pairmill_models.bundle import load_bundle
from pairmill_models.tiny import bundle_path
from pairmill_protos.unit.v1.unit_pb2 import Stage
from tests.e2e.command import pairmill
from tests.e2e.conftest import Undisturbed
from tests.e2e.runs import CANDIDATES
from tests.e2e.stack.faults import FaultTable
from tests.e2e.stack.oracles import assert_books_close, assert_same_dataset
from tests.e2e.stack.rig import Rig
from tests.e2e.stack.spoiled_models import Form, SpoiledModels, Tower, spoiled_models
from tests.fakes.triton_models import set_parameters

pytestmark = pytest.mark.faults

WRONG_FORMS: Final[tuple[tuple[Tower, Form, str], ...]] = (
    ("image", "narrow", "float32 ("),
    ("text", "flat", "FP32 ["),
    ("image", "double", "FP64 ["),
    ("text", "short", "rows came back"),
    ("image", "long", "unit length is wanted"),
)
"""What the stage says of each."""


@pytest.fixture
def models(rig: Rig) -> Iterator[SpoiledModels]:
    with spoiled_models(rig.stack) as spoiled:
        yield spoiled


def embed_units_closed(rig: Rig, job: str) -> int:
    """Returns how many embed units of a job are closed."""
    stages = rig.job(job).progress.stages
    return sum(stage.units_closed for stage in stages if stage.stage == Stage.STAGE_EMBED)


def test_f4_answers_of_a_wrong_form_stop_the_stage_until_they_are_right(
    rig: Rig, models: SpoiledModels, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    """Each form in turn, on either tower, while shards wait to be embedded: none is closed meanwhile."""
    (inference,) = rig.services("inference")
    models.order("image", form="narrow")
    job = rig.submit("wrong-forms")
    rig.wait_for_candidates(job, CANDIDATES // 8)
    for tower, form, words in WRONG_FORMS:
        models.order(tower, form=form)
        models.heal("text" if tower == "image" else "image")
        rig.wait_unready(inference, words)
    assert embed_units_closed(rig, job) == 0
    models.heal()
    rig.wait_end(job)
    assert_same_dataset(rig, undisturbed.out, job)
    fault_table.add(
        "F4",
        injected="answers of another width, shape, type, number of rows, length",
        seen="the stage said which and stopped; no unit was closed until they were right",
    )


def test_f4_answers_of_another_model_version_mix_into_no_shard(
    rig: Rig, models: SpoiledModels, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    """Of the right form: embeddings of the wrong model would be stored unseen if their version were not."""
    (inference,) = rig.services("inference")
    folder = models.folders["image"].parent
    right = (folder / "config.pbtxt").read_text()
    models.order("image", shuffled=True)  # takes its time, so that shards are at work when the model changes
    job = rig.submit("another-version")
    rig.wait_for(job, lambda _: bool(models.done("image")))
    set_parameters(folder, pairmill_model_version="another")
    models.order("image", form="turned")
    rig.stack.triton.restart()
    rig.wait_unready(inference, "the server holds version another")
    closed = embed_units_closed(rig, job)
    rig.rest(3.0)
    assert embed_units_closed(rig, job) == closed
    (folder / "config.pbtxt").write_text(right)
    models.heal()
    rig.stack.triton.restart()
    rig.wait_end(job)
    assert_same_dataset(rig, undisturbed.out, job)
    fault_table.add(
        "F4",
        injected="a model of the same form, under another version, in mid-run",
        seen="the stage stopped, no shard holds a row of it",
    )


def test_f8_requests_and_rows_worked_on_in_another_order_keep_their_own_embeddings(
    rig: Rig, models: SpoiledModels, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    """Requests of two clients are joined, shuffled with their rows, and answered late."""
    models.order(shuffled=True)
    second = rig.add("inference")
    try:
        job = rig.run("shuffled")
    finally:
        rig.remove(second)
    assert any(not line.startswith("1 request") for line in models.done("image")), "none were joined"
    assert models.done("text")
    assert_same_dataset(rig, undisturbed.out, job.job_id)
    fault_table.add(
        "F8",
        injected="requests of two clients joined, and they and their rows shuffled",
        seen="every row got its own embedding",
    )


def test_f5_bad_pictures_in_batches_are_reported_and_the_rest_is_kept(
    rig: Rig, models: SpoiledModels, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    """One picture that the model refuses, and one that gives no numbers."""
    refused, numberless = loners(undisturbed.out)[:2]
    models.order(
        "image",
        refused=[digest_of(undisturbed.out, refused)],
        numberless=[digest_of(undisturbed.out, numberless)],
    )
    job = rig.run("bad-pictures").job_id
    assert any("refused" in line and not line.startswith("1 ") for line in models.done("image"))
    assert_books_close(rig, job)
    facts = pairmill("diff", undisturbed.out, rig.dataset(job), "--json", env=rig.env).json()
    assert (facts["only_in_a"], facts["only_in_b"], facts["left_out_differing"]) == (0, 0, 0)
    differing = {name: column["examples"] for name, column in facts["columns"].items()}
    assert set(differing) == {*SCORE_NAMES, "outcome", "reason"}
    assert {column["count"] for column in facts["columns"].values()} == {2}
    outcomes = {sample: found for sample, _, found in differing["outcome"]}
    reasons = {sample: found for sample, _, found in differing["reason"]}
    assert outcomes == {refused: "failed", numberless: "failed"}
    assert reasons == {refused: "bad_model_output", numberless: "bad_embedding"}
    fault_table.add(
        "F5",
        injected="a picture that the model refuses, and one that gives no numbers",
        seen="both were reported by reason, the others of their batches kept",
        dataset="the same but for these two",
    )


def loners(dataset: Path) -> list[str]:
    """Returns kept samples whose end decides no other's: each alone in its cluster and of its address."""
    names = ["sample_id", "verdict", "cluster_id", "url_id"]
    rows = [row for batch in Dataset.open(dataset).samples(names) for row in batch.to_pylist()]
    clusters, urls = (Counter(row[name] for row in rows) for name in names[2:])
    return sorted(
        row["sample_id"]
        for row in rows
        if row["verdict"] == "kept" and clusters[row["cluster_id"]] == urls[row["url_id"]] == 1
    )


def digest_of(dataset: Path, sample: str) -> str:
    """Returns the SHA-256 of a sample's pixels as the model gets them."""
    bundle = load_bundle(bundle_path())
    pixels = DecodeToSquare(bundle.image_size, bundle.card.image.resize).decode(stored_image(dataset, sample))
    assert isinstance(pixels, np.ndarray)
    return hashlib.sha256(pixels.tobytes()).hexdigest()


def stored_image(dataset: Path, sample: str) -> bytes:
    """Returns the bytes of a sample in its shard."""
    for entry in Dataset.open(dataset).files(roles.SHARD):
        with tarfile.open(dataset / entry.path) as shard:
            if f"{sample}.jpg" in shard.getnames():
                file = shard.extractfile(f"{sample}.jpg")
                assert file is not None
                return file.read()
    raise AssertionError(f"{sample} is in no shard")
