"""Alt texts as a hostile web spells them, with what a careful repair makes of each.

The right answers are known by construction: a spelling starts from a clean caption and damages it in
one known way, so no repair library is asked. Repair means: what was decoded wrongly or escaped is
undone, control characters go, blanks are collapsed and trimmed, the rest is NFC.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Alt:
    """An alt text: as it stands in the WAT, and as it is expected after the repair."""

    raw: str
    text: str
    language: str = ""
    group: int = 0  # drawing whose scene it names


Spelling = Callable[[str], tuple[str, str]]
"""From a clean caption to (raw, repaired)."""


def _mojibake(clean: str) -> tuple[str, str]:
    """UTF-8 read as Windows-1252, as most broken pages have it."""
    text = f"{clean}, très élégant"
    return text.encode().decode("cp1252"), text


def _decomposed(clean: str) -> tuple[str, str]:
    text = f"{clean}, café crème"
    return unicodedata.normalize("NFD", text), text


SPELLINGS: Final[dict[str, Spelling]] = {
    "blanks": lambda clean: (f"  {clean} \n", clean),
    "line_break": lambda clean: (clean.replace(" ", "\r\n", 1), clean),
    "tabs": lambda clean: (clean.replace(" ", "\t\t"), clean),
    "control": lambda clean: (f"\x07{clean[:3]}\x0b{clean[3:]}\x7f", clean),
    "nul": lambda clean: (f"{clean[:2]}\x00{clean[2:]}\x00", clean),
    "lone_surrogate": lambda clean: (f"{clean} \ud83d", f"{clean} \ufffd"),
    "split_emoji": lambda clean: (f"{clean} \ud83d\ude00", f"{clean} \U0001f600"),
    "emoji": lambda clean: (
        f"{clean} \U0001f680\U0001f468\u200d\U0001f469",
        f"{clean} \U0001f680\U0001f468\u200d\U0001f469",
    ),
    "entities": lambda clean: (f"{clean} &amp; more &eacute;", f"{clean} & more é"),
    "html": lambda clean: (f'<b onclick="x()">{clean}</b>', f'<b onclick="x()">{clean}</b>'),
    "script": lambda clean: (f"{clean} <script>alert(1)</script>", f"{clean} <script>alert(1)</script>"),
    "quotes": lambda clean: (f"“{clean}”", f'"{clean}"'),
    "ligature": lambda clean: (f"{clean}, a ﬁne view", f"{clean}, a fine view"),
    "fullwidth": lambda clean: (f"{clean} Ａ１", f"{clean} A1"),
    "byte_order_mark": lambda clean: (f"\ufeff{clean}", clean),
    "right_to_left": lambda clean: (
        f"{clean} \u05e9\u05dc\u05d5\u05dd \u200f!",
        f"{clean} \u05e9\u05dc\u05d5\u05dd \u200f!",
    ),
    "mojibake": _mojibake,
    "decomposed": _decomposed,
}
"""Damages by name."""


def spelled(name: str, clean: Alt) -> Alt:
    """Returns a caption damaged in the named way; its language is no longer certain."""
    raw, text = SPELLINGS[name](clean.text)
    return Alt(raw=raw, text=text, group=clean.group)
