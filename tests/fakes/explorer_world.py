"""A small dataset for the web interface: drawn samples with scores, and hostile ones among them."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from PIL import Image, ImageDraw

from pairmill_protos.explorer.v1.search_pb2 import Sample

COLOURS: Final = {
    "red": (200, 50, 45),
    "green": (60, 150, 80),
    "blue": (50, 90, 190),
    "yellow": (230, 190, 60),
    "purple": (130, 70, 160),
    "grey": (120, 125, 128),
}
SHAPES: Final = ("circle", "square", "triangle", "star")
LANGUAGES: Final = ("en", "en", "en", "en", "de", "fr", "es", "")
HOSTS: Final = tuple(f"img{number:02}.example" for number in range(24))
LICENCES: Final = ("", "", "", "CC BY 4.0", "CC0")
REASONS: Final = ("low_similarity", "duplicate_cluster", "watermark")
MAX_UNSAFE: Final = 0.5
SCRIPT: Final = '<script>document.title="owned"</script><img src=x onerror="document.title=\'owned\'">'
JAVASCRIPT: Final = "javascript:document.title='owned'"
START: Final = datetime(2024, 3, 1, tzinfo=UTC)


@dataclass
class World:
    """The samples in order of their ids, and what is special about some of them."""

    samples: list[Sample]
    hostile_id: str = ""
    lost_id: str = ""  # says that it has an image, but the image is gone
    bare_id: str = ""  # whose image was not kept
    unscored_id: str = ""
    drawings: dict[str, tuple[str, str]] = field(default_factory=dict)

    def find(self, sample_id: str) -> Sample | None:
        """Returns a sample by its id."""
        return next((sample for sample in self.samples if sample.sample_id == sample_id), None)

    def image(self, sample_id: str) -> bytes | None:
        """Returns a sample's image as PNG, or None if there is none."""
        sample = self.find(sample_id)
        if sample is None or not sample.has_image or sample_id == self.lost_id:
            return None
        return draw(*self.drawings[sample_id], sample.width, sample.height)


def make_world(count: int = 320) -> World:
    """Draws a world; the same count gives the same."""
    chance = random.Random(11)
    world = World([])
    for number in range(count):
        sample, drawing = _sample(number, chance)
        world.samples.append(sample)
        world.drawings[sample.sample_id] = drawing
    _spoil(world)
    world.samples.sort(key=lambda sample: sample.sample_id)
    return world


@cache
def draw(colour: str, shape: str, width: int, height: int) -> bytes:
    """Returns a shape on a light ground as PNG."""
    image = Image.new("RGB", (width, height), (238, 234, 226))
    pen = ImageDraw.Draw(image)
    side = min(width, height) * 0.34
    middle = (width / 2, height / 2)
    box = (middle[0] - side, middle[1] - side, middle[0] + side, middle[1] + side)
    if shape == "circle":
        pen.ellipse(box, fill=COLOURS[colour])
    elif shape == "square":
        pen.rectangle(box, fill=COLOURS[colour])
    else:
        pen.regular_polygon((*middle, side * 1.2), 3 if shape == "triangle" else 5, fill=COLOURS[colour])
    stream = BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def is_unsafe(sample: Sample) -> bool:
    """Whether a sample is unsafe, or nobody knows."""
    return not sample.HasField("unsafe_score") or sample.unsafe_score > MAX_UNSAFE


def _sample(number: int, chance: random.Random) -> tuple[Sample, tuple[str, str]]:
    colour, shape = chance.choice(tuple(COLOURS)), chance.choice(SHAPES)
    language = chance.choice(LANGUAGES)
    host = HOSTS[min(int(chance.expovariate(0.25)), len(HOSTS) - 1)]
    kept = chance.random() < 0.72
    fetched = Timestamp()
    fetched.FromDatetime(START + timedelta(hours=number))
    sample = Sample(
        sample_id=hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest(),
        url=f"https://{host}/pictures/{number:05}.png",
        text=f"a {colour} {shape} number {number} on a pale wall",
        language=language,
        bucket="en" if language == "en" else "multi" if language else "nolang",
        verdict="kept" if kept else "filtered",
        reason="" if kept else chance.choice(REASONS),
        similarity=min(0.95, max(0.02, chance.gauss(0.34 if kept else 0.24, 0.06))),
        unsafe_score=chance.betavariate(0.4, 6),
        watermark_score=chance.betavariate(0.6, 4),
        aesthetic_score=chance.gauss(5.2, 0.9),
        toxicity=chance.betavariate(0.3, 8),
        width=chance.choice((320, 480, 640, 800, 1024)),
        height=chance.choice((240, 320, 480, 640)),
        host=host,
        crawl="CC-MAIN-2024-10",
        licence=chance.choice(LICENCES),
        phash=f"{chance.getrandbits(64):016x}",
        fetched_at=fetched,
        has_image=True,
    )
    sample.unsafe = is_unsafe(sample)
    return sample, (colour, shape)


def _spoil(world: World) -> None:
    """Makes some samples what a page has to cope with."""
    hostile, lost, bare, unscored = world.samples[:4]
    hostile.text, hostile.url, hostile.language = f"zebra {SCRIPT}", JAVASCRIPT, "en"
    lost.text = "a lost picture"
    bare.text, bare.has_image = "a bare picture", False
    unscored.text = "an unscored picture"
    for sample in (hostile, lost, bare):
        sample.unsafe_score, sample.unsafe = 0.01, False
    unscored.ClearField("unsafe_score")
    unscored.unsafe = True
    world.hostile_id, world.lost_id = hostile.sample_id, lost.sample_id
    world.bare_id, world.unscored_id = bare.sample_id, unscored.sample_id
