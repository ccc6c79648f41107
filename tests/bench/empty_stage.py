"""A crawler that does nothing: `python -m tests.bench.empty_stage`, configured like any stage."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from pairmill.config import read_config
from pairmill.groups import stage_group
from pairmill.service import ServiceConfig, exit_code_of, run_stage
from pairmill.stage.port import UnitContext, UnitResult
from pairmill.telemetry.logs import configure_logging
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.unit.v1.unit_pb2 import Stage

PASSED = (Outcome.OUTCOME_PASSED, Reason.REASON_UNSPECIFIED)


class EmptyHandler:
    """Each unit has one row, which passes."""

    stage: Stage.ValueType = Stage.STAGE_CRAWL

    def handle(self, context: UnitContext) -> UnitResult:
        """Returns a result at once."""
        return UnitResult(rows_in=1, tally={PASSED: 1})

    def self_test(self) -> None:
        """Passes."""

    def close(self) -> None:
        """Ends nothing."""


def main(env: Mapping[str, str]) -> int:
    """Runs until told to stop; returns the exit code."""
    config = read_config(ServiceConfig, env)
    configure_logging(config.log_level, service="empty", version="bench")
    group = stage_group(Stage.STAGE_CRAWL)
    return run_stage(config, EmptyHandler(), group=group, registry=CollectorRegistry())


if __name__ == "__main__":
    sys.exit(exit_code_of(main, os.environ))
