"""What an audit has to say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from pairmill.dataset.funnel import Counts

MAX_PER_CHECK: Final = 25

Check: TypeAlias = Literal[
    "manifest",
    "missing",
    "size",
    "checksum",
    "rows",
    "columns",
    "shard",
    "embeddings",
    "samples",
    "train",
    "identity",
    "verdict",
    "ledger",
    "candidates",
    "funnel",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, in a plain sentence."""

    check: Check
    path: str  # the file it was found in; empty where it belongs to none
    problem: str

    def __str__(self) -> str:
        return f"{self.check}: {self.path}: {self.problem}" if self.path else f"{self.check}: {self.problem}"

    def as_dict(self) -> dict[str, str]:
        """Returns plain values for JSON."""
        return {"check": self.check, "path": self.path, "problem": self.problem}


@dataclass(slots=True)
class Findings:
    """Collects findings; of one check the first ones in full, the rest as a number."""

    found: list[Finding] = field(default_factory=list)
    _number: Counter[Check] = field(default_factory=Counter)

    def add(self, check: Check, path: str, problem: str) -> None:
        """Takes a finding."""
        self._number[check] += 1
        if self._number[check] <= MAX_PER_CHECK:
            self.found.append(Finding(check=check, path=path, problem=problem))

    def add_rows(self, check: Check, path: str, problem: str, examples: Sequence[str], rows: int) -> None:
        """Takes a problem that several rows of a file have."""
        shown = ", ".join(examples[:3])
        more = f" and {rows - 3:,} more" if rows > 3 else ""
        self.add(check, path, f"{problem}: {shown}{more}")

    def closed(self) -> Iterator[Finding]:
        """Yields all findings, with a last one per check that has more than are shown."""
        yield from self.found
        for check, number in self._number.items():
            if number > MAX_PER_CHECK:
                yield Finding(check=check, path="", problem=f"{number - MAX_PER_CHECK:,} more of this kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """The outcome of an audit. A dataset closes if nothing was found."""

    findings: tuple[Finding, ...]
    files: int
    bytes: int
    units: int  # counted in the ledger
    candidates: int  # counted in the data
    final: Counts  # how they ended, counted in the data, by (outcome, reason)

    @property
    def closes(self) -> bool:
        """Whether everything is as the manifest says and in = sum of outcomes."""
        return not self.findings

    def as_dict(self) -> dict[str, object]:
        """Returns plain values for JSON."""
        return {
            "closes": self.closes,
            "files": self.files,
            "bytes": self.bytes,
            "units": self.units,
            "candidates": self.candidates,
            "final": [
                {"outcome": outcome, "reason": reason, "count": rows}
                for (outcome, reason), rows in sorted(self.final.items())
            ],
            "findings": [finding.as_dict() for finding in self.findings],
        }
