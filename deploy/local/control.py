"""Putting a stack up, down, and looking at it, from calls that know of each other by its folder."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from deploy.local.ending import Ending, end_all
from deploy.local.errors import ComponentError
from deploy.local.layout import Layout
from deploy.local.stack import Stack, StackOptions
from deploy.local.state import Member, read_members

Say = Callable[[str], None]


class StackError(ComponentError):
    """The stack is not in a state for what was asked; the message says what it would take."""


def put_up(layout: Layout, options: StackOptions, say: Say) -> Stack | None:
    """Starts a stack that outlives this call and returns it; None if one was up already."""
    with _locked(layout):
        members = read_members(layout.state)
        conditions = {member.name: member.condition() for member in members}
        if members and set(conditions.values()) == {"ready"}:
            return None
        if any(condition != "ended" for condition in conditions.values()):
            broken = ", ".join(f"{name} {how}" for name, how in conditions.items() if how != "ready")
            raise StackError(f"a stack is there, but {broken}; see its logs, and take it down first")
        stack = Stack(layout.root, options, say)
        stack.up()
    return stack


def take_down(layout: Layout, say: Say) -> bool:
    """Ends a stack and removes all but its logs; returns False if there was none."""
    with _locked(layout):
        members = read_members(layout.state)
        slow = end_all([_ending(member) for member in members])
        if slow:
            say(f"had to be killed: {', '.join(slow)}")
        layout.clear()
    return bool(members)


def look(layout: Layout) -> Sequence[tuple[Member, str]]:
    """Returns the processes of a stack and how each is."""
    return [(member, member.condition()) for member in read_members(layout.state)]


def table(members: Sequence[tuple[Member, str]]) -> str:
    """Returns a table of processes for a person."""
    rows = [("process", "condition", "pid", "address", "log")]
    rows += [(m.name, condition, str(m.pid), m.address, m.log) for m, condition in members]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in padded)


def _ending(member: Member) -> Ending:
    return Ending(
        name=member.name,
        running=member.running,
        seconds=member.stop_seconds,
        is_service=member.is_service,
    )


@contextmanager
def _locked(layout: Layout) -> Iterator[None]:
    """Holds the stack's folder; raises StackError if another call holds it."""
    layout.root.mkdir(parents=True, exist_ok=True)
    with layout.lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(f"another call is at work on {layout.root}; wait for it") from error
        yield
