"""The machine and the versions that figures were measured with."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from pairmill import __version__

LIBRARIES: Final = ("numpy", "onnxruntime", "opencv-python-headless", "pyarrow")

_MODEL: Final = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)


def machine_facts() -> dict[str, str]:
    """Returns what somebody needs to know who compares figures."""
    model = _MODEL.search(Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "date": f"{datetime.now(tz=UTC):%Y-%m-%d}",
        "cores": str(len(os.sched_getaffinity(0))),
        "CPU": model[1].strip() if model is not None else platform.machine(),
        "memory": f"{memory:.1f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "pairmill": __version__,
        **{name: version(name) for name in LIBRARIES},
    }


def machine_line() -> str:
    """Returns the facts in one line."""
    return " · ".join(f"{name} {value}" for name, value in machine_facts().items())
