"""Repair of alternative texts by one written rule, the same in every profile (U1).

What was decoded wrongly or escaped is undone, ligatures, wide characters and curled quotes become plain,
controls and characters that are none go, blanks are collapsed and trimmed, the rest is in NFC. Where one
step makes work for another, all are repeated until nothing changes.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import ftfy
from ftfy.badness import is_bad

MAX_PASSES: Final = 8

_CONFIG: Final = ftfy.TextFixerConfig(
    unescape_html="auto",  # not in texts with a `<`
    remove_terminal_escapes=True,
    fix_encoding=True,
    restore_byte_a0=True,
    replace_lossy_sequences=True,
    decode_inconsistent_utf8=True,
    fix_c1_controls=True,
    fix_latin_ligatures=True,
    fix_character_width=True,
    uncurl_quotes=True,
    fix_line_breaks=True,
    fix_surrogates=True,
    remove_control_chars=True,
    normalization="NFC",
    max_decode_length=1_000_000,
    explain=False,
)
"""Every field, so that another release's defaults change nothing."""

_NONCHARACTERS: Final = "\ufdd0-\ufdef" + "".join(
    f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000)
)
_UNWANTED: Final = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f"  # controls that are no blanks
    "\u202a-\u202e\u2066-\u206f"  # reorder whatever text is shown beside
    f"\ufeff\ufff9-\ufffc\ud800-\udfff{_NONCHARACTERS}]"
)
_UNUSUAL: Final = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f&\x7f-\x9f"  # controls, entities
    "\u0132\u0133\u0149\u01c4-\u01cc\u01f1-\u01f3\ufb00-\ufb06"  # ligatures
    "\u02bc\u2018-\u201f\u2028\u2029\u3000\uff01-\uffee"  # quotes, line ends, widths
    f"\u202a-\u202e\u2066-\u206f\ufeff\ufff9-\ufffc\ud800-\udfff{_NONCHARACTERS}]"
)
"""What some step of the repair may act on, encoding and normal form apart."""


def repair(raw: str) -> str:
    """Returns the repaired text; empty where nothing but blanks is left."""
    return " ".join(raw.split()) if is_plain(raw) else repair_fully(raw)


def repair_fully(text: str) -> str:
    """Returns what `repair` does, by its long way."""
    for _ in range(MAX_PASSES):
        before = text
        fixed = ftfy.fix_and_explain(text, _CONFIG).text
        text = " ".join(unicodedata.normalize("NFC", _UNWANTED.sub("", fixed)).split())
        if text == before:
            break
    return text


def is_plain(text: str) -> bool:
    """Whether the repair would change nothing but blanks."""
    if text.isascii():
        return ("&" not in text) and (text.isprintable() or not _UNUSUAL.search(text))
    if _UNUSUAL.search(text):
        return False
    if not unicodedata.is_normalized("NFC", text) or is_bad(text):
        return False
    return not is_bad(" ".join(text.split()))  # a blank may be half of what was decoded wrongly
