"""Links whose pictures arrive: what becomes of them is for the scores and the choices to say."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any, Final

from pairmill.ids import sample_id
from pairmill_synthweb.draft import Draft
from pairmill_synthweb.kinds.kind import Kind, Recipe, captioned
from pairmill_synthweb.texts import SPELLINGS, spelled
from pairmill_synthweb.world import Answer, Candidate, Codec, Picture, Resource, Treatment

_SPREAD: Final = 3  # texts over the limit that an over-captioned URL has
_WORDINGS: Final = 12
_LARGE_SIDES: Final = ((640, 480), (480, 640), (800, 450), (512, 512), (900, 600))
_MOST_PNG_PIXELS: Final = 640 * 480
_TREATMENTS: Final = (Treatment.RECOMPRESSED, Treatment.RESIZED, Treatment.BRIGHTENED)


def drawn(answer: dict[str, Any] | None = None, **picture: Any) -> Recipe:
    """Returns a recipe for one drawing per candidate with a fitting caption."""

    def recipe(draft: Draft, kind: str, count: int) -> None:
        rng = draft.stream(kind)
        for _ in range(count):
            resource = draft.resource(
                kind, draft.any_host(rng), picture=draft.picture(rng, **picture), **(answer or {})
            )
            captioned(draft, rng, resource)

    return recipe


def _large(draft: Draft, kind: str, count: int) -> None:
    """Sides over the stored size, so that they are shrunk."""
    rng = draft.stream(kind)
    for _ in range(count):
        width, height = rng.choice(_LARGE_SIDES)
        # A large PNG with much texture would be larger than the largest body.
        codecs = (Codec.JPEG, Codec.PNG) if width * height <= _MOST_PNG_PIXELS else (Codec.JPEG, Codec.WEBP)
        picture = draft.picture(rng, width=width, height=height, codec=rng.choice(codecs))
        captioned(draft, rng, draft.resource(kind, draft.any_host(rng), picture=picture))


def _rotated(draft: Draft, kind: str, count: int) -> None:
    rng = draft.stream(kind)
    for number in range(count):
        picture = draft.picture(rng, orientation=1 + number % 8)
        captioned(draft, rng, draft.resource(kind, draft.any_host(rng), picture=picture))


def _wrong_name(draft: Draft, kind: str, count: int) -> None:
    """Extension and declared type say another format than the bytes."""
    rng = draft.stream(kind)
    for _ in range(count):
        picture = draft.picture(rng, codec=rng.choice((Codec.PNG, Codec.WEBP, Codec.GIF)))
        resource = draft.resource(
            kind, draft.any_host(rng), extension="jpg", content_type="image/jpeg", picture=picture
        )
        captioned(draft, rng, resource)


def _mismatched(draft: Draft, kind: str, count: int) -> None:
    """The text names another scene than the picture shows."""
    rng = draft.stream(kind)
    for _ in range(count):
        picture = draft.picture(rng, roving=True)
        alt = draft.caption(draft.new_group(), rng, wording=rng.randrange(4))
        draft.candidate(draft.resource(kind, draft.any_host(rng), picture=picture), alt)


def _toxic(draft: Draft, kind: str, count: int) -> None:
    rng = draft.stream(kind)
    for _ in range(count):
        picture = draft.picture(rng)
        clean = draft.caption(picture.group, rng)
        text = draft.painter.toxic(clean.text, draft.scene(picture.group))
        alt = replace(clean, raw=text, text=text)
        draft.candidate(draft.resource(kind, draft.any_host(rng), picture=picture), alt)


def _hostile_texts(draft: Draft, kind: str, count: int) -> None:
    rng = draft.stream(kind)
    names = sorted(SPELLINGS)
    for number in range(count):
        picture = draft.picture(rng)
        clean = draft.caption(picture.group, rng, language="en")
        alt = spelled(names[number % len(names)], clean)
        draft.candidate(draft.resource(kind, draft.any_host(rng), picture=picture), alt)


def _several_texts(draft: Draft, kind: str, count: int) -> None:
    """One URL under several texts: one candidate each, fetched once."""
    rng = draft.stream(kind)
    left = count
    while left > 1:
        wanted = min(left, rng.randint(2, 4))
        resource = draft.resource(kind, draft.any_host(rng), picture=draft.picture(rng))
        left -= (
            sum(
                draft.candidate(resource, draft.caption(_group(resource.picture), rng, wording=wording))
                for wording in range(wanted)
            )
            or wanted
        )


def _many_texts(draft: Draft, kind: str, count: int) -> None:
    """One URL under more texts than the limit; the smallest ids become candidates (U8)."""
    rng, limit = draft.stream(kind), draft.rules.captions_per_url
    for _ in range(count // limit):
        resource = draft.resource(kind, draft.any_host(rng), picture=draft.picture(rng))
        texts = _distinct_texts(draft, rng, _group(resource.picture), limit + _SPREAD)
        ranked = sorted(texts, key=lambda text: sample_id(resource.url, text))
        made = [_texted(resource, text) for text in ranked]
        for candidate in made[:limit]:
            draft.add(candidate)
        draft.surplus.extend(made[limit:])


def _distinct_texts(draft: Draft, rng: Random, group: int, wanted: int) -> list[str]:
    texts: dict[str, None] = {}
    for number in range(wanted):
        alt = draft.caption(group, rng, wording=number % _WORDINGS)
        texts[alt.text if alt.text not in texts else f"{alt.text}, {number + 1}"] = None
    return list(texts)


def _texted(resource: Resource, text: str) -> Candidate:
    return Candidate(
        url=resource.url,
        text=text,
        raw_text=text,
        language="",
        kind=resource.kind,
        resource=resource.number,
        caption_group=_group(resource.picture),
    )


def _same_bytes(draft: Draft, kind: str, count: int) -> None:
    """The same file under two to five URLs of different hosts."""
    rng = draft.stream(kind)
    left = count
    while left > 1:
        copies = min(left, rng.randint(2, 5))
        picture = draft.picture(rng)
        for _ in range(copies):
            captioned(draft, rng, draft.resource(kind, draft.any_host(rng), picture=picture))
        left -= copies


def _near_duplicates(draft: Draft, kind: str, count: int) -> None:
    """The same drawing saved again, scaled, or a little brighter."""
    rng = draft.stream(kind)
    left = count
    while left > 1:
        copies = min(left, rng.randint(2, 4))
        first = draft.picture(rng)
        for number in range(copies):
            treatment = Treatment.NONE if number == 0 else _TREATMENTS[(number + left) % 3]
            picture = draft.picture(
                rng,
                group=first.group,
                width=first.width,
                height=first.height,
                treatment=treatment,
                quality=90 if treatment is Treatment.NONE else rng.choice((70, 80)),
            )
            captioned(draft, rng, draft.resource(kind, draft.any_host(rng), picture=picture))
        left -= copies


def _group(picture: Picture | None) -> int:
    assert picture is not None
    return picture.group


PLAIN: Final = Kind(name="jpeg", recipe=drawn(), per_mille=0, least=0)
"""What fills a world up."""

KINDS: Final = (
    Kind(name="png", recipe=drawn(codec=Codec.PNG), per_mille=90),
    Kind(name="webp", recipe=drawn(codec=Codec.WEBP), per_mille=50),
    Kind(name="gif", recipe=drawn(codec=Codec.GIF), per_mille=25),
    Kind(name="avif", recipe=drawn(codec=Codec.AVIF), per_mille=15, most=300),
    Kind(name="bmp", recipe=drawn(codec=Codec.BMP), per_mille=15),
    Kind(name="tiff", recipe=drawn(codec=Codec.TIFF), per_mille=15),
    Kind(name="grey", recipe=drawn(grey=True), per_mille=10),
    Kind(name="large", recipe=_large, per_mille=25),
    Kind(name="rotated", recipe=_rotated, per_mille=16, least=8),
    Kind(name="wrong_name", recipe=_wrong_name, per_mille=10),
    Kind(name="gzipped", recipe=drawn({"answer": Answer.GZIPPED}), per_mille=6),
    Kind(name="mismatched", recipe=_mismatched, per_mille=90, least=3),
    Kind(name="unsafe", recipe=drawn(unsafe=True), per_mille=30, least=3),
    Kind(name="watermark", recipe=drawn(watermark=True), per_mille=30, least=3),
    Kind(name="toxic", recipe=_toxic, per_mille=20, least=3),
    Kind(name="hostile_text", recipe=_hostile_texts, per_mille=24, least=len(SPELLINGS)),
    Kind(name="several_texts", recipe=_several_texts, per_mille=30, least=4),
    Kind(name="many_texts", recipe=_many_texts, per_mille=6, least=8),
    Kind(name="same_bytes", recipe=_same_bytes, per_mille=40, least=4),
    Kind(name="near_duplicate", recipe=_near_duplicates, per_mille=40, least=4),
)
