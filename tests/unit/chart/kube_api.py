"""An API server of a few lines, which Helm asks for what is there when it renders for a cluster."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

from tests.unit.chart.rendering import NAMESPACE, Object

_VERSION: Final = {"major": "1", "minor": "34", "gitVersion": "v1.34.2"}
_NOT_FOUND: Final = {
    "apiVersion": "v1",
    "kind": "Status",
    "status": "Failure",
    "reason": "NotFound",
    "code": 404,
}


def secret(name: str, keys: Iterable[str]) -> Object:
    """Returns a secret that has some keys."""
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": dict.fromkeys(keys, "eA==")}


@dataclass(frozen=True, slots=True)
class KubeApi:
    """What a cluster knows: kinds by their versions, and objects of one namespace."""

    kinds: Mapping[str, frozenset[str]]
    there: Mapping[tuple[str, str], Object]  # by plural and name

    @classmethod
    def of(cls, known: Iterable[Object], there: Iterable[Object]) -> KubeApi:
        """Returns one that knows the kinds of some objects, and has some."""
        present = tuple(there)
        kinds: dict[str, set[str]] = {"v1": {"Secret"}, "apps/v1": {"StatefulSet", "Deployment"}}
        for each in (*known, *present):
            kinds.setdefault(each["apiVersion"], set()).add(each["kind"])
        return cls(
            {version: frozenset(names) for version, names in kinds.items()},
            {(_plural(each["kind"]), each["metadata"]["name"]): each for each in present},
        )

    def answer(self, path: str) -> Mapping[str, Any] | None:
        """Returns what stands at a path; nothing where nothing does."""
        parts = path.strip("/").split("/")
        match parts:
            case ["version"]:
                return _VERSION
            case ["api"]:
                return {"kind": "APIVersions", "versions": ["v1"]}
            case ["apis"]:
                return {"kind": "APIGroupList", "apiVersion": "v1", "groups": self._groups()}
            case ["api", "v1"]:
                return self._resources("v1")
            case ["apis", group, version]:
                return self._resources(f"{group}/{version}")
            case [*_, "namespaces", _, plural, name]:
                return self.there.get((plural, name))
            case [*_, "namespaces", _, plural]:
                items = [each for (of, _), each in self.there.items() if of == plural]
                return {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items}
        return None

    def _groups(self) -> list[Mapping[str, Any]]:
        versions = [version for version in self.kinds if "/" in version]
        named = {
            version: {"groupVersion": version, "version": version.partition("/")[2]} for version in versions
        }
        return [
            {"name": version.partition("/")[0], "versions": [entry], "preferredVersion": entry}
            for version, entry in named.items()
        ]

    def _resources(self, version: str) -> Mapping[str, Any]:
        resources = [
            {
                "name": _plural(kind),
                "singularName": "",
                "kind": kind,
                "namespaced": True,
                "verbs": ["get", "list"],
            }
            for kind in sorted(self.kinds.get(version, ()))
        ]
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": version,
            "resources": resources,
        }


@contextmanager
def serving(api: KubeApi, folder: Path) -> Iterator[Path]:
    """Serves on loopback; gives the file by which clients find it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(api))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield _kubeconfig(folder, f"http://127.0.0.1:{server.server_address[1]}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _plural(kind: str) -> str:
    """Any will do: clients take it from what they are told."""
    return f"{kind.lower()}s"


def _kubeconfig(folder: Path, address: str) -> Path:
    context = {"cluster": "c", "user": "u", "namespace": NAMESPACE}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": address}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": context}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


def _handler(api: KubeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = api.answer(self.path.partition("?")[0])
            body = json.dumps(_NOT_FOUND if found is None else found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, code: object = "-", size: object = "-") -> None:
            pass

    return Handler
