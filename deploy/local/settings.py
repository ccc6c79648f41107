"""What the services of a stack are told, from addresses and files to variables."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.secret_files import write_secret

BUCKET: Final = "pairmill"
PREFIX: Final = "datasets"
STOP_SECONDS: Final = 20.0  # that stages have to end after SIGTERM
STAGES: Final = ("crawler", "planner", "downloader", "inference", "scorer", "finaliser")
AFTERWARDS: Final = ("indexer", "explorer")  # what works on datasets that were finished
WITHOUT_GROUP: Final = frozenset({"explorer"})
WITH_BUNDLE: Final = frozenset({"inference", "scorer"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where everything of a stack is, and the files that open it."""

    bus_url: str
    s3_endpoint: str
    s3_credentials_file: Path
    triton: str  # host:port of gRPC
    api: str  # host:port of the gateway's gRPC
    explorer: str  # host:port of the explorer's page
    explorer_api: str  # host:port of the explorer's gRPC
    tokens_file: Path  # who may call the API, for the gateway
    stage_token_file: Path  # what stages call it with
    user_token_file: Path  # what a person calls it with
    bundles: Path  # one folder a bundle
    bundle: Path  # the one that jobs take

    @property
    def store_url(self) -> str:
        """Where datasets lie, each in a folder of its own."""
        return f"s3://{BUCKET}/{PREFIX}"


def command_env(at: Addresses) -> dict[str, str]:
    """Returns what `pairmill` on the command line needs to speak to the stack."""
    return {
        "PAIRMILL_TARGET": at.api,
        "PAIRMILL_EXPLORER_TARGET": at.explorer_api,
        "PAIRMILL_INSECURE": "true",  # on the loopback
        "PAIRMILL_TOKEN_FILE": str(at.user_token_file),
        **_bus_and_store(at),
    }


def write_command_env(path: Path, env: Mapping[str, str]) -> None:
    """Writes variables as a shell reads them, for the owner alone: they name files of secrets."""
    write_secret(path, "".join(f"export {name}={shlex.quote(value)}\n" for name, value in env.items()))


def read_command_env(path: Path) -> dict[str, str]:
    """Returns the variables that `write_command_env` wrote."""
    words = (shlex.split(line) for line in path.read_text().splitlines())
    return dict(word[1].split("=", 1) for word in words)


def service_env(at: Addresses, service: str, extra: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables of a service; `extra` has the last word."""
    match service:
        case "gateway":
            env = {**_bus_and_store(at), **_gateway(at)}
        case "indexer":
            env = {**_bus_and_store(at), **_indexer()}
        case "explorer":
            env = {**_s3(at), **_explorer(at)}
        case _:
            env = {**_bus_and_store(at), **_stage(at, service)}
    return {**env, **extra}


def _bus_and_store(at: Addresses) -> dict[str, str]:
    return {
        "PAIRMILL_BUS_URL": at.bus_url,
        "PAIRMILL_STORE_URL": at.store_url,
        **_s3(at),
    }


def _s3(at: Addresses) -> dict[str, str]:
    return {
        "PAIRMILL_S3__ENDPOINT": at.s3_endpoint,
        "PAIRMILL_S3__CREDENTIALS_FILE": str(at.s3_credentials_file),
    }


def _gateway(at: Addresses) -> dict[str, str]:
    return {
        "PAIRMILL_BUNDLES": str(at.bundles),
        "PAIRMILL_RPC__LISTEN": at.api,
        "PAIRMILL_RPC__TOKENS_FILE": str(at.tokens_file),
        "PAIRMILL_RPC__ALLOW_INSECURE": "true",  # on the loopback
    }


def _indexer() -> dict[str, str]:
    return {
        "PAIRMILL_STOP_SECONDS": f"{STOP_SECONDS:g}",
        "PAIRMILL_MEMORY_BYTES": str(256 * 2**20),
        "PAIRMILL_THREADS": "1",  # it shares the machine
    }


def _explorer(at: Addresses) -> dict[str, str]:
    return {
        "PAIRMILL_STORE_URL": at.store_url,
        "PAIRMILL_CORE__MODEL__BUNDLES": str(at.bundles),
        "PAIRMILL_CORE__POLL_SECONDS": "2",
        "PAIRMILL_HTTP__LISTEN": at.explorer,
        "PAIRMILL_HTTP__TOKENS_FILE": str(at.tokens_file),
        "PAIRMILL_RPC__LISTEN": at.explorer_api,
        "PAIRMILL_RPC__TOKENS_FILE": str(at.tokens_file),
        "PAIRMILL_RPC__ALLOW_INSECURE": "true",  # on the loopback
    }


def _stage(at: Addresses, service: str) -> dict[str, str]:
    env = {
        "PAIRMILL_STOP_SECONDS": f"{STOP_SECONDS:g}",
        "PAIRMILL_GATEWAY_TARGET": at.api,
        "PAIRMILL_GATEWAY__TOKEN_FILE": str(at.stage_token_file),
    }
    if service in WITH_BUNDLE:
        env["PAIRMILL_BUNDLE"] = str(at.bundle)
    if service == "inference":
        env["PAIRMILL_TRITON_TARGET"] = at.triton
    if service == "downloader":
        env["PAIRMILL_DECODE_PROCESSES"] = "1"  # several downloaders share the machine
    return env
