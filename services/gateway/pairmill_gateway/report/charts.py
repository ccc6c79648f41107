"""Small drawings of distributions, as SVG. Pure functions of the facts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

from pairmill_gateway.report.markup import duration, number, percent, text
from pairmill_gateway.report.model import Histogram, Rate, SizeMap

SCORE_TITLES: Final = {
    "similarity": ("Image-text similarity", "cosine"),
    "punsafe": ("Unsafe", "probability"),
    "pwatermark": ("Watermark", "probability"),
    "toxicity": ("Toxicity of the text", "probability"),
    "AESTHETIC_SCORE": ("Aesthetic score", "predictor's scale"),
}
_W, _H = 320, 120  # of a histogram's drawing area
_TOP: Final = 18
_TICK_STEPS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_SIZE_TICKS: Final = (16, 64, 256, 1024, 4096, 16384)


def histogram(facts: Histogram) -> str:
    """Returns a score's distribution with the job's thresholds; heights on a square-root scale."""
    title, unit = SCORE_TITLES.get(facts.name, (facts.name, ""))
    total = sum(facts.kept) + sum(facts.dropped)
    if not total:
        body = f'<p class="empty">Unknown for all {number(facts.unknown)} samples.</p>'
    else:
        body = (
            f'<svg class="chart" viewBox="0 0 {_W} {_TOP + _H + 18}" role="img" '
            f'aria-label="{text(title)}">{"".join(_bars(facts))}{_axis(facts)}{"".join(_cuts(facts))}</svg>'
        )
    unknown = f", unknown for {number(facts.unknown)}" if facts.unknown and total else ""
    return (
        f'<figure class="panel"><figcaption><b>{text(title)}</b> <span>{text(unit)}{unknown}</span>'
        f"</figcaption>{body}</figure>"
    )


def _bars(facts: Histogram) -> Iterator[str]:
    sums = [kept + dropped for kept, dropped in zip(facts.kept, facts.dropped, strict=True)]
    width, most = _W / len(sums), max(sums)
    edge = (facts.high - facts.low) / len(sums)
    for place, (kept, whole) in enumerate(zip(facts.kept, sums, strict=True)):
        if not whole:
            continue
        height = max(1.5, _H * math.sqrt(whole / most))
        kept_height = height * kept / whole
        x, bottom = place * width, _TOP + _H
        start = facts.low + place * edge
        title = f"{start:.3g} to {start + edge:.3g}: {number(whole)}, {number(kept)} of them kept"
        yield (
            f'<g><title>{text(title)}</title><rect class="gone" x="{x:.2f}" y="{bottom - height:.2f}" '
            f'width="{width * 0.86:.2f}" height="{height - kept_height:.2f}"/>'
            f'<rect class="kept" x="{x:.2f}" y="{bottom - kept_height:.2f}" '
            f'width="{width * 0.86:.2f}" height="{kept_height:.2f}"/></g>'
        )


def _axis(facts: Histogram) -> str:
    base = _TOP + _H
    labels = []
    for tick in ticks(facts.low, facts.high):
        share = (tick - facts.low) / (facts.high - facts.low)
        anchor = "start" if share < 0.03 else "end" if share > 0.97 else "middle"
        labels.append(f'<text x="{share * _W:.1f}" y="{base + 14}" text-anchor="{anchor}">{tick:g}</text>')
    return f'<line class="axis" x1="0" x2="{_W}" y1="{base}" y2="{base}"/>{"".join(labels)}'


def ticks(low: float, high: float) -> Iterator[float]:
    """Yields round values from low to high, at most seven."""
    step = next((step for step in _TICK_STEPS if (high - low) / step <= 6), _TICK_STEPS[-1])
    for place in range(math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6) + 1):
        yield round(place * step, 6)


def _cuts(facts: Histogram) -> Iterator[str]:
    by_value: dict[float, list[str]] = {}
    for threshold in facts.thresholds:
        by_value.setdefault(threshold.value, []).append(threshold.label)
    for row, (value, names) in enumerate(by_value.items()):
        share = (value - facts.low) / (facts.high - facts.low)
        if not 0 <= share <= 1:
            continue
        x = share * _W
        shown = " ".join(filter(None, (", ".join(filter(None, names[:4])), f"{value:.3g}")))
        anchor, offset = ("end", -4) if share > 0.6 else ("start", 4)
        yield (
            f'<line class="cut" x1="{x:.1f}" x2="{x:.1f}" y1="{4 + 12 * row}" y2="{_TOP + _H}"/>'
            f'<text class="cut-label" x="{x + offset:.1f}" y="{12 + 12 * row}" text-anchor="{anchor}">'
            f"{text(shown)}</text>"
        )


def size_map(facts: SizeMap) -> str:
    """Returns widths and heights of fetched images as a density on logarithmic axes."""
    cells, side, margin = len(facts.counts), 260, 46
    step = side / cells
    most = max(max(row) for row in facts.counts)
    parts = []
    for y, row in enumerate(facts.counts):
        for x, count in enumerate(row):
            if count:
                strength = 0.18 + 0.82 * math.log1p(count) / math.log1p(most)
                title = (
                    f"{facts.edges[x]}–{facts.edges[x + 1]} × {facts.edges[y]}–{facts.edges[y + 1]} px: "
                    f"{number(count)}"
                )
                parts.append(
                    f'<rect class="cell" x="{margin + x * step:.1f}" y="{side - (y + 1) * step:.1f}" '
                    f'width="{step - 1:.1f}" height="{step - 1:.1f}" fill-opacity="{strength:.2f}">'
                    f"<title>{text(title)}</title></rect>"
                )
    diagonal = f'<line class="guide" x1="{margin}" y1="{side}" x2="{margin + side}" y2="0"/>'
    return (
        f'<svg class="chart sizes" viewBox="0 0 {margin + side + 16} {side + 34}" role="img" '
        f'aria-label="Image sizes">{diagonal}{"".join(parts)}{_size_axes(facts, side, margin)}</svg>'
    )


def _size_axes(facts: SizeMap, side: int, margin: int) -> str:
    low, high = math.log2(facts.edges[0]), math.log2(facts.edges[-1])
    parts = [
        f'<path class="axis" d="M{margin} 0V{side}H{margin + side}" fill="none"/>',
        f'<text x="{margin + side / 2}" y="{side + 30}" text-anchor="middle">width, pixels</text>',
        f'<text transform="translate(9 {side / 2}) rotate(-90)" text-anchor="middle">height</text>',
    ]
    for tick in _SIZE_TICKS:
        share = (math.log2(tick) - low) / (high - low)
        shown = f"{tick // 1024}k" if tick >= 1024 else str(tick)
        parts.append(
            f'<text x="{margin + share * side:.1f}" y="{side + 14}" text-anchor="middle">{shown}</text>'
        )
        if tick != _SIZE_TICKS[0]:
            parts.append(
                f'<text x="{margin - 5}" y="{side - share * side + 9:.1f}" text-anchor="end">{shown}</text>'
            )
    return "".join(parts)


def rate_chart(facts: Rate) -> str:
    """Returns rows per second or minute over the time of the run."""
    width, height, base = 440, 160, 160
    per_second = max((*facts.downloads, *facts.embedded, 0.0)) / facts.step_seconds
    scale, unit = (1.0, "second") if per_second >= 1 else (60.0, "minute")
    most = max(per_second * scale, 1e-9)
    parts = []
    for name, series in (("downloads", facts.downloads), ("embedded", facts.embedded)):
        values = [value / facts.step_seconds * scale / most for value in series]
        parts.append(f'<path class="series {name}" d="{_stairs(values, width, height, base)}"/>')
    whole = facts.step_seconds * len(facts.downloads)
    end = facts.start + timedelta(seconds=whole)
    same_day = end.date() == facts.start.date()
    labels = (
        f'<text x="0" y="{base + 16}">{facts.start:%Y-%m-%d %H:%M} UTC</text>'
        f'<text x="{width}" y="{base + 16}" text-anchor="end">'
        f"{end:%H:%M}{'' if same_day else f' on {end:%Y-%m-%d}'}</text>"
        f'<text x="0" y="12" class="peak">peak {most:,.3g} rows per {unit}</text>'
    )
    return (
        f'<svg class="chart wide" viewBox="0 0 {width} {base + 22}" role="img" aria-label="Rate over time">'
        f'{"".join(parts)}<line class="axis" x1="0" x2="{width}" y1="{base}" y2="{base}"/>{labels}</svg>'
        f'<p class="legend"><i class="dot downloads"></i>downloads ended <i class="dot embedded"></i>'
        f"embedded <span>over {duration(whole)}, in steps of {duration(facts.step_seconds)}</span></p>"
    )


def _stairs(values: Sequence[float], width: int, height: int, base: int) -> str:
    step, path = width / len(values), [f"M0 {base}"]
    for place, value in enumerate(values):
        top = base - (height - 22) * value
        path.append(f"L{place * step:.1f} {top:.1f}H{(place + 1) * step:.1f}")
    return "".join([*path, f"V{base}Z"])


def share_bar(part: int, middle: int, whole: int, most: int) -> str:
    """Returns one bar in three tones: kept within downloaded within candidates."""
    widths = [100 * count / max(1, most) for count in (whole, middle, part)]
    rects = "".join(
        f'<rect class="{style}" width="{width:.2f}" height="10"/>'
        for style, width in zip(("all", "got", "kept"), widths, strict=True)
    )
    title = f"{number(whole)} candidates, {number(middle)} downloaded, {number(part)} kept"
    return (
        f'<svg class="share" viewBox="0 0 100 10" preserveAspectRatio="none" role="img">'
        f"<title>{text(title)} ({percent(part, whole)})</title>{rects}</svg>"
    )
