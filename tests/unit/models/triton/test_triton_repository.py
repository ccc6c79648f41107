"""From a bundle to a Triton model repository: one description for each backend, whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2  # type: ignore[import-untyped]  # it ships no types

from pairmill.errors import ConfigurationError
from pairmill_models.bundle import Bundle, TextTower
from pairmill_models.text_proto import Word, text_of
from pairmill_models.triton_config import (
    Backend,
    ServingOptions,
    config_text,
    triton_model_name,
    triton_models,
)
from pairmill_models.triton_repository import Change, write_repository
from tests.fakes.onnx_bundle import CONTEXT, DIMENSIONS, IMAGE_SIZE, PAD, random_bundle

PYTHON = ServingOptions(backend=Backend.PYTHON)
ONNX = ServingOptions(backend=Backend.ONNXRUNTIME)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return random_bundle(tmp_path_factory.mktemp("bundle"))


def parsed(bundle: Bundle, options: ServingOptions) -> list[Any]:
    texts = [config_text(model, options) for model in triton_models(bundle)]
    return [text_format.Parse(text, model_config_pb2.ModelConfig()) for text in texts]


def changed(bundle: Bundle, **text: Any) -> Bundle:
    tower = replace(bundle.text_tower, **text)
    return replace(bundle, card=replace(bundle.card, text=(tower,)))


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("backend", Backend)
def test_the_server_is_told_what_the_towers_take_and_give(bundle: Bundle, backend: Backend) -> None:
    image, text = parsed(bundle, ServingOptions(backend=backend))
    assert (image.input[0].name, list(image.input[0].dims)) == ("pixels", [IMAGE_SIZE, IMAGE_SIZE, 3])
    assert (text.input[0].name, list(text.input[0].dims)) == ("tokens", [-1])
    assert image.input[0].data_type == model_config_pb2.TYPE_UINT8
    assert text.input[0].data_type == model_config_pb2.TYPE_INT64
    for config in (image, text):
        assert (config.output[0].name, list(config.output[0].dims)) == ("embedding", [DIMENSIONS])
        assert config.output[0].data_type == model_config_pb2.TYPE_FP32
        assert config.backend == backend.value
        assert config.HasField("response_cache")
        assert not config.response_cache.enable


def test_backends_differ_only_in_what_they_must(bundle: Bundle) -> None:
    differing = {"backend", "default_model_filename", "instance_group", "parameters"}
    for one, other in zip(parsed(bundle, PYTHON), parsed(bundle, ONNX), strict=True):
        for name in differing:
            one.ClearField(name)
            other.ClearField(name)
        assert one == other


def test_gpus_run_onnx_and_cores_run_python(bundle: Bundle) -> None:
    (python, _), (onnx, _) = parsed(bundle, PYTHON), parsed(bundle, replace(ONNX, instances=3))
    assert python.instance_group[0].kind == model_config_pb2.ModelInstanceGroup.KIND_CPU
    assert onnx.instance_group[0].kind == model_config_pb2.ModelInstanceGroup.KIND_GPU
    assert onnx.instance_group[0].count == 3
    assert onnx.default_model_filename == "image.onnx"
    assert not onnx.HasField("optimization")


def test_tensorrt_runs_in_full_precision(bundle: Bundle) -> None:
    config, _ = parsed(bundle, replace(ONNX, tensorrt=True))
    (accelerator,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert accelerator.name == "tensorrt"
    assert dict(accelerator.parameters) == {"precision_mode": "FP32"}


def test_f3_the_queue_is_bounded_and_rejects(bundle: Bundle) -> None:
    options = replace(PYTHON, max_queue_size=7, max_queue_delay_microseconds=900, max_batch=32)
    for config in parsed(bundle, options):
        policy = config.dynamic_batching.default_queue_policy
        assert policy.timeout_action == model_config_pb2.ModelQueuePolicy.REJECT
        assert (policy.max_queue_size, policy.allow_timeout_override) == (7, True)
        assert policy.default_timeout_microseconds > 0
        assert config.dynamic_batching.max_queue_delay_microseconds == 900
        assert not config.dynamic_batching.preferred_batch_size
        assert config.max_batch_size == 32


def test_the_least_and_the_largest_batch_are_warmed_up(bundle: Bundle) -> None:
    image, text = parsed(bundle, replace(PYTHON, max_batch=32))
    assert [warm_up.batch_size for warm_up in image.model_warmup] == [1, 32]
    assert [list(warm_up.inputs["tokens"].dims) for warm_up in text.model_warmup] == [[8], [CONTEXT]]
    fixed = changed(bundle, cut_padding=False)
    _, whole = parsed(fixed, PYTHON)
    assert [list(warm_up.inputs["tokens"].dims) for warm_up in whole.model_warmup] == [[CONTEXT], [CONTEXT]]
    assert list(whole.input[0].dims) == [CONTEXT]


def test_f6_names_and_parameters_tell_bundles_apart(bundle: Bundle, tmp_path: Path) -> None:
    other = random_bundle(tmp_path, seed=2)
    names = {model.name for which in (bundle, other) for model in triton_models(which)}
    assert len(names) == 4
    for config, model in zip(parsed(bundle, ONNX), triton_models(bundle), strict=True):
        assert config.name == model.name
        assert config.parameters["pairmill_bundle_digest"].string_value == bundle.digest
        assert config.parameters["pairmill_model_version"].string_value == bundle.model_version
        assert bundle.digest[:12] in config.name


def test_any_name_of_a_bundle_becomes_one_of_a_folder(bundle: Bundle) -> None:
    strange = replace(bundle, card=replace(bundle.card, name="../ViT B/32 (größer)"))
    assert triton_model_name(strange, "image") == f"ViT-B-32-gr-er_{bundle.digest[:12]}_image"
    nameless = replace(bundle, card=replace(bundle.card, name="日本"))
    assert triton_model_name(nameless, "text") == f"bundle_{bundle.digest[:12]}_text"


def test_weights_stand_beside_the_graph_that_is_named_so(bundle: Bundle) -> None:
    weights = ("image.onnx.data", "text.onnx.data", "shared.bin")
    image, text = triton_models(replace(bundle, card=replace(bundle.card, weights=weights)))
    assert image.weights == ("image.onnx.data", "shared.bin")
    assert text.weights == ("text.onnx.data", "shared.bin")


@pytest.mark.parametrize("backend", Backend)
def test_a_repository_holds_graphs_configurations_and_a_program_where_needed(
    bundle: Bundle, tmp_path: Path, backend: Backend
) -> None:
    models = write_repository(bundle, tmp_path / "deep" / "repo", ServingOptions(backend=backend))
    assert [model.change for model in models] == [Change.WRITTEN] * 2
    for model, graph in zip(models, ("image.onnx", "text.onnx"), strict=True):
        found = files(model.folder)
        assert found[f"1/{graph}"] == bundle.path(graph).read_bytes()
        assert ("1/model.py" in found) == (backend is Backend.PYTHON)
        assert found["config.pbtxt"].decode().startswith(f'name: "{model.name}"')
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["repo"]


def test_writing_again_changes_nothing(bundle: Bundle, tmp_path: Path) -> None:
    write_repository(bundle, tmp_path / "repo", PYTHON)
    before = files(tmp_path)
    assert {model.change for model in write_repository(bundle, tmp_path / "repo", PYTHON)} == {
        Change.UNCHANGED
    }
    assert files(tmp_path) == before


def test_what_the_server_left_there_is_no_change(bundle: Bundle, tmp_path: Path) -> None:
    image, _ = write_repository(bundle, tmp_path / "repo", PYTHON)
    cache = image.folder / "1" / "__pycache__"
    cache.mkdir()
    (cache / "model.cpython-311.pyc").write_bytes(b"x")
    image, _ = write_repository(bundle, tmp_path / "repo", PYTHON)
    assert image.change is Change.UNCHANGED


def test_a_call_that_was_cut_off_is_made_good_by_the_next(bundle: Bundle, tmp_path: Path) -> None:
    _, text = write_repository(bundle, tmp_path / "repo", PYTHON)
    for path in sorted(text.folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    text.folder.rmdir()
    again = write_repository(bundle, tmp_path / "repo", PYTHON)
    assert [model.change for model in again] == [Change.UNCHANGED, Change.WRITTEN]


def test_other_contents_are_refused_and_left_alone(bundle: Bundle, tmp_path: Path) -> None:
    write_repository(bundle, tmp_path / "repo", PYTHON)
    before = files(tmp_path)
    with pytest.raises(ConfigurationError, match="--overwrite"):
        write_repository(bundle, tmp_path / "repo", replace(PYTHON, threads=2))
    assert files(tmp_path) == before


def test_other_contents_are_replaced_on_request(bundle: Bundle, tmp_path: Path) -> None:
    write_repository(bundle, tmp_path / "repo", PYTHON)
    models = write_repository(bundle, tmp_path / "repo", ONNX, overwrite=True)
    assert {model.change for model in models} == {Change.REPLACED}
    assert not list(tmp_path.rglob("model.py"))
    assert [path.name for path in tmp_path.iterdir()] == ["repo"]


def test_models_of_another_bundle_stand_beside(bundle: Bundle, tmp_path: Path) -> None:
    write_repository(random_bundle(tmp_path / "other", seed=2), tmp_path / "repo", ONNX)
    before = files(tmp_path / "repo")
    write_repository(bundle, tmp_path / "repo", PYTHON, overwrite=True)
    assert before.items() < files(tmp_path / "repo").items()


def test_a_file_is_no_repository(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "repo").write_text("x")
    with pytest.raises(ConfigurationError, match="no folder"):
        write_repository(bundle, tmp_path / "repo", PYTHON)
    assert [path.name for path in tmp_path.iterdir()] == ["repo"]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"instances": 0}, "instances"),
        ({"max_batch": 0}, "max_batch"),
        ({"threads": -1}, "threads"),
        ({"max_queue_size": 0}, "max_queue_size"),
        ({"max_queue_delay_microseconds": -1}, "max_queue_delay_microseconds"),
        ({"tensorrt": True, "backend": Backend.PYTHON}, "tensorrt"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{field}: "):
        ServingOptions(**options)


@pytest.mark.parametrize("text", ["plain", 'say "x"', "back\\slash", "line\nbreak", "größer", "\x00\x7f"])
def test_any_text_survives_being_written(text: str) -> None:
    written = text_of({"name": text, "default_model_filename": "a", "input": [{"name": text}]})
    found = text_format.Parse(written, model_config_pb2.ModelConfig())
    assert (found.name, found.input[0].name) == (text, text)
    assert written.isascii()


def test_words_are_written_without_quotes() -> None:
    assert (
        text_of({"a": Word("true"), "b": [1, -2], "c": {"d": "x"}})
        == 'a: true\nb: 1\nb: -2\nc {\n  d: "x"\n}\n'
    )


def test_a_tower_that_needs_its_padding_gets_all_of_it(bundle: Bundle) -> None:
    tower = TextTower(context_length=CONTEXT, pad_id=PAD, cut_padding=False)
    _, text = triton_models(replace(bundle, card=replace(bundle.card, text=(tower,))))
    assert text.input_shape == text.shortest_row == text.longest_row == (CONTEXT,)


def test_the_program_of_the_python_backend_imports_nothing_of_ours(bundle: Bundle, tmp_path: Path) -> None:
    image, _ = write_repository(bundle, tmp_path / "repo", PYTHON)
    assert "import pairmill" not in (image.folder / "1" / "model.py").read_text()
    assert "from pairmill" not in (image.folder / "1" / "model.py").read_text()
