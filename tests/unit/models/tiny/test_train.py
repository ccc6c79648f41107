"""The tiny model's trainer, end to end: a few steps, and its bundle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pairmill_models.bundle import load_bundle
from pairmill_models.check import check_bundle
from pairmill_models.heads import OnnxHeads
from pairmill_models.onnx_embedder import OnnxEmbedder
from pairmill_models.tiny import bundle_path


@pytest.mark.torch
@pytest.mark.slow
def test_a_few_steps_give_a_bundle_like_the_one_that_ships(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pairmill_models.tiny.train", "--out", str(tmp_path / "bundle")]
    checkpoint = tmp_path / "learnt.pt"
    options = ["--steps", "3", "--pairs", "64", "--checkpoint", str(checkpoint)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "step 2: " in done.stdout
    assert checkpoint.stat().st_size > 0
    bundle, shipped = load_bundle(tmp_path / "bundle"), load_bundle(bundle_path())
    check_bundle(bundle, OnnxEmbedder(bundle), OnnxHeads(bundle))
    assert set(bundle.files) == set(shipped.files)
    assert (bundle.card.image, bundle.text_tower) == (shipped.card.image, shipped.text_tower)
    assert bundle.digest in done.stdout
    assert bundle.digest != shipped.digest
