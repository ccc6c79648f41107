"""An embedded run with options that no user has: kill hooks, partitions, impatience.

`python -m tests.e2e.hooked_run ORDER.json` runs the job and writes how it ended to standard output.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pairmill_gateway.request import JobRequest, admit_request
from pairmill_models.bundle import load_bundle
from pairmill_standalone.run import Run, RunEnd
from pairmill_standalone.run_options import RunOptions
from pairmill_standalone.workspace import open_workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be run, as plain values."""

    out: str
    wats: Sequence[str]
    settings: Mapping[str, str]
    bundle: str
    service_env: Mapping[str, Mapping[str, str]]
    profile: str = "default"
    workers: Mapping[str, int] = field(default_factory=dict)
    partitions: int = 4
    first_env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def run(self) -> RunEnd:
        """Runs the job to its end, or goes on with it."""
        request = JobRequest(wats=self.wats, profile=self.profile, crawl="E2E", settings=self.settings)
        admission = admit_request(request, load_bundle(Path(self.bundle)))
        options = RunOptions(
            bundle=Path(self.bundle),
            workers=self.workers,
            partitions=self.partitions,
            reissue_after_seconds=2.0,
            service_env=self.service_env,
            first_env=self.first_env,
        )
        run = Run(open_workspace(Path(self.out), None), admission, options)
        signal.signal(signal.SIGTERM, lambda _number, _frame: run.interrupt())
        return run.execute(lambda status: None)


if __name__ == "__main__":
    order = Order(**json.loads(Path(sys.argv[1]).read_text()))
    sys.stdout.write(json.dumps(asdict(order.run())) + "\n")
