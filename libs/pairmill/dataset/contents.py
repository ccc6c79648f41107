"""Which files belong to a finished dataset, from counted records alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pairmill.dataset import roles
from pairmill.dataset.funnel import wave_of
from pairmill.dataset.ledger_file import LedgerOutput, LedgerRow
from pairmill.dataset.manifest import FileEntry
from pairmill_protos.job.v1.job_pb2 import ImagePolicy, JobSpec


def written_files(rows: Iterable[LedgerRow], spec: JobSpec) -> Iterator[FileEntry]:
    """Yields the files that counted units of a job wrote and that stay, each once.

    What a policy gives up (U11) and what was only a step (U4) is left out; of the seen index the last
    wave's state stays. A cancelled job keeps nothing.
    """
    last_wave = f"w{-(-spec.wat_count // max(1, spec.wave_size)) - 1:04d}"
    seen: set[str] = set()
    for row in rows:
        for output in row.outputs:
            stays = output.role in roles.FINAL_OUTPUTS and not is_given_up(output.role, spec)
            is_last_seen = output.role == roles.SEEN and wave_of(row.unit_id) == last_wave
            if (stays or is_last_seen) and output.key not in seen:
                seen.add(output.key)
                yield entry_of(output)


def is_given_up(role: str, spec: JobSpec) -> bool:
    """Returns whether the job's policy gives up the files of a role (U11)."""
    keeps_all = spec.image.policy not in (ImagePolicy.IMAGE_POLICY_KEPT, ImagePolicy.IMAGE_POLICY_NONE)
    return role in roles.GIVEN_UP and not keeps_all


def entry_of(output: LedgerOutput) -> FileEntry:
    """Returns an output as a file of the manifest."""
    return FileEntry(
        path=output.key, role=output.role, rows=output.rows, bytes=output.bytes, sha256=output.sha256
    )
