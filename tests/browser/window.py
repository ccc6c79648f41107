"""Windows of several sizes, in light and dark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True)
class Window:
    """A window's size, and what its system prefers."""

    name: str
    width: int
    height: int
    scheme: Literal["light", "dark"] = "light"
    touch: bool = False


DESKTOP: Final = Window("desktop-light", 1366, 860)
DESKTOP_DARK: Final = Window("desktop-dark", 1366, 860, "dark")
PHONE: Final = Window("phone-light", 390, 844, touch=True)
PHONE_DARK: Final = Window("phone-dark", 390, 844, "dark", touch=True)
ALL: Final = (DESKTOP, DESKTOP_DARK, PHONE, PHONE_DARK)
