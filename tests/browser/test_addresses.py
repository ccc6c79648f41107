"""The page's state as an address, and back: nothing is lost, and nothing that is odd does harm."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.browser.conftest import Visit

_THERE_AND_BACK: Final = """
async (change) => {
  const { emptyState, readState, writeState } = await import("/static/js/state.js");
  const state = { ...emptyState(), ...change };
  const address = new URL(writeState(state), location.origin);
  return [state, readState(address.search, address.hash), address.hash.length > 0];
}
"""
_READ: Final = """
async ([search, hash]) => {
  const { readState, writeState } = await import("/static/js/state.js");
  return writeState(readState(search, hash));
}
"""
FILTERS: Final[dict[str, Any]] = {
    "lists": {},
    "ranges": {},
    "text": "",
    "from": "",
    "until": "",
    "safe": "hide",
}


def part(kind: str, value: str, weight: float = 1) -> dict[str, Any]:
    return {"kind": kind, "value": value, "weight": weight}


STATES: Final[dict[str, dict[str, Any]]] = {
    "plain": {"parts": [part("text", "a red circle")]},
    "odd-letters": {"parts": [part("text", 'a&b=c#d?e%20 + "ü" 円 \u202e')]},
    "text-like-a-weight": {"parts": [part("text", "2*3"), part("text", "-0.5*x", -2)]},
    "combined": {"parts": [part("text", "a", 0.25), part("sample", "0" * 32, -1), part("image", "_9j-4A==")]},
    "lists": {"filters": FILTERS | {"lists": {"languages": ["", "en"], "hosts": ["a.b", "ü.example"]}}},
    "ranges": {
        "filters": FILTERS
        | {
            "ranges": {
                "similarity": {"min": 0.3, "max": None},
                "width": {"min": None, "max": 640},
                "aspect": {"min": -0.0, "max": 1e-7},
            }
        }
    },
    "words": {
        "filters": FILTERS | {"text": " x..y ", "from": "2024-01-01", "until": "2024-02-29", "safe": "blur"}
    },
    "rest": {
        "view": "threshold",
        "dataset": "a b",
        "modality": "text",
        "collapse": {"phash": 0, "cosine": 0.97},
        "sample": "f" * 32,
        "options": {"field": "toxicity", "cut": "0.5"},
    },
}
ADDRESSES: Final[dict[str, tuple[str, str, str]]] = {
    "unknown-view": ("?view=nowhere&q=x", "", "?q=x"),
    "unknown-field": ("?x=1&similarity=low..high&width=3", "", "?"),
    "no-date": ("?fetched=yesterday..2024-02-30x", "", "?"),
    "no-mode": ("?safe=never&modality=smell", "", "?"),
    "empty-parts": ("?q=&like=", "#image=", "?"),
    "endless": ("?similarity=-Infinity..NaN", "", "?"),
}


@pytest.mark.parametrize("state", STATES)
def test_a_state_comes_back_from_its_address(visit: Visit, state: str) -> None:
    before, after, has_hash = visit().evaluate(_THERE_AND_BACK, STATES[state])
    assert after == before
    assert has_hash == (state == "combined"), "only images stand behind the #"


@pytest.mark.parametrize("case", ADDRESSES)
def test_what_an_address_says_in_vain_is_left_out(visit: Visit, case: str) -> None:
    search, fragment, expected = ADDRESSES[case]
    assert visit().evaluate(_READ, [search, fragment]) == expected


def test_places_on_a_slider_are_numbers_and_back(visit: Visit) -> None:
    wrong = visit().evaluate(
        """async () => {
          const { createScale } = await import("/static/js/filters/scale.js");
          const edges = [-0.5, 0, 0.01, 0.1, 1, 10, 1000];
          const scale = createScale("similarity", edges);
          const places = Array.from({ length: scale.last + 1 }, (_, place) => place);
          return places.filter((place) => Math.abs(scale.placeOf(scale.valueAt(place)) - place) > 1);
        }"""
    )
    assert wrong == []
