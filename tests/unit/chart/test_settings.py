"""What the services are told is what their configurations take."""

from __future__ import annotations

import importlib
import inspect
from typing import Any, Final

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from pairmill.config import read_config, read_configs
from pairmill.service import ServiceConfig
from pairmill_standalone.cli.app import build_app
from pairmill_standalone.docs.service_pages import UNLIKE_STAGES
from pairmill_standalone.docs.settings import SERVICES
from tests.unit.chart.rendering import (
    DEMO,
    EXAMPLES,
    NAMESPACE,
    RELEASE,
    PodOf,
    component_of,
    environment,
    only,
    pods,
    rendered,
)
from tests.unit.deploy.variables import problems_of

INSTALLED: Final = tuple(
    (example, service)
    for example in (*EXAMPLES, DEMO)
    for service in SERVICES
    if example != "another-bundle" or service in ("inference", "scorer")
)
OWN_IMAGE: Final = "pairmill-standalone"


@pytest.mark.parametrize(("example", "service"), INSTALLED)
def test_a_service_takes_all_that_it_is_told_and_lacks_nothing(example: str, service: str) -> None:
    env = environment(rendered(example), service)
    assert problems_of(service, env) == []
    config: Any = getattr(importlib.import_module(f"pairmill_{service}.config"), SERVICES[service])
    if service in UNLIKE_STAGES:
        read_config(config, env)
    else:
        read_configs(env, ServiceConfig, config)


def test_stages_reach_the_gateway_by_the_name_that_its_service_has() -> None:
    objects = rendered("minimal")
    target = environment(objects, "crawler")["PAIRMILL_GATEWAY_TARGET"]
    service = next(
        each
        for each in objects
        if each["kind"] == "Service" and target.startswith(f"{each['metadata']['name']}.{NAMESPACE}.svc:")
    )
    assert str(service["spec"]["ports"][0]["port"]) == target.rpartition(":")[2]
    assert environment(objects, "gateway")["PAIRMILL_RPC__LISTEN"] == "0.0.0.0:7600"


def test_a_certificate_has_every_name_that_is_called() -> None:
    objects = rendered("production")
    names = only(objects, "Certificate", "gateway")["spec"]["dnsNames"]
    target = environment(objects, "scorer")["PAIRMILL_GATEWAY_TARGET"]
    assert {target.rpartition(":")[0], f"{RELEASE}-pairmill-explorer.{NAMESPACE}.svc", "localhost"} <= set(
        names
    )
    assert "pairmill-api.example.org" in names


def test_the_explorer_leaves_tls_to_a_proxy_and_speaks_it_itself_without_one() -> None:
    behind = environment(rendered("production"), "explorer")
    assert behind["PAIRMILL_HTTP__BEHIND_PROXY"] == "yes"
    assert "PAIRMILL_HTTP__TLS__KEY_FILE" not in behind
    alone = environment(rendered("minimal"), "explorer")
    assert "PAIRMILL_HTTP__BEHIND_PROXY" not in alone
    assert alone["PAIRMILL_HTTP__TLS__KEY_FILE"] == alone["PAIRMILL_RPC__TLS__KEY_FILE"]


@pytest.mark.parametrize(
    ("example", "change"),
    [("production", "ingress.explorer.host="), ("gpu", "gatewayApi.explorer.host=")],
)
def test_a_way_in_for_the_api_alone_takes_no_tls_from_the_page(example: str, change: str) -> None:
    explorer = environment(rendered(example, change), "explorer")
    assert "PAIRMILL_HTTP__BEHIND_PROXY" not in explorer
    assert "PAIRMILL_HTTP__TLS__KEY_FILE" in explorer


def test_a_release_without_an_indexer_asks_for_no_indices() -> None:
    off = rendered("minimal", "components.indexer.enabled=false")
    assert environment(off, "gateway")["PAIRMILL_INDEX_FINISHED"] == "no"
    assert environment(rendered("minimal"), "gateway")["PAIRMILL_INDEX_FINISHED"] == "yes"


