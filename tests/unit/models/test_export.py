"""Any open_clip model becomes a bundle that gives its answers. What needs torch `make test-export` runs."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pairmill_models.assemble import assemble_bundle
from pairmill_models.bundle import Bundle, load_bundle
from pairmill_models.check import check_bundle
from pairmill_models.export.command import INSTALL, main
from pairmill_models.heads import OnnxHeads
from pairmill_models.known import known_pictures
from pairmill_models.onnx_embedder import OnnxEmbedder
from tests.contract.embedder_contract import EmbedderContract
from tests.fakes.onnx_bundle import BEGIN, END, PAD, byte_tokenizer, random_card, write_model

without_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is here")

VISION = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16}
TEXT = {"context_length": 32, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}

CAUSAL = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}
CAUSAL_APART = {**CAUSAL, "custom_text": True, "text_cfg": {**TEXT, "pool_type": "eos", "eos_id": 49407}}
LOOKS_BOTH_WAYS = {
    **CAUSAL,
    "custom_text": True,
    "text_cfg": {
        **TEXT,
        "no_causal_mask": True,
        "pool_type": "last",
        "proj_bias": True,
        "tokenizer_kwargs": {"clean": "canonicalize"},
    },
}
CONVOLUTIONS = {
    **CAUSAL,
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
}


def export(folder: Path, config: dict[str, Any], *options: str) -> Bundle:
    path = folder / "model.json"
    path.write_text(json.dumps(config))
    out = folder / "bundle"
    code = main([str(path), "--random-weights", "3", "--licence", "MIT", "--out", str(out), *options])
    assert code == 0
    return load_bundle(out)


@pytest.fixture(scope="module")
def causal(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return export(tmp_path_factory.mktemp("causal"), CAUSAL)


@pytest.mark.torch
@pytest.mark.slow
class TestExportedEmbedder(EmbedderContract):
    @pytest.fixture
    def embedder(self, causal: Bundle) -> OnnxEmbedder:
        return OnnxEmbedder(causal)


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "cut"),
    [(CAUSAL_APART, True), (LOOKS_BOTH_WAYS, False), (CONVOLUTIONS, True)],
    ids=["causal-apart", "both-ways", "convolutions"],
)
def test_models_of_several_kinds_are_exported(tmp_path: Path, config: dict[str, Any], cut: bool) -> None:
    bundle = export(tmp_path, config)
    assert bundle.text_tower.cut_padding is cut
    assert bundle.dimensions == 24
    check_bundle(bundle, OnnxEmbedder(bundle), OnnxHeads(bundle))
    rows = OnnxEmbedder(bundle).embed_texts(["one", "a longer text than the one before", ""])
    assert rows.shape == (3, 24)


@pytest.mark.torch
@pytest.mark.slow
def test_towers_with_a_tokenizer_of_their_own_are_exported(tmp_path: Path) -> None:
    """As multilingual models have them: mean over what is no padding, padding is not token 0."""
    import transformers

    text = tmp_path / "text"
    tokens = {"bos_token": "<begin>", "eos_token": "<end>", "pad_token": "<pad>"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=byte_tokenizer(), **tokens).save_pretrained(text)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    transformers.XLMRobertaConfig(
        **shape, vocab_size=300, pad_token_id=PAD, bos_token_id=BEGIN, eos_token_id=END
    ).save_pretrained(text)
    names = {"hf_model_name": str(text), "hf_tokenizer_name": str(text)}
    config = {
        **CAUSAL,
        "text_cfg": {**names, "hf_pooler_type": "mean_pooler", "hf_proj_type": "mlp", "context_length": 32},
    }
    bundle = export(tmp_path, config)
    assert bundle.text_tower.cut_padding
    assert bundle.text_tower.pad_id == PAD
    check_bundle(bundle, OnnxEmbedder(bundle), OnnxHeads(bundle))


@pytest.mark.torch
def test_a_bundle_says_what_it_was_made_of(causal: Bundle) -> None:
    assert (causal.name, causal.revision, causal.card.licence) == ("model", "random-3", "MIT")
    assert causal.card.source == "open_clip model, random weights of seed 3"
    assert causal.card.image.size == 32
    assert causal.card.image.mean == pytest.approx((0.48145466, 0.4578275, 0.40821073))
    assert causal.text_tower.context_length == 32


@pytest.mark.torch
def test_nothing_of_the_machine_stands_in_the_graphs(causal: Bundle) -> None:
    for path in causal.folder.rglob("*.onnx"):
        data = path.read_bytes()
        for word in (b"site-packages", str(Path(__file__).parents[3]).encode(), b".py"):
            assert word not in data


@pytest.mark.torch
@pytest.mark.slow
def test_weights_too_large_for_one_file_stand_beside_the_graph(tmp_path: Path) -> None:
    import torch

    from pairmill_models.export.torch_graph import write_graph
    from pairmill_models.export.towers import ImageGraph

    write_model(tmp_path / "first")
    path = tmp_path / "first" / "image.onnx"
    path.unlink()
    visual = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(8 * 8 * 3, 16))
    network = ImageGraph(visual, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    example = torch.zeros((2, 8, 8, 3), dtype=torch.uint8)
    names = {"input_name": "pixels", "output_name": "embedding"}
    write_graph(network, example, path, axes=("n",), max_one_file_bytes=0, **names)
    (tmp_path / "first").rename(tmp_path / "moved")
    bundle = assemble_bundle(tmp_path / "moved", random_card(weights=("image.onnx.data",)))
    assert bundle.files["image.onnx.data"].bytes >= 16 * 8 * 8 * 3 * 4
    pictures = known_pictures(8)
    with torch.no_grad():
        wanted = network(torch.tensor(pictures)).numpy()
    assert np.allclose(OnnxEmbedder(bundle).embed_images(pictures), wanted, atol=1e-5)


@pytest.mark.torch
@pytest.mark.slow
def test_weights_heads_and_thresholds_are_taken_over(tmp_path: Path) -> None:
    import open_clip
    import torch

    path = tmp_path / "small.json"
    path.write_text(json.dumps(CAUSAL))
    open_clip.add_model_config(path)
    torch.manual_seed(9)
    model = open_clip.create_model("small", load_weights=False).eval()
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    np.savez(tmp_path / "head.npz", weight=np.ones((1, 24), np.float32), bias=np.zeros(1, np.float32))
    code = main(
        [
            *(str(path), "--pretrained", str(tmp_path / "weights.pt"), "--out", str(tmp_path / "bundle")),
            *("--min-similarity", "en=0.28", "--min-similarity", "*=0.26", "--min-aesthetic", "4.5"),
            *("--aesthetic-head", str(tmp_path / "head.npz"), "--name", "mine", "--revision", "7"),
        ]
    )
    assert code == 0
    bundle = load_bundle(tmp_path / "bundle")
    assert (bundle.name, bundle.revision) == ("mine", "7")
    assert dict(bundle.thresholds.min_similarity) == {"en": 0.28, "*": 0.26}
    assert bundle.thresholds.min_aesthetic_score == 4.5
    with torch.no_grad():
        tokens = open_clip.get_tokenizer("small")(["a photo of a cat"])
        wanted = model.encode_text(tokens, normalize=True).numpy()
    found = OnnxEmbedder(bundle).embed_texts(["a photo of a cat"])
    assert np.allclose(found, wanted, atol=1e-5)
    scores = OnnxHeads(bundle).score(found, found)
    assert np.allclose(scores["aesthetic_score"], found.sum(axis=1), atol=1e-5)


@pytest.mark.torch
@pytest.mark.shared_data
def test_f7_a_head_of_tensors_gives_its_reference_answers(shared_data: Path) -> None:
    import onnxruntime

    from pairmill_models.laion import import_head

    head = shared_data / "models" / "improved-aesthetic-predictor" / "sac+logos+ava1-l14-linearMSE.pth"
    reference = np.load(shared_data / "models" / "reference" / "heads_reference_shared.npz")
    session = onnxruntime.InferenceSession(import_head(head), providers=["CPUExecutionProvider"])
    rows = reference["l14_embeddings"].astype(np.float32)
    (scores,) = session.run(["score"], {"embedding": rows})
    assert np.abs(scores - reference["l14_aesthetic_v2_sac_logos_ava1"]).max() <= 1e-4


@pytest.mark.torch
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no-such-model", "--random-weights", "1"], "no-such-model"),
        (["ViT-B-32", "--pretrained", "no-such-tag"], "no-such-tag"),
        (["absent.json", "--random-weights", "1"], "there is no such file"),
    ],
    ids=["model", "weights", "file"],
)
def test_a_model_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main([*arguments, "--out", str(tmp_path / "bundle")]) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.torch
def test_a_folder_that_holds_something_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["ViT-B-32", "--random-weights", "1", "--out", str(tmp_path)]) == 2
    assert "choose another folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@without_torch
def test_without_torch_it_says_what_to_install(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ViT-B-32", "--out", str(tmp_path / "bundle")]) == 2
    assert INSTALL in capsys.readouterr().err


@pytest.mark.parametrize("threshold", ["0.28", "=0.28", "en=much"])
def test_a_threshold_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], threshold: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["ViT-B-32", "--out", str(tmp_path), "--min-similarity", threshold])
    assert caught.value.code == 2
    assert "--min-similarity" in capsys.readouterr().err
