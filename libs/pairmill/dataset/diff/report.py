"""What a comparison has to say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Final

MAX_EXAMPLES: Final = 5


@dataclass(slots=True, kw_only=True)
class ColumnDifference:
    """Samples of both datasets that differ in one column."""

    column: str
    count: int = 0
    examples: list[tuple[str, str, str]] = field(default_factory=list)  # (sample_id, in A, in B)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunnelDifference:
    """A row of the funnel that differs by more than it may."""

    stage: str
    outcome: str
    reason: str
    a: int
    b: int


@dataclass(slots=True, kw_only=True)
class DiffReport:
    """The outcome of a comparison."""

    compared: int = 0  # samples in both
    only_in_a: int = 0
    only_in_b: int = 0
    examples_a: list[str] = field(default_factory=list)  # ids only in A
    examples_b: list[str] = field(default_factory=list)
    columns: dict[str, ColumnDifference] = field(default_factory=dict)
    funnel: list[FunnelDifference] = field(default_factory=list)
    left_out: int = 0  # samples whose verdict is too close to call to be compared
    left_out_differing: int = 0  # of those, how many verdicts differ
    funnel_difference: int = 0  # largest difference of a row of the funnel that is allowed for
    score_difference: dict[str, float] = field(default_factory=dict)  # largest, by column
    settings: list[tuple[str, str, str]] = field(default_factory=list)  # (field, in A, in B); no verdict

    @property
    def same(self) -> bool:
        """Whether the two are the same dataset."""
        return not (self.only_in_a or self.only_in_b or self.columns or self.funnel)

    def as_dict(self) -> dict[str, object]:
        """Returns plain values for JSON."""
        return {"same": self.same, **asdict(self)}

    def lines(self) -> Iterator[str]:
        """Yields the comparison in plain sentences."""
        yield f"{self.compared:,} samples in both" + (", the same dataset" if self.same else "")
        for count, ids, name in (
            (self.only_in_a, self.examples_a, "A"),
            (self.only_in_b, self.examples_b, "B"),
        ):
            if count:
                yield f"{count:,} samples only in {name}: {', '.join(ids)}" + (
                    " …" if count > len(ids) else ""
                )
        for column in self.columns.values():
            yield f"{column.column} differs in {column.count:,} samples:"
            for sample, a, b in column.examples:
                yield f"  {sample}: {a} | {b}"
        for row in self.funnel:
            name = f"{row.outcome}({row.reason})" if row.reason else row.outcome
            yield f"funnel: {row.stage} {name}: {row.a:,} | {row.b:,}"
        if self.left_out:
            yield (
                f"{self.left_out:,} verdicts left out as too close to call, {self.left_out_differing:,} of "
                f"them differ; the funnel differs by {self.funnel_difference:,} on their account"
            )
        for name, a, b in self.settings:
            yield f"set differently: {name}: {a} | {b}"
