"""The finalisation as a barrier: which units each phase has, from counted records alone (U3, U12).

Every phase cuts its work into the same number of partitions, which follows from the number of rows
and the job's `partition_rows`: by ranges of `sample_id` where rows are joined, by the phase's own key
elsewhere. An output names the partition of the following phase that reads it; a partition that
nothing was written for has no unit. The result depends neither on the number of partitions nor on
how scored files were cut into blocks.

A phase that a job does not need is left out: contents and bands without a distance for
near-duplicates, thresholds without a choice, `train/` where no bytes stay. A refilter repeats only
what depends on thresholds (U12): it starts from the base's files as they are, or scatters them again
where their id ranges are not known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pairmill.ledger.phases import (
    BANDS_ROLE,
    CHOICE_ROLE,
    CHOICES,
    CLUSTERS_ROLE,
    CONTENTS_ROLE,
    KEPT_ROLE,
    LOSERS_ROLE,
    NEIGHBOURS_ROLE,
    ROWS_ROLE,
    SCORES_ROLE,
    Phase,
    choices_of,
    is_aligned_refilter,
    is_refilter,
    partition_count,
    phases_of,
)
from pairmill.units import new_task, reference_list
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import (
    FinaliseInput,
    FinalisePhase,
    ObjectRef,
    References,
    UnitDone,
    UnitInput,
    UnitTask,
)

Load: TypeAlias = Callable[[ObjectRef], bytes]

_ByPartition: TypeAlias = "Mapping[int, Sequence[ObjectRef]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhasePlan:
    """The units of one phase, and the objects to store before their tasks are published."""

    phase: Phase
    tasks: tuple[UnitTask, ...]
    attachments: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    """What one unit of a phase reads."""

    partition: int
    inputs: Sequence[ObjectRef]
    replacing: Sequence[ObjectRef] = ()
    first_rank: int = 0
    rows: int


def next_phase(
    spec: JobSpec,
    spec_ref: ObjectRef,
    scored: Iterable[UnitDone],
    phases: Mapping[Phase, Iterable[UnitDone]],
    load: Load,
) -> PhasePlan | None:
    """Returns the next phase with its units, or None when the finalisation is over.

    `scored` are the counted score units sorted by id, `phases` the counted units of the phases that
    are closed, `load` returns the bytes of an object that lists references.
    """
    state = _State(spec=spec, scored=scored, phases=phases, load=load)
    for phase in phases_of(spec):
        if phase in phases:
            continue
        units = sorted(_UNITS[phase](state), key=lambda unit: unit.partition)
        if units:
            return _plan(state, spec_ref, phase, units)
    return None


class _State:
    """What the finalisation has come to, grouped as the phases need it."""

    def __init__(
        self,
        *,
        spec: JobSpec,
        scored: Iterable[UnitDone],
        phases: Mapping[Phase, Iterable[UnitDone]],
        load: Load,
    ) -> None:
        self.spec = spec
        self._phases = phases
        self._load = load
        self.base = _references(spec.base.scored, load)
        fresh = [] if is_refilter(spec) else list(scored)
        self.fresh = [ref for record in fresh for ref in self._outputs(record, SCORES_ROLE)]

    @property
    def partitions(self) -> int:
        """Number of partitions of every phase."""
        if is_aligned_refilter(self.spec):
            return self.spec.base.partitions
        return partition_count(_rows([*self.base, *self.fresh]), self.spec.finalise.partition_rows)

    def written(self, role: str, *phases: Phase) -> _ByPartition:
        """Returns what closed phases wrote in a role, by the partition that reads it."""
        found: defaultdict[int, list[ObjectRef]] = defaultdict(list)
        for phase in phases:
            for record in self._phases.get(phase, ()):
                for ref in self._outputs(record, role):
                    found[ref.partition].append(ref)
        return found

    def rows(self) -> _ByPartition:
        """Returns the rows of the set by id range: scattered, or the base's files as they are."""
        if not is_aligned_refilter(self.spec):
            return self.written(ROWS_ROLE, FinalisePhase.FINALISE_PHASE_SCATTER)
        found: defaultdict[int, list[ObjectRef]] = defaultdict(list)
        for ref in self.base:
            found[ref.partition].append(ref)
        return found

    def clusters(self) -> _ByPartition:
        """Returns cluster ids by id range."""
        return self.written(CLUSTERS_ROLE, FinalisePhase.FINALISE_PHASE_CLUSTERS)

    def _outputs(self, record: UnitDone, role: str) -> Iterator[ObjectRef]:
        return (ref for ref in _references(record.outputs, self._load) if ref.role == role)


def _scatter(state: _State) -> Iterator[_Unit]:
    blocks = [(block, state.fresh) for block in _blocks(state.base, state.spec)]
    blocks += [(block, []) for block in _blocks(state.fresh, state.spec)]
    for number, (block, replacing) in enumerate(blocks):
        yield _Unit(partition=number, inputs=block, replacing=replacing, rows=_rows(block))


def _blocks(files: Sequence[ObjectRef], spec: JobSpec) -> Iterator[Sequence[ObjectRef]]:
    """Yields runs of files with at most `scatter_block` files, and at most `partition_rows` rows but
    for a file that alone has more: files of `data/` are larger than those of score units."""
    block: list[ObjectRef] = []
    rows = 0
    for ref in files:
        full = len(block) >= max(1, spec.finalise.scatter_block)
        if rows and (full or rows + ref.rows > spec.finalise.partition_rows):
            yield block
            block, rows = [], 0
        block.append(ref)
        rows += ref.rows
    if rows:
        yield block


