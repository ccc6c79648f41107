"""Build hook: turns `protos/` into the typed package `pairmill_protos`.

Generated code is never committed. protoc writes absolute imports that mirror the path of the schema
(`pairmill.unit.v1`), which would collide with the hand-written package `pairmill`, so the generated
tree is moved under `pairmill_protos` by rewriting those imports.
"""

from __future__ import annotations

import re
import shutil
import sys
from importlib import resources
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a script from an environment without the build backend
    BuildHookInterface = object  # type: ignore[assignment, misc] # only its name is needed then

ROOT = Path(__file__).resolve().parent
SCHEMAS = ROOT / "protos"
TARGET = ROOT / "libs" / "pairmill_protos"
_IMPORT = re.compile(r"^(from|import) pairmill\.", re.MULTILINE)


def generate(target: Path = TARGET) -> None:
    """Writes the package `pairmill_protos` into `target`, replacing what was there."""
    from grpc_tools import protoc

    staging = target.with_name(target.name + ".new")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    well_known = str(resources.files("grpc_tools") / "_proto")
    schemas = sorted(str(path) for path in SCHEMAS.rglob("*.proto"))
    status = protoc.main(
        [
            "protoc",
            *_stub_plugins(),
            f"-I{SCHEMAS}",
            f"-I{well_known}",
            f"--python_out={staging}",
            f"--mypy_out=quiet:{staging}",
            f"--grpc_python_out={staging}",
            f"--mypy_grpc_out=quiet:{staging}",
            *schemas,
        ]
    )
    if status != 0:
        raise RuntimeError(f"protoc failed with status {status}")
    _move_under_own_name(staging)
    shutil.rmtree(target, ignore_errors=True)
    staging.rename(target)


def _stub_plugins() -> list[str]:
    """Names the stub generators beside this interpreter, where PATH does not lead to them."""
    found = (Path(sys.executable).with_name(name) for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc"))
    return [f"--plugin={path.name}={path}" for path in found if path.exists()]


def _move_under_own_name(staging: Path) -> None:
    for path in (staging / "pairmill").iterdir():
        shutil.move(str(path), staging / path.name)
    (staging / "pairmill").rmdir()
    for path in [*staging.rglob("*.py"), *staging.rglob("*.pyi")]:
        path.write_text(_IMPORT.sub(r"\1 pairmill_protos.", path.read_text()))
        if path.stem.endswith("_pb2_grpc") and "class " not in path.read_text():
            path.unlink()
    for folder in [staging, *(path for path in staging.rglob("*") if path.is_dir())]:
        (folder / "__init__.py").touch()
    (staging / "py.typed").touch()


class ProtoBuildHook(BuildHookInterface):  # type: ignore[misc, type-arg, unused-ignore] # may be object
    """Runs the generator before any wheel or editable install is made."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Generates the package and adds it to the files of the wheel."""
        del version
        generate()
        build_data.setdefault("artifacts", []).append("libs/pairmill_protos/**")


if __name__ == "__main__":
    generate()
    sys.stdout.write(f"{TARGET.relative_to(ROOT)}: generated\n")
