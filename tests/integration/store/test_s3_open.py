"""What the S3 store says of settings, buckets and credentials that are wrong, or become so."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from deploy.local.s3 import Credentials, S3Server
from pairmill.config import read_config
from pairmill.errors import ConfigurationError, CorruptObjectError, ObjectMissingError, RetriableError
from pairmill.store.factory import open_store
from pairmill.store.s3 import S3Store
from pairmill.store.settings import S3Config
from tests.fakes.fault_proxy import FaultProxy
from tests.fakes.fault_rules import Rule
from tests.integration.store.conftest import PausesClock


def write_credentials(path: Path, access_key: str, secret_key: str) -> Path:
    """Puts a file in place of another one, as whatever mounts secrets does."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"access_key": access_key, "secret_key": secret_key}))
    fresh.replace(path)
    return path


def all_calls(store: S3Store, folder: Path) -> list[Callable[[], object]]:
    """Returns a call of each kind."""
    source = folder / "source"
    source.write_bytes(b"x")
    return [
        lambda: store.put("a", b"x"),
        lambda: store.put_file("a", source),
        lambda: store.get("a"),
        lambda: store.get_range("a", 0, 1),
        lambda: store.fetch("a", folder / "copy"),
        lambda: store.stat("a"),
        lambda: list(store.list("")),
        lambda: store.delete("a"),
        lambda: store.abandon_uploads(lambda _key: True),
        store.ping,
    ]


@pytest.mark.parametrize(
    ("url", "changes", "message"),
    [
        ("s3://bucket/a", {"endpoint": ""}, "PAIRMILL_S3__ENDPOINT: is not set"),
        ("s3://bucket/a", {"endpoint": "s3.example.org"}, "PAIRMILL_S3__ENDPOINT: 's3.example.org'"),
        ("s3://bucket/a", {"endpoint": "https://host/path"}, "PAIRMILL_S3__ENDPOINT"),
        ("s3://bucket/a", {"endpoint": "https://user:word@host"}, "PAIRMILL_S3__ENDPOINT"),
        ("s3://bucket/a", {"endpoint": "http://host:99999"}, "PAIRMILL_S3__ENDPOINT"),
        ("s3://bucket/a", {"endpoint": "http://[::1"}, "PAIRMILL_S3__ENDPOINT"),
        ("s3://Bu", {}, "store_url: invalid bucket name Bu"),
        ("s3:///a", {}, "store_url"),
        ("s3://bucket/a/../b", {}, "store_url"),
        ("s3://bucket/a", {"ca_file": Path("/nowhere.pem")}, "PAIRMILL_S3__CA_FILE: /nowhere.pem: No such"),
        ("s3://bucket/a", {"credentials_file": Path("/nowhere")}, "PAIRMILL_S3__CREDENTIALS_FILE: /nowhere"),
    ],
)
def test_settings_that_cannot_be_right_are_named(url: str, changes: dict[str, object], message: str) -> None:
    config = replace(S3Config(endpoint="https://s3.example.org"), **changes)  # type: ignore[arg-type] # by name
    with pytest.raises(ConfigurationError) as caught:
        open_store(url, config)
    assert message in str(caught.value)
    assert "user:word" not in str(caught.value)


def test_a_client_that_is_not_installed_is_named() -> None:
    script = "import sys; sys.modules['minio'] = None; from pairmill.store.factory import open_store; "
    result = subprocess.run(
        [sys.executable, "-c", script + "open_store('s3://bucket/a')"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ConfigurationError: store_url" in result.stderr
    assert "pairmill[s3]" in result.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PART_BYTES", "1000000"),
        ("WRITE_PATIENCE_SECONDS", "-1"),
        ("CONNECTIONS", "0"),
        ("READ_TIMEOUT_SECONDS", "0"),
    ],
)
def test_values_out_of_range_are_named(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=variable.lower()):
        read_config(S3Config, {f"PAIRMILL_S3__{variable}": value}, "PAIRMILL_S3__")


@pytest.mark.parametrize(
    "text", ["", "[]", '"a"', "{}", '{"access_key": "a"}', '{"access_key": "", "secret_key": "s3cret"}',
             '{"access_key": "a", "secret_key": 5}', '{"secret_key": "s3cret"'],
)  # fmt: skip
def test_a_file_without_credentials_is_named_and_not_quoted(
    tmp_path: Path, config: S3Config, text: str
) -> None:
    path = tmp_path / "credentials.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"PAIRMILL_S3__CREDENTIALS_FILE: .*access_key") as caught:
        S3Store("bucket", "", replace(config, credentials_file=path))
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_missing_bucket_is_named_whatever_is_asked(
    config: S3Config, tmp_path: Path, clock: PausesClock
) -> None:
    with S3Store("no-such-bucket", "p", config, clock=clock) as store:
        for call in all_calls(store, tmp_path):
            with pytest.raises(ConfigurationError, match="store_url: there is no bucket no-such-bucket"):
                call()
    assert clock.pauses == []


