"""NVIDIA's tritonserver with its Python backend, out of a wheel, for machines without a GPU."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from deploy.local.cache import Cache
from deploy.local.commands import run
from deploy.local.component import Component, Program
from deploy.local.errors import FetchError, MissingToolError
from deploy.local.http_ready import answers
from deploy.local.ports import free_port

WHEEL_VERSION: Final = "0.7.0"  # holds tritonserver 2.51
NUMPY: Final = "numpy==1.26.4"  # with numpy 2 this server's outputs come back empty, without an error
PYTHONS: Final = ((3, 11), (3, 12))  # that both this server's stub and that numpy know
_REMEDY: Final = "install Python 3.11 or 3.12 as python3.11 or python3.12 in PATH, with its library and venv"


def fetch_triton(cache: Cache | None = None) -> Path:
    """Returns the folder of tritonserver and of the environment that its models run in.

    The environment has the onnxruntime of this one, so that both give the same answers.
    """
    python, number = _interpreter()
    key = f"triton-{WHEEL_VERSION}-python{number}-onnxruntime{version('onnxruntime')}"
    return (cache or Cache.of_user()).provide(key, lambda folder: _fetch(folder, python, number))


def _interpreter() -> tuple[Path, str]:
    """Returns a Python for the models, and its version as in 3.11."""
    for major, minor in sorted(PYTHONS, key=lambda known: known != sys.version_info[:2]):
        number = f"{major}.{minor}"
        is_own = sys.version_info[:2] == (major, minor)
        found = sys.executable if is_own else shutil.which(f"python{number}")
        if found is not None and (is_own or _runs(found)):
            return Path(found), number
    raise MissingToolError("a Python that tritonserver's models can run in is needed", _REMEDY)


def _runs(python: str) -> bool:
    """Whether an interpreter is there indeed: a version manager has names for those that are not."""
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


def _fetch(folder: Path, python: Path, number: str) -> None:
    run([python, "-m", "venv", folder / "venv"])
    own = folder / "venv" / "bin" / "python"
    pip: list[str | Path] = [own, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    run([*pip, "--no-deps", f"nvidia-pytriton=={WHEEL_VERSION}"])
    run([*pip, NUMPY, f"onnxruntime=={version('onnxruntime')}"])
    packed = _packages(folder) / "pytriton" / "tritonserver"
    shutil.copytree(packed / "backends", folder / "backends")
    stub = packed / "python_backend_stubs" / number / "triton_python_backend_stub"
    shutil.copy(stub, folder / "backends" / "python")
    for program in (folder / "backends" / "python" / stub.name, packed / "bin" / "tritonserver"):
        program.chmod(0o755)


def _packages(folder: Path) -> Path:
    return next((folder / "venv" / "lib").glob("python*")) / "site-packages"


class TritonServer(Component):
    """A tritonserver over a model repository; ready once all its models are."""

    def __init__(
        self,
        folder: Path,
        repository: Path,
        *,
        arguments: Sequence[str] = (),
        installed: Path | None = None,
        log: Path | None = None,
        leashed: bool = True,
    ) -> None:
        """Fetches the server where it is not there; `arguments` are added to its command."""
        super().__init__("triton", folder, log=log, leashed=leashed)
        self.repository = repository
        self._arguments = arguments
        self._installed = installed or fetch_triton()
        self._ports = {name: free_port() for name in ("grpc", "http", "metrics")}

    @property
    def address(self) -> str:
        """Where it speaks gRPC."""
        return f"127.0.0.1:{self._ports['grpc']}"

    @property
    def http_address(self) -> str:
        """Where it speaks HTTP."""
        return f"127.0.0.1:{self._ports['http']}"

    @property
    def metrics_address(self) -> str:
        """Where Prometheus finds its metrics, under /metrics."""
        return f"127.0.0.1:{self._ports['metrics']}"

    @property
    def ready_url(self) -> str:
        """Says whether the server and all its models are ready."""
        return f"http://{self.http_address}/v2/health/ready"

    def program(self) -> Program:
        """Returns the server's command."""
        packages, bin_ = _packages(self._installed), self._installed / "venv" / "bin"
        ports = (f"--{name}-port={port}" for name, port in self._ports.items())
        addresses = (f"--{name}-address=127.0.0.1" for name in ("grpc", "http", "metrics"))
        return Program(
            command=[
                packages / "pytriton" / "tritonserver" / "bin" / "tritonserver",
                f"--model-repository={self.repository}",
                f"--backend-directory={self._installed / 'backends'}",
                "--allow-gpu-metrics=false",
                "--disable-auto-complete-config",
                *ports,
                *addresses,
                *self._arguments,
            ],
            env={
                "PATH": f"{bin_}:/usr/bin:/bin",  # where the stub looks for its interpreter
                "LD_LIBRARY_PATH": f"{_library_folder(bin_)}:{packages / 'nvidia_pytriton.libs'}",
                "PYTHONPATH": "",
            },
        )

    def is_ready(self) -> bool:
        """Returns whether the server and all its models are ready."""
        return answers(self.ready_url)


def _library_folder(bin_: Path) -> str:
    """Returns where the interpreter's shared library is."""
    ask = "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))"
    found = run([bin_ / "python", "-c", ask]).strip()
    if not found:
        raise FetchError(f"{bin_ / 'python'} does not say where its library is")
    return found