def _contents(state: _State) -> Iterator[_Unit]:
    yield from _each(state.written(CONTENTS_ROLE, FinalisePhase.FINALISE_PHASE_SCATTER))


def _bands(state: _State) -> Iterator[_Unit]:
    yield from _each(state.written(BANDS_ROLE, FinalisePhase.FINALISE_PHASE_CONTENTS))


def _clusters(state: _State) -> Iterator[_Unit]:
    copies = state.written(CONTENTS_ROLE, FinalisePhase.FINALISE_PHASE_SCATTER)
    yield from _each(copies, state.written(NEIGHBOURS_ROLE, FinalisePhase.FINALISE_PHASE_BANDS))


def _thresholds(state: _State) -> Iterator[_Unit]:
    yield from _each(state.rows(), state.clusters())


def _choose(phase: Phase) -> Callable[[_State], Iterator[_Unit]]:
    def units(state: _State) -> Iterator[_Unit]:
        stages = (FinalisePhase.FINALISE_PHASE_THRESHOLDS, *choices_of(state.spec))
        before = max(stage for stage in stages if stage < phase)
        yield from _each(state.written(CHOICE_ROLE, before))

    return units


def _write_data(state: _State) -> Iterator[_Unit]:
    yield from _each(state.rows(), state.clusters(), state.written(LOSERS_ROLE, *CHOICES))


def _write_train(state: _State) -> Iterator[_Unit]:
    """Yields one unit per file of `train/`: file n holds the kept ranks [nK, (n+1)K)."""
    by_range = state.written(KEPT_ROLE, FinalisePhase.FINALISE_PHASE_WRITE_DATA)
    pieces = [ref for partition in sorted(by_range) for ref in by_range[partition]]
    kept, size = _rows(pieces), max(1, state.spec.finalise.train_shard_samples)
    ends = _running_sum(ref.rows for ref in pieces)
    first = 0
    for number in range(-(-kept // size)):
        start, stop = number * size, min((number + 1) * size, kept)
        while ends[first] <= start:
            first += 1
        last = first
        while ends[last] < stop:
            last += 1
        yield _Unit(
            partition=number,
            inputs=pieces[first : last + 1],
            first_rank=ends[first] - pieces[first].rows,
            rows=stop - start,
        )


_UNITS: Final[Mapping[Phase, Callable[[_State], Iterator[_Unit]]]] = {
    FinalisePhase.FINALISE_PHASE_SCATTER: _scatter,
    FinalisePhase.FINALISE_PHASE_CONTENTS: _contents,
    FinalisePhase.FINALISE_PHASE_BANDS: _bands,
    FinalisePhase.FINALISE_PHASE_CLUSTERS: _clusters,
    FinalisePhase.FINALISE_PHASE_THRESHOLDS: _thresholds,
    **{phase: _choose(phase) for phase in CHOICES},
    FinalisePhase.FINALISE_PHASE_WRITE_DATA: _write_data,
    FinalisePhase.FINALISE_PHASE_WRITE_TRAIN: _write_train,
}


def _each(leading: _ByPartition, *joined: _ByPartition) -> Iterator[_Unit]:
    """Yields one unit per partition of `leading`, which reads what else there is for it besides."""
    for partition, refs in leading.items():
        inputs = [*refs, *(ref for others in joined for ref in others.get(partition, ()))]
        yield _Unit(partition=partition, inputs=inputs, rows=_rows(refs))


def _plan(state: _State, spec_ref: ObjectRef, phase: Phase, units: Sequence[_Unit]) -> PhasePlan:
    spec, partitions, attachments = state.spec, state.partitions, dict[str, bytes]()
    counted_by_unit = phase in (
        FinalisePhase.FINALISE_PHASE_SCATTER,
        FinalisePhase.FINALISE_PHASE_WRITE_TRAIN,
    )
    tasks = []
    for unit in units:
        inputs, listed = reference_list(unit.inputs, spec.job_id)
        replacing, more = reference_list(unit.replacing, spec.job_id)
        attachments |= listed | more
        finalise = FinaliseInput(
            phase=phase,
            partition=unit.partition,
            partitions=len(units) if counted_by_unit else partitions,
            next_partitions=partitions,
            inputs=inputs,
            first_rank=unit.first_rank,
        )
        if unit.replacing:
            finalise.replacing.CopyFrom(replacing)
        task = new_task(
            spec=spec_ref,
            job_id=spec.job_id,
            unit_id=f"{spec.job_id}/f{phase:02d}/{unit.partition:05d}",
            unit_input=UnitInput(finalise=finalise),
            rows=unit.rows,
        )
        tasks.append(task)
    return PhasePlan(phase=phase, tasks=tuple(tasks), attachments=attachments)


def _references(listed: References, load: Load) -> list[ObjectRef]:
    if listed.HasField("listed"):
        return list(References.FromString(load(listed.listed)).inline)
    return list(listed.inline)


def _rows(refs: Iterable[ObjectRef]) -> int:
    return sum(ref.rows for ref in refs)


def _running_sum(numbers: Iterable[int]) -> list[int]:
    total, sums = 0, []
    for number in numbers:
        total += number
        sums.append(total)
    return sums
