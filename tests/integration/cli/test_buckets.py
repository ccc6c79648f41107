"""`audit` and `diff` of datasets in a bucket."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import pytest

from deploy.local.s3 import S3Server
from pairmill.dataset.reader import Dataset
from pairmill.store.s3 import S3Store
from pairmill.store.settings import S3Config
from tests.integration.cli.conftest import Call


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PAIRMILL_S3__ENDPOINT", s3_server.endpoint)
    monkeypatch.setenv("PAIRMILL_S3__CREDENTIALS_FILE", str(s3_server.credentials_file))
    name = f"datasets-{secrets.token_hex(6)}"
    s3_server.make_bucket(name)
    return name


@pytest.fixture
def address(s3_server: S3Server, bucket: str, driven: Path) -> str:
    """A dataset as services write it."""
    config = S3Config(endpoint=s3_server.endpoint, credentials_file=s3_server.credentials_file)
    with S3Store(bucket, "jobs/one", config) as store:
        for path in sorted(driven.rglob("*")):
            key = path.relative_to(driven).as_posix()
            if path.is_file() and not key.startswith("."):
                store.put_file(key, path)
    return f"s3://{bucket}/jobs/one"


def test_a_dataset_in_a_bucket_closes_and_is_the_same_as_in_a_folder(
    call: Call, address: str, driven: Path
) -> None:
    audited = call("audit", address)
    assert audited.exit_code == 0, audited.output
    assert "it closes" in audited.output
    compared = call("diff", driven, address, "--json")
    assert compared.exit_code == 0, compared.output
    assert json.loads(compared.stdout)["same"]
    assert call("diff", f"{address}/", address).exit_code == 0


def test_g4_a_flipped_byte_in_a_bucket_exits_1_and_names_the_file(
    call: Call, address: str, bucket: str, driven: Path, s3_server: S3Server
) -> None:
    entry = max(Dataset.open(driven).files("shard"), key=lambda found: found.bytes)
    path = s3_server.folder / "buckets" / bucket / "jobs" / "one" / entry.path
    data = bytearray(path.read_bytes())
    data[700] ^= 1
    with path.open("r+b") as file:  # the object keeps its metadata
        file.write(data)
    result = call("audit", address, "--json")
    assert result.exit_code == 1
    found = {(finding["check"], finding["path"]) for finding in json.loads(result.stdout)["findings"]}
    assert ("checksum", entry.path) in found


def test_a_dataset_that_another_tool_copied_closes(
    call: Call, bucket: str, dataset: Path, s3_server: S3Server
) -> None:
    """Its objects carry no checksums; the manifest has them."""
    dataset.rename(s3_server.folder / "buckets" / bucket / "copied")
    result = call("audit", f"s3://{bucket}/copied")
    assert result.exit_code == 0, result.output


def test_an_unknown_version_in_a_bucket_is_a_wrong_request(call: Call, address: str) -> None:
    result = call("audit", address, "--version", "jnone")
    assert result.exit_code == 2
    assert "--version: there is no version jnone" in result.stderr


@pytest.mark.parametrize(
    ("place", "variables", "message"),
    [
        ("s3://{bucket}/elsewhere", {}, "/elsewhere: there is no finished dataset here"),
        ("s3://no-such-bucket/a", {}, "store_url: there is no bucket no-such-bucket"),
        ("s3://{bucket}/a", {"ENDPOINT": ""}, "PAIRMILL_S3__ENDPOINT: is not set"),
        ("s3://{bucket}/a", {"CREDENTIALS_FILE": ""}, "PAIRMILL_S3__CREDENTIALS_FILE"),
        ("s3://{bucket}/a", {"CONNECTIONS": "many"}, "PAIRMILL_S3__CONNECTIONS: 'many' is no whole number"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(
    call: Call,
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    variables: dict[str, str],
    message: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"PAIRMILL_S3__{name}", value)
    result = call("audit", place.format(bucket=bucket))
    assert result.exit_code == 2
    assert message in result.stderr


def test_an_endpoint_that_is_away_is_no_finding(
    call: Call, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAIRMILL_S3__ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("PAIRMILL_S3__READ_PATIENCE_SECONDS", "0")
    result = call("audit", f"s3://{bucket}/a")
    assert result.exit_code == 1
    assert "RetriableError: could not read" in result.stderr