@pytest.mark.parametrize("whose", ["another user", "another secret", "nobody"])
def test_wrong_credentials_are_named_whatever_is_asked(
    bucket: str, config: S3Config, s3_server: S3Server, tmp_path: Path, clock: PausesClock, whose: str
) -> None:
    access_key = s3_server.credentials.access_key if whose == "another secret" else "unknown"
    path = write_credentials(tmp_path / "credentials.json", access_key, "wrong-secret")
    wrong = replace(config, credentials_file=None if whose == "nobody" else path)
    with S3Store(bucket, "", wrong, clock=clock) as store:
        for call in all_calls(store, tmp_path):
            with pytest.raises(ConfigurationError, match="PAIRMILL_S3__CREDENTIALS_FILE") as caught:
                call()
            assert "wrong-secret" not in str(caught.value)
    assert clock.pauses == []


def test_a_wrong_region_is_named(bucket: str, config: S3Config) -> None:
    store = S3Store(bucket, "", replace(config, region="mars-north-1"))
    with store, pytest.raises(ConfigurationError, match="PAIRMILL_S3__REGION"):
        store.put("a", b"x")


class _Website(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        page = b"<html>hello</html>"
        self.send_response(int(self.server.server_name.partition("-")[2] or 200))  # type: ignore[attr-defined] # set below
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - names that the base class asks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Says nothing."""


@pytest.fixture
def website(request: pytest.FixtureRequest) -> Iterator[str]:
    """Address of something that is no S3 endpoint, and answers all with one status."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Website)
    server.server_name = f"status-{request.param}"
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("website", [200, 301, 400, 404, 405, 501], indirect=True)
def test_what_is_no_endpoint_is_named(website: str, config: S3Config) -> None:
    with S3Store("bucket", "", replace(config, endpoint=website)) as store:
        with pytest.raises(ConfigurationError, match=r"PAIRMILL_S3__(ENDPOINT|REGION)|store_url"):
            store.put("a", b"x")
        with pytest.raises(ConfigurationError, match=r"PAIRMILL_S3__(ENDPOINT|REGION)|store_url"):
            store.get_range("a", 0, 1)


@pytest.mark.parametrize("website", [502], indirect=True)
def test_a_gateway_before_the_endpoint_may_recover(website: str, config: S3Config) -> None:
    store = S3Store("bucket", "", replace(config, endpoint=website, write_patience_seconds=0))
    with store, pytest.raises(RetriableError):
        store.put("a", b"x")


def test_g5_credentials_that_are_replaced_in_a_run_are_read_again(
    make_s3: Callable[[], S3Server], config: S3Config, clock: PausesClock, tmp_path: Path
) -> None:
    """The server knows the new ones before the file has them."""
    server = make_s3()
    server.make_bucket("rotated")
    old, new = server.credentials, Credentials("new-user", "new-secret-of-the-user")
    path = write_credentials(tmp_path / "credentials.json", old.access_key, old.secret_key)

    def replace_file(pause: int) -> None:
        if pause == 2:
            path.write_text("{")  # half of a file
        if pause == 3:
            write_credentials(path, new.access_key, new.secret_key)

    clock.on_pause = replace_file
    rotating = replace(config, endpoint=server.endpoint, credentials_file=path)
    with S3Store("rotated", "", rotating, clock=clock) as store:
        store.put("before", b"x")
        server.credentials = new
        server.restart()
        store.put("after", b"y")
        assert store.get("before") == b"x"
    assert len(clock.pauses) >= 3


def test_g5_credentials_that_expire_are_waited_for(
    bucket: str, config: S3Config, proxy: FaultProxy, clock: PausesClock
) -> None:
    with S3Store(bucket, "", config, clock=clock) as store:
        store.put("a", b"x")
        proxy.add(Rule(do="refuse", code="ExpiredToken", times=None))
        with pytest.raises(RetriableError, match=r"CREDENTIALS_FILE.*expired"):
            store.put("b", b"x")
        assert 100 < sum(clock.pauses) <= 120


def test_what_a_policy_never_allowed_is_named(
    bucket: str, config: S3Config, proxy: FaultProxy, clock: PausesClock
) -> None:
    with S3Store(bucket, "", config, clock=clock) as store:
        store.put("a", b"x")
        proxy.add(Rule(do="refuse", method="DELETE", code="AccessDenied", times=None))
        with pytest.raises(ConfigurationError, match="may not delete a"):
            store.delete("a")
    assert clock.pauses == []


def test_an_object_that_another_tool_copied_is_compared_with_the_digest_given(
    store: S3Store, bucket_folder: Path, tmp_path: Path
) -> None:
    info = store.put("theirs", b"copied")
    (bucket_folder / "some" / "prefix" / "copied").write_bytes(b"copied")
    found = store.stat("copied")
    assert found is not None
    assert (found.size_bytes, found.sha256) == (6, b"")
    assert store.get("copied") == store.get("copied", sha256=info.sha256) == b"copied"
    assert store.fetch("copied", tmp_path / "copy").sha256 == info.sha256
    with pytest.raises(CorruptObjectError):
        store.get("copied", sha256=b"?" * 32)


def test_names_that_are_no_keys_are_not_listed(store: S3Store, bucket_folder: Path) -> None:
    store.put("a", b"x")
    (bucket_folder / "some" / "prefix" / ".hidden").write_bytes(b"")
    (bucket_folder / "other").write_bytes(b"")
    assert [each.key for each in store.list("")] == ["a"]
    with pytest.raises(ObjectMissingError):
        store.get("b")
