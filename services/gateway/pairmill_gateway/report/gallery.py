"""Samples to look at: kept ones, dropped ones by reason, and what never had an image."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Final

from pairmill.dataset.explanations import describe
from pairmill_gateway.report.markup import foreign, host, link, prose, text
from pairmill_gateway.report.model import GallerySample, LostExample

_SHORT_NAMES: Final = {
    "similarity": "similarity",
    "AESTHETIC_SCORE": "aesthetic",
    "punsafe": "unsafe",
    "pwatermark": "watermark",
    "toxicity": "toxicity",
}
_TELLING: Final = {
    "unsafe": "punsafe",
    "watermark": "pwatermark",
    "toxic": "toxicity",
    "low_aesthetic": "AESTHETIC_SCORE",
}


def gallery(samples: tuple[GallerySample, ...], name: str) -> str:
    """Returns a grid of samples, with a switch that shows all that are hidden."""
    if not samples:
        return '<p class="empty">None.</p>'
    hidden = sum(sample.hidden and sample.thumbnail is not None for sample in samples)
    switch = ""
    if hidden:
        switch = (
            f'<input class="reveal" type="checkbox" id="reveal-{text(name)}">'
            f'<label class="reveal-label" for="reveal-{text(name)}">Show the {hidden} hidden '
            f"image{'s' if hidden > 1 else ''}</label>"
        )
    return f'{switch}<div class="grid">{"".join(_card(sample) for sample in samples)}</div>'


def dropped_galleries(dropped: Mapping[str, tuple[GallerySample, ...]], counts: Mapping[str, int]) -> str:
    """Returns one foldable gallery per reason, the most frequent reasons first and open."""
    if not dropped:
        return '<p class="empty">None.</p>'
    ordered = sorted(dropped, key=lambda reason: (-counts.get(reason, 0), reason))
    return "".join(
        _folded(reason, counts.get(reason, 0), gallery(dropped[reason], reason), is_open=place < 3)
        for place, reason in enumerate(ordered)
    )


def lost_examples(lost: Mapping[str, tuple[LostExample, ...]], counts: Mapping[str, int]) -> str:
    """Returns foldable lists of what never had an image here, as text."""
    shown = [reason for reason in lost if lost[reason]]
    if not shown:
        return '<p class="empty">None.</p>'
    ordered = sorted(shown, key=lambda reason: (-counts.get(reason, 0), reason))
    return "".join(
        _folded(reason, counts.get(reason, 0), _list(lost[reason]), is_open=False) for reason in ordered
    )


def _folded(reason: str, count: int, body: str, *, is_open: bool) -> str:
    number = f"{count:,}" if count else ""
    return (
        f'<details class="reason"{" open" if is_open else ""}><summary><b>{text(reason)}</b>'
        f'<span class="count">{number}</span>'
        f'<span class="why">{prose(describe(reason).text)}</span></summary>{body}</details>'
    )


def _card(sample: GallerySample) -> str:
    return (
        f'<figure class="card">{_picture(sample)}<figcaption>'
        f'<p class="caption">{foreign(sample.text, 160)}</p>'
        f'<p class="meta">{" · ".join(f"<span>{fact}</span>" for fact in _facts(sample))}</p>'
        f'<p class="meta">{link(sample.url, host(sample.url) or sample.url)}</p></figcaption></figure>'
    )


def _picture(sample: GallerySample) -> str:
    if sample.thumbnail is None:
        return '<div class="shot none"><span>no image stored</span></div>'
    data = base64.b64encode(sample.thumbnail).decode("ascii")
    image = (
        f'<img src="data:image/jpeg;base64,{data}" alt="{text(sample.text[:160])}" loading="lazy" '
        'decoding="async">'
    )
    if not sample.hidden:
        return f'<div class="shot">{image}</div>'
    unknown = sample.scores.get("punsafe") is None
    why = "not known to be safe" if unknown else "may be unsafe"
    return (
        f'<label class="shot veiled"><input type="checkbox" aria-label="Show this image">{image}'
        f'<span class="veil">{why}<br>click to show</span></label>'
    )


def _facts(sample: GallerySample) -> Iterator[str]:
    names = dict.fromkeys(filter(None, (_TELLING.get(sample.reason), "similarity")))
    for name in names:
        score = sample.scores.get(name)
        if score is not None:
            yield f"{_SHORT_NAMES[name]} {score:.2f}"
    yield text(sample.language or "no language")
    if sample.width and sample.height:
        yield f"{sample.width} × {sample.height}"


def _list(examples: tuple[LostExample, ...]) -> str:
    rows = "".join(
        f"<tr><td>{foreign(example.text, 200) if example.text else '<i>no text</i>'}</td>"
        f'<td class="address">{foreign(example.url, 160)}</td>'
        f"<td>{foreign(example.detail, 160)}</td></tr>"
        for example in examples
    )
    return (
        '<div class="scroll"><table class="lost"><thead><tr><th>text</th><th>address</th>'
        f"<th>what exactly</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
