"""How a run that cannot succeed ends: exit code, and a message that names field and fix."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from pairmill.dataset.manifest import MANIFEST_NAME
from pairmill_models.tiny import bundle_path
from tests.e2e.command import Ended, pairmill
from tests.e2e.conftest import Undisturbed
from tests.e2e.runs import Served, assert_same_dataset, started
from tests.fakes.provided import lacking

_IN_A_NAMESPACE: Final = ("unshare", "--mount", "--map-root-user")


@pytest.fixture(scope="session")
def namespaces() -> None:
    """A kernel that lets this user have name spaces of mounts and networks."""
    if subprocess.run([*_IN_A_NAMESPACE, "--net", "true"], capture_output=True, check=False).returncode:
        lacking("no namespaces for this user", "sysctl kernel.unprivileged_userns_clone=1, or run as root")


def _namespaced(script: str, *more: str) -> tuple[str, ...]:
    """A program that runs the rest of its arguments after a script, in a mount namespace of its own."""
    return (*_IN_A_NAMESPACE, *more, "sh", "-ec", f'{script}; exec "$@"', "sh")


def _options(served: Served) -> list[str]:
    routes = served.downloader_env["PAIRMILL_CONNECT_TO"].split(",")
    settings = [
        text for name, value in served.prepared.settings.items() for text in ("--set", f"{name}={value}")
    ]
    wats = [text for wat in served.prepared.wats for text in ("--wat", str(wat))]
    return [
        *wats,
        *settings,
        *("--allow-network", "127.0.0.0/8"),
        *(text for route in routes for text in ("--connect-to", route)),
    ]


def _refused(ended: Ended, *words: str) -> None:
    assert ended.code == 2, ended.out + ended.err
    for word in words:
        assert word in ended.err


def test_a_profile_that_does_not_exist_is_refused(served: Served, tmp_path: Path) -> None:
    ended = pairmill("run", *_options(served), "--out", tmp_path / "out", "--profile", "laion")
    _refused(ended, "profile", "'laion'", "laion-5b")


def test_a_wat_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    ended = pairmill("run", "--wat", tmp_path / "none.warc.wat.gz", "--out", tmp_path / "out")
    _refused(ended, "--wat", "none.warc.wat.gz", "no such file")


def test_a_bundle_with_a_flipped_byte_is_refused(served: Served, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(bundle_path(), bundle)
    data = bytearray((bundle / "image.onnx").read_bytes())
    data[len(data) // 3] ^= 4
    (bundle / "image.onnx").write_bytes(data)
    ended = pairmill("run", *_options(served), "--out", tmp_path / "out", "--bundle", bundle)
    _refused(ended, "image.onnx")
    assert not (tmp_path / "out" / MANIFEST_NAME).exists()


def test_the_folder_of_another_job_is_refused_with_the_difference(
    served: Served, undisturbed: Undisturbed
) -> None:
    ended = pairmill(
        "run", *_options(served), "--out", undisturbed.out, "--set", "image.jpeg_quality=50", "--crawl", "E2E"
    )
    _refused(ended, "--out", "jpeg_quality")


def test_all_wrong_settings_are_reported_at_once(served: Served, tmp_path: Path) -> None:
    ended = pairmill(
        *("run", *_options(served), "--out", tmp_path / "out"),
        *("--set", "image.jpeg_quality=500", "--set", "plan.ranges=0"),
    )
    _refused(ended, "image.jpeg_quality", "plan.ranges")


def test_a_folder_in_use_is_refused(served: Served, tmp_path: Path) -> None:
    order = served.order(tmp_path / "out")
    lock = tmp_path / "out" / ".pairmill" / "lock"
    with started(order) as process:
        while not lock.exists() or not lock.read_text():
            assert process.poll() is None
        ended = pairmill("run", *_options(served), "--out", tmp_path / "out")
    _refused(ended, "--out", "in use")


@pytest.mark.usefixtures("namespaces")
def test_a_wat_on_a_read_only_disk_is_read(served: Served, undisturbed: Undisturbed, tmp_path: Path) -> None:
    inputs = served.prepared.wats[0].parent
    script = f"mount --bind '{inputs}' '{inputs}' && mount -o remount,bind,ro '{inputs}'"
    ended = pairmill(
        *("run", *_options(served), "--out", tmp_path / "out", "--crawl", "E2E"), prefix=_namespaced(script)
    )
    assert ended.code == 1, ended.err  # one WAT of the world ends early
    assert_same_dataset(undisturbed.out, tmp_path / "out")


@pytest.mark.usefixtures("namespaces")
def test_a17_a_full_disk_ends_the_run_and_the_next_call_resumes(
    served: Served, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    """The disk of the dataset is too small for it; afterwards it is copied to one that is not."""
    out, saved = tmp_path / "small", tmp_path / "saved"
    out.mkdir()
    script = f"mount -t tmpfs -o size=3m tmpfs '{out}'; trap 'cp -a {out}/. {saved}' EXIT"
    prefix = (*_IN_A_NAMESPACE, "sh", "-ec", f'{script}; "$@"', "sh")
    saved.mkdir()
    ended = pairmill("run", *_options(served), "--out", out, "--crawl", "E2E", prefix=prefix)
    assert ended.code == 1, ended.out + ended.err
    assert "space" in ended.err
    assert not (saved / MANIFEST_NAME).exists()
    shutil.rmtree(out)
    saved.rename(out)
    ended = pairmill("run", *_options(served), "--out", out, "--crawl", "E2E")
    assert ended.code == 1, ended.err
    assert (out / MANIFEST_NAME).exists()
    assert_same_dataset(undisturbed.out, out)


@pytest.mark.usefixtures("namespaces")
def test_d12_without_a_network_no_candidate_is_given_up_silently(served: Served, tmp_path: Path) -> None:
    """Names cannot be resolved: that is our outage or each row's failure, and it is said."""
    ended = pairmill(
        *("run", "--wat", served.prepared.wats[0], "--out", tmp_path / "out"),
        *(text for name, value in served.prepared.settings.items() for text in ("--set", f"{name}={value}")),
        prefix=(*_IN_A_NAMESPACE, "--net"),
    )
    assert ended.code == 1, ended.out + ended.err
    assert "network" in ended.err or "outage" in ended.err
    assert not (tmp_path / "out" / MANIFEST_NAME).exists()


@pytest.mark.parametrize("verb", ["audit", "refilter", "retry-failed", "score"])
def test_a_folder_without_a_dataset_is_refused(verb: str, tmp_path: Path) -> None:
    options = ["--set", "score.min_similarity.en=0.3"] if verb == "refilter" else []
    ended = pairmill(verb, tmp_path / "nothing", *options)
    assert ended.code == 2, ended.out + ended.err
    assert "nothing" in ended.err