def test_inference_asks_triton_only_where_there_is_one() -> None:
    assert "PAIRMILL_TRITON_TARGET" not in environment(rendered("minimal"), "inference")
    own = environment(rendered("gpu"), "inference")["PAIRMILL_TRITON_TARGET"]
    assert own == f"{RELEASE}-pairmill-triton.{NAMESPACE}.svc:8001"
    assert environment(rendered("gpu"), "explorer")["PAIRMILL_CORE__MODEL__TRITON_TARGET"] == own


def test_what_is_set_for_one_service_goes_over_what_is_set_for_all() -> None:
    objects = rendered(
        "minimal",
        "componentDefaults.env.PAIRMILL_LOG_LEVEL=debug",
        "components.scorer.env.PAIRMILL_LOG_LEVEL=error",
    )
    assert environment(objects, "planner")["PAIRMILL_LOG_LEVEL"] == "debug"
    assert environment(objects, "scorer")["PAIRMILL_LOG_LEVEL"] == "error"


@pytest.mark.parametrize(
    ("service", "names"),
    [
        ("downloader", {"PAIRMILL_DECODE_PROCESSES"}),
        ("inference", {"PAIRMILL_MODEL_THREADS"}),
        ("indexer", {"PAIRMILL_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"}),
        ("scorer", set()),
    ],
)
def test_cores_are_those_of_the_pod_and_not_those_of_its_node(service: str, names: set[str]) -> None:
    assert _by_cores(service) == dict.fromkeys(names, "requests.cpu")
    limited = f"components.{service}.resources.limits.cpu=2"
    assert _by_cores(service, limited) == dict.fromkeys(names, "limits.cpu")


def _by_cores(service: str, *sets: str) -> dict[str, str]:
    """Returns the variables of a service that take their value from its resources, and from which."""
    pod = next(pod for pod in pods(rendered("minimal", *sets)) if component_of(pod.owner) == service)
    sources = {each["name"]: each.get("valueFrom", {}) for each in pod.spec["containers"][0]["env"]}
    return {
        name: source["resourceFieldRef"]["resource"]
        for name, source in sources.items()
        if "resourceFieldRef" in source
    }


def test_a_number_of_cores_can_be_set_by_hand() -> None:
    objects = rendered("minimal", "components.downloader.env.PAIRMILL_DECODE_PROCESSES=7")
    assert environment(objects, "downloader")["PAIRMILL_DECODE_PROCESSES"] == "7"


def _calls() -> list[tuple[list[str], dict[str, str]]]:
    """Returns every call of the command line that a container makes, with the variables that it has."""
    return [
        (list(container["args"]), {each["name"]: each.get("value", "") for each in container.get("env", ())})
        for example in (*EXAMPLES, DEMO)
        for pod in pods(rendered(example))
        for container in pod.containers
        if _is_command(pod, container)
    ]


def _is_command(pod: PodOf, container: Any) -> bool:
    return OWN_IMAGE in container["image"] and "command" not in container and "args" in container


def test_every_call_of_the_command_line_is_one_that_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    command = typer.main.get_command(build_app())
    calls = _calls()
    assert {tuple(args[:2]) for args, _ in calls} >= {
        ("topics", "apply"),
        ("topics", "check"),
        ("bundle", "fetch"),
        ("bundle", "triton"),
        ("job", "list"),
    }
    for args, env in calls:
        with monkeypatch.context() as patch:
            for name, value in env.items():
                patch.setenv(name, value)
            _parse(command, args)


def _parse(command: object, args: list[str]) -> None:
    """Parses without calling; raises an error where an option or a value is none."""
    if isinstance(command, TyperGroup):
        _parse(command.commands[args[0]], args[1:])
        return
    assert isinstance(command, TyperCommand), args
    command.make_context("pairmill", list(args))


def test_the_script_that_asks_the_explorer_runs_alone() -> None:
    pod = next(pod for pod in pods(rendered("minimal")) if component_of(pod.owner) == "test")
    script = next(each for each in pod.containers if each["name"] == "explorer")["command"][2]
    compile(script, "ask_explorer.py", "exec")
    assert inspect.cleandoc(script).startswith('"""Asks the explorer')
