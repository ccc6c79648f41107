"""The funnel as a picture: one bar per step, each drawn at full width and opened out to the next.

A crawl's links outnumber its kept samples by thousands, so widths are shares of the step, not of the
whole: what came through a step opens out to the next step's bar, what did not fades away below it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pairmill.dataset.explanations import describe
from pairmill_gateway.report.markup import number, percent, text
from pairmill_gateway.report.steps import Step

SHOWN_DROPS: Final = 6
_WIDTH: Final = 1000.0
_LEAST: Final = 4.0  # of 1,000: so that nothing that is there is invisible
_BAND: Final = 100


def funnel_picture(steps: tuple[Step, ...]) -> str:
    """Returns the funnel as HTML with one drawing per step."""
    if not steps:
        return '<p class="empty">Nothing went in.</p>'
    rows = [_step(step, place, is_last=place == len(steps) - 1) for place, step in enumerate(steps)]
    last = steps[-1]
    if last.name == "Embedded":
        rows.append(
            f'<div class="step end"><div class="flow"><h3>Kept <b>{number(last.survived)}</b></h3>'
            f'<svg class="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">'
            f'<rect class="through" width="1000" height="10"/></svg></div></div>'
        )
    return f'<div class="funnel">{"".join(rows)}</div>'


def shown_drops(step: Step) -> tuple[tuple[str, int], ...]:
    """Returns the largest drops of a step; the small ones together as `other`."""
    if len(step.drops) <= SHOWN_DROPS:
        return step.drops
    head, rest = step.drops[: SHOWN_DROPS - 1], step.drops[SHOWN_DROPS - 1 :]
    return (*head, (f"{len(rest)} other reasons", sum(rows for _, rows in rest)))


def _step(step: Step, place: int, *, is_last: bool) -> str:
    drops = shown_drops(step)
    widths = _widths([step.survived, *(rows for _, rows in drops)])
    through = percent(step.survived, step.given)
    opens = not is_last or step.name == "Embedded"
    return (
        f'<div class="step"><div class="flow"><h3>{text(step.name)} <b>{number(step.given)}</b>'
        f'<span class="through-share">{through} through</span></h3>'
        f"{_bar(step, drops, widths)}{_band(widths, place) if opens else ''}</div>"
        f'<ul class="chips">{"".join(_chips(step, drops))}</ul></div>'
    )


def _widths(rows: list[int]) -> list[float]:
    """Returns widths that add up to 1,000, in proportion, but that what is there can be seen."""
    total = sum(rows)
    if not total:
        return [0.0 for _ in rows]
    raw = [max(_LEAST, _WIDTH * count / total) if count else 0.0 for count in rows]
    return [width * _WIDTH / sum(raw) for width in raw]


def _bar(step: Step, drops: tuple[tuple[str, int], ...], widths: list[float]) -> str:
    parts, left = [], 0.0
    titles = [("through", step.survived), *drops]
    for index, ((name, rows), width) in enumerate(zip(titles, widths, strict=True)):
        if width:
            style = "through" if index == 0 else f"drop d{index}"
            title = f"{name}: {number(rows)} ({percent(rows, step.given)})"
            parts.append(
                f'<rect class="{style}" x="{left:.2f}" width="{width:.2f}" height="30">'
                f"<title>{text(title)}</title></rect>"
            )
        left += width
    return (
        f'<svg class="bar" viewBox="0 0 1000 30" preserveAspectRatio="none" role="img">{"".join(parts)}</svg>'
    )


def _band(widths: list[float], place: int) -> str:
    """What came through, opening out to the width of the next bar; drops fade away."""
    end, middle = widths[0], _BAND / 2
    fades, left = [], end
    for index, width in enumerate(widths[1:], start=1):
        if width:
            fades.append(
                f'<rect class="drop d{index}" x="{left:.2f}" width="{width:.2f}" height="{_BAND}" '
                f'mask="url(#fade{place})"/>'
            )
        left += width
    ribbon = f"M0 0H{end:.2f}C{end:.2f} {middle} 1000 {middle} 1000 {_BAND}H0Z"
    return (
        f'<svg class="band" viewBox="0 0 1000 {_BAND}" preserveAspectRatio="none" aria-hidden="true">'
        f'<defs><linearGradient id="g{place}" x1="0" y1="0" x2="0" y2="1">'
        '<stop offset="0" stop-color="#fff" stop-opacity=".6"/>'
        '<stop offset=".5" stop-color="#fff" stop-opacity="0"/></linearGradient>'
        f'<mask id="fade{place}"><rect width="1000" height="{_BAND}" fill="url(#g{place})"/></mask></defs>'
        f'{"".join(fades)}<path class="ribbon" d="{ribbon}"/></svg>'
    )


def _chips(step: Step, drops: tuple[tuple[str, int], ...]) -> Iterator[str]:
    for index, (name, rows) in enumerate(drops, start=1):
        known = describe(name).text if name in dict(step.drops) else ""
        title = f' title="{text(known)}"' if known else ""
        yield (
            f'<li{title}><i class="dot d{index}"></i><span class="name">{text(name)}</span> '
            f"<b>{number(rows)}</b> <span>{percent(rows, step.given)}</span></li>"
        )
