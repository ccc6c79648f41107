"""The composition of containers agrees with the code."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

from deploy.local import kafka, s3
from deploy.local.compose_files import write_compose_files
from pairmill import __version__
from pairmill_standalone.docs.settings import SERVICES
from tests.conftest import REPOSITORY
from tests.fakes.dashboards import FOLDER
from tests.unit.deploy.compose_file import PATH, own_services, read_composition, read_yaml, service_of
from tests.unit.deploy.variables import problems_of, variables_of

IMAGE_ENV: Final = {"PAIRMILL_SCRATCH": "/scratch", "PAIRMILL_ADMIN_PORT": "9100"}
COMMAND: Final = "standalone"
STAGES = {name: entry for name, entry in own_services().items() if service_of(entry) != COMMAND}
ENTRIES: Final[dict[str, Any]] = read_composition()["services"]


def test_every_service_runs_and_crawlers_and_downloaders_twice() -> None:
    counted = [service_of(entry) for entry in STAGES.values()]
    assert set(counted) == set(SERVICES)
    assert (counted.count("crawler"), counted.count("downloader")) == (2, 2)


@pytest.mark.parametrize("name", STAGES)
def test_a_service_is_told_what_its_configuration_knows_and_requires(name: str) -> None:
    entry = STAGES[name]
    known = variables_of(service_of(entry))  # the image is one for all
    image_env = {variable: value for variable, value in IMAGE_ENV.items() if variable in known}
    assert problems_of(service_of(entry), {**image_env, **entry["environment"]}) == []


def test_members_have_the_names_of_their_entries() -> None:
    members = {name: entry["environment"].get("PAIRMILL_MEMBER", name) for name, entry in STAGES.items()}
    assert {name: member for name, member in members.items() if member not in (name, f"{name}-0")} == {}


@pytest.mark.parametrize("name", own_services())
def test_our_containers_have_no_rights_and_write_nowhere(name: str) -> None:
    entry = own_services()[name]
    assert entry["read_only"] is True
    assert entry["cap_drop"] == ["ALL"]
    assert entry["security_opt"] == ["no-new-privileges:true"]
    assert int(entry["user"].split(":")[0]) > 0
    assert any(place.startswith("/tmp:") for place in entry["tmpfs"])


@pytest.mark.parametrize("name", ENTRIES)
def test_no_container_runs_as_root_or_with_more_rights(name: str) -> None:
    entry = ENTRIES[name]
    assert entry["cap_drop"] == ["ALL"]
    assert name == "kafka" or int(entry["user"].split(":")[0]) > 0  # its image names a user of its own
    assert not entry.get("privileged")


@pytest.mark.parametrize("name", ENTRIES)
def test_what_is_published_is_on_the_loopback(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in ENTRIES[name].get("ports", ()))


@pytest.mark.parametrize("name", ENTRIES)
def test_images_are_pinned_and_one_version_is_used_everywhere(name: str) -> None:
    tag = ENTRIES[name]["image"].rpartition(":")[2]
    assert tag not in ("", "latest")
    assert any(character.isdigit() for character in tag)
    if name in own_services():
        assert ENTRIES[name]["image"] == f"pairmill-{service_of(ENTRIES[name])}:{__version__}"


def test_servers_have_the_versions_that_are_tested() -> None:
    assert ENTRIES["kafka"]["image"] == f"apache/kafka:{kafka.VERSION}"
    assert ENTRIES["s3"]["build"]["args"]["VERSION"] == s3.VERSION
    constraints = (REPOSITORY / "constraints.txt").read_text()
    onnxruntime = ENTRIES["triton-cpu"]["build"]["args"]["ONNXRUNTIME"]
    assert f"onnxruntime=={onnxruntime}\n" in constraints


def test_secrets_come_by_file_and_each_is_written(tmp_path: Path) -> None:
    assert write_compose_files(tmp_path)
    prefix = "../out/compose/"
    for secret in read_composition()["secrets"].values():
        written = tmp_path / secret["file"].removeprefix(prefix)
        assert written.stat().st_size > 0
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    before = {path: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}
    assert not write_compose_files(tmp_path)
    assert {path: path.read_bytes() for path in (tmp_path / "secrets").iterdir()} == before


def test_every_secret_that_is_read_is_mounted() -> None:
    for name, entry in ENTRIES.items():
        read = {
            value.removeprefix("/run/secrets/")
            for value in entry.get("environment", {}).values()
            if value.startswith("/run/secrets/")
        }
        assert read <= set(entry.get("secrets", ())), name


def test_only_those_who_speak_to_the_world_have_a_way_out() -> None:
    assert read_composition()["networks"]["inner"]["internal"] is True
    outside = {name for name, entry in STAGES.items() if "outer" in entry["networks"]}
    assert {service_of(STAGES[name]) for name in outside} == {"crawler", "downloader", "gateway", "explorer"}


def test_prometheus_is_given_every_service_and_triton() -> None:
    folder = PATH.parent / "compose" / "targets"
    listed = json.loads((folder / "pairmill.json").read_text())
    members = {target["labels"]["member"]: target for target in listed}
    assert {address for target in listed for address in target["targets"]} == {
        f"{name}:9100" for name in STAGES
    }
    assert {target["labels"]["service"] for target in members.values()} == set(SERVICES)
    assert json.loads((folder / "triton.json").read_text())[0]["targets"] == ["triton:8002"]


def test_profiles_offer_triton_with_and_without_a_gpu() -> None:
    by_profile = {
        profile: {name for name, entry in ENTRIES.items() if profile in entry.get("profiles", ())}
        for profile in ("cpu", "gpu")
    }
    assert by_profile == {profile: {f"models-{profile}", f"triton-{profile}"} for profile in by_profile}
    devices = ENTRIES["triton-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert devices[0]["capabilities"] == ["gpu"]


def test_every_service_is_an_extra_of_the_package() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert {service_of(entry) for entry in own_services().values()} <= extras.keys()


def test_prometheus_is_given_its_configuration_and_all_rules() -> None:
    mounted = {volume.split(":")[0] for volume in ENTRIES["prometheus"]["volumes"]}
    rules = read_yaml(PATH.parent / "prometheus" / "prometheus.yml")["rule_files"]
    assert {f"./prometheus/{name}" for name in ("prometheus.yml", *rules)} <= mounted


def test_grafana_is_given_every_dashboard_and_where_prometheus_is() -> None:
    mounted = dict(volume.split(":")[:2] for volume in ENTRIES["grafana"]["volumes"])
    provisioning = PATH.parent / "compose" / "grafana"
    assert mounted["./compose/grafana"] == "/etc/grafana/provisioning"
    [provider] = read_yaml(provisioning / "dashboards" / "pairmill.yml")["providers"]
    folder = next(path for path, place in mounted.items() if place == provider["options"]["path"])
    assert (PATH.parent / folder).resolve() == FOLDER
    [source] = read_yaml(provisioning / "datasources" / "prometheus.yml")["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")


def test_what_is_mounted_from_the_repository_is_there() -> None:
    mounted = [
        volume.split(":")[0]
        for entry in ENTRIES.values()
        for volume in entry.get("volumes", ())
        if volume.startswith("./")
    ]
    assert mounted
    assert [path for path in mounted if not (PATH.parent / path).exists()] == []
