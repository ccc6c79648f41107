"""Candidates with known ends, from which datasets are built for tests."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field, replace
from functools import lru_cache

import mmh3
import simplejpeg

from pairmill.domains import registrable_domain
from pairmill.ids import bucket_of, sample_id, to_hex, url_id
from tests.fakes.shard import drawn_picture

LANGUAGES = ("en", "en", "de", "fr", None)
FAILURES = ("http_4xx", "not_an_image", "image_too_small", "robots_disallowed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What the heads give."""

    similarity: float | None
    unsafe: float | None
    watermark: float | None = 0.1
    toxicity: float | None = 0.05
    aesthetic: float | None = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One candidate with everything that the stages find out about it."""

    url: str
    text: str
    language: str | None
    wat: int
    offset: int
    host: str
    failure: str = ""  # why the download fails, empty if it succeeds
    retries: int = 0  # rounds that are handed on before
    scores: Scores
    content: int  # equal contents are copies
    fields: dict[str, str] = field(default_factory=dict)  # overrides of columns, for tests that tamper

    @property
    def key(self) -> str:
        """The id in hex."""
        return to_hex(sample_id(self.url, self.text))

    @property
    def url_key(self) -> str:
        """The URL's id in hex."""
        return to_hex(url_id(self.url))

    @property
    def domain(self) -> str:
        """The registrable domain."""
        return registrable_domain(self.host)

    @property
    def bucket(self) -> int:
        """The host bucket."""
        return bucket_of(self.domain)

    @property
    def hash(self) -> int:
        """LAION's hash of URL and TEXT."""
        return int(mmh3.hash64(self.url + self.text)[0])

    @property
    def content_sha256(self) -> str:
        """Digest of the fetched bytes."""
        return hashlib.sha256(b"content %d" % self.content).hexdigest()

    @property
    def md5(self) -> str:
        """MD5 of the fetched bytes."""
        return hashlib.md5(b"content %d" % self.content).hexdigest()

    @property
    def phash(self) -> str:
        """Perceptual hash: one per content."""
        return hashlib.sha256(b"look %d" % self.content).hexdigest()[:16]

    @property
    def image(self) -> bytes:
        """The stored JPEG."""
        return _jpeg(self.content)


@lru_cache(maxsize=4096)
def _jpeg(content: int) -> bytes:
    return bytes(simplejpeg.encode_jpeg(drawn_picture(content), quality=80, colorspace="RGB"))


def make_world(candidates: int = 60, wats: int = 3, seed: int = 1) -> tuple[Candidate, ...]:
    """Returns candidates of all kinds: failures, retries, copies, several texts of one URL."""
    draw = random.Random(seed)
    made: list[Candidate] = []
    for number in range(candidates):
        host = f"host{draw.randrange(12)}.example{draw.randrange(5)}.com"
        copy_of = draw.choice(made) if made and draw.random() < 0.15 else None
        same_url = copy_of is not None and draw.random() < 0.5
        made.append(
            Candidate(
                url=copy_of.url if copy_of and same_url else f"https://{host}/{number}.jpg",
                text=f"picture {number} of a <b>thing</b> at “noon”",
                language=draw.choice(LANGUAGES),
                wat=number % wats,
                offset=number * 1000,
                host=copy_of.host if copy_of and same_url else host,
                failure="" if copy_of and same_url else draw.choice(("", "", "", "", *FAILURES[:2])),
                retries=draw.choice((0, 0, 0, 0, 1)),
                scores=Scores(
                    similarity=None if draw.random() < 0.03 else draw.uniform(0.1, 0.4),
                    unsafe=draw.uniform(0, 0.9) ** 2,
                ),
                content=copy_of.content if copy_of else seed * 100_000 + number,
            )
        )
    return tuple(_consistent(made))


def _consistent(made: list[Candidate]) -> list[Candidate]:
    """Texts of one URL share its fate, as they are fetched together."""
    first: dict[str, Candidate] = {}
    consistent = []
    for candidate in made:
        known = first.setdefault(candidate.url, candidate)
        consistent.append(
            replace(candidate, failure=known.failure, retries=known.retries, content=known.content)
        )
    return consistent


def with_noise(world: tuple[Candidate, ...], amplitude: float, seed: int) -> tuple[Candidate, ...]:
    """Returns the world as another machine would score it."""
    draw = random.Random(seed)

    def moved(value: float | None) -> float | None:
        return None if value is None else value + draw.uniform(-amplitude, amplitude)

    return tuple(
        replace(
            candidate,
            scores=replace(
                candidate.scores,
                similarity=moved(candidate.scores.similarity),
                unsafe=moved(candidate.scores.unsafe),
            ),
        )
        for candidate in world
    )
