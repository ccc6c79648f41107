"""Links whose bytes arrive and are no usable picture."""

from __future__ import annotations

from typing import Any, Final

from pairmill_synthweb.draft import Draft
from pairmill_synthweb.kinds.kind import FieldsOf, Kind, Recipe, failed
from pairmill_synthweb.world import Answer, Codec, Damage

_CUTTABLE: Final = (Codec.JPEG, Codec.PNG)


def _body(reason: str, *names: str, content_type: str = "") -> Recipe:
    """Fixed bytes by name, under a picture's type where none is given."""
    return failed(
        reason,
        lambda _draft, number: {
            "answer": Answer.BODY,
            "body": names[number % len(names)],
            "content_type": content_type or "image/jpeg",
        },
    )


def _damaged(damage: Damage, *codecs: Codec) -> FieldsOf:
    def fields(draft: Draft, number: int) -> dict[str, Any]:
        rng = draft.stream(f"{damage}-{number}")
        codec = codecs[number % len(codecs)]
        return {"picture": draft.picture(rng, width=320, height=240, codec=codec, damage=damage)}

    return fields


def _small(draft: Draft, number: int) -> dict[str, Any]:
    """One side under the minimum, the other now and then over it."""
    least = draft.rules.min_side
    short = max(8, least - 1 - number % 24)
    width, height = ((short, short), (least + 8, short), (short, least + 8))[number % 3]
    rng = draft.stream(f"small-{number}")
    return {"picture": draft.picture(rng, width=width, height=height, codec=Codec.BMP)}


def _long(draft: Draft, number: int) -> dict[str, Any]:
    """Just over the largest ratio of the sides."""
    short = draft.rules.min_side + 8 * (number % 3)
    long = int(short * draft.rules.max_aspect_ratio) + 16
    width, height = (long, short) if number % 2 else (short, long)
    return {"picture": draft.picture(draft.stream(f"long-{number}"), width=width, height=height)}


KINDS: Final = (
    Kind(name="html", recipe=_body("not_an_image", "html"), per_mille=8, least=2),
    Kind(name="no_image", recipe=_body("not_an_image", "zip", "text", "noise"), per_mille=4, least=3),
    Kind(name="empty", recipe=_body("body_too_small", "empty", "one_byte"), per_mille=3, least=2),
    Kind(
        name="pixel",
        recipe=_body("body_too_small", "pixel", content_type="image/gif"),
        per_mille=6,
        least=2,
    ),
    Kind(
        name="svg",
        recipe=_body("unsupported_format", "svg", content_type="image/svg+xml"),
        per_mille=6,
        least=2,
    ),
    Kind(name="psd", recipe=_body("unsupported_format", "psd"), per_mille=2),
    Kind(name="small", recipe=failed("image_too_small", _small), per_mille=20, least=3),
    Kind(name="long", recipe=failed("aspect_ratio", _long), per_mille=8, least=2),
    Kind(
        name="cut", recipe=failed("truncated_image", _damaged(Damage.CUT, *_CUTTABLE)), per_mille=6, least=2
    ),
    Kind(
        name="scrambled",
        recipe=failed("decode_error", _damaged(Damage.SCRAMBLED, Codec.PNG)),
        per_mille=3,
        least=1,
    ),
    Kind(name="giant", recipe=failed("bomb", _damaged(Damage.GIANT, Codec.PNG)), per_mille=3, least=1),
)
