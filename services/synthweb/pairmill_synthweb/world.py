"""The parts of a synthetic web: hosts, resources, candidates, and the WATs that link to them.

All of it is plain data, made by `plan.build_world` from a seed. Pictures are recipes; pixels exist
only while an answer is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pairmill_synthweb.rules import Rules

ALWAYS: Final = -1
"""Value of `Resource.failures`: every request fails."""


class RobotsPolicy(StrEnum):
    """What a host says in robots.txt."""

    ALLOW = "allow"  # 200 with an empty Disallow
    PREFIXES = "prefixes"  # 200; /private/ closed to all, /no-pairmill/ to the agent `pairmill`
    ONLY_US = "only_us"  # 200; closed to all but the agent `pairmill`
    NOT_US = "not_us"  # 200; open to all but the agent `pairmill`
    CLOSED = "closed"  # 200; closed to all
    MISSING = "missing"  # 404: allowed
    FORBIDDEN = "forbidden"  # 403: allowed
    MOVED = "moved"  # 301 to another path of the host, which has the rules of PREFIXES
    BULKY = "bulky"  # 200; byte order mark, comments, unknown lines, then the rules of PREFIXES
    BROKEN = "broken"  # 500: unreachable
    SILENT = "silent"  # no answer: unreachable


class Answer(StrEnum):
    """How a resource answers once its failures are used up."""

    IMAGE = "image"
    GZIPPED = "gzipped"  # the image under Content-Encoding: gzip
    SLOW = "slow"  # the image, first byte late and in pieces, within the deadline
    BODY = "body"  # fixed bytes by name
    STATUS = "status"  # an answer without a body
    REDIRECT = "redirect"
    SHORT = "short"  # fewer bytes than Content-Length says, then the end
    OVERSIZED = "oversized"  # declares and sends more than the largest body
    ENDLESS = "endless"  # chunks without an end
    INFLATING = "inflating"  # a small gzip body that inflates over every limit
    SILENT = "silent"  # takes the request, never answers
    DRIP = "drip"  # a byte now and then
    RESET = "reset"  # connection reset before the answer
    GARBAGE = "garbage"  # not HTTP
    LONG_HEADERS = "long_headers"  # headers over every limit


class Codec(StrEnum):
    """File formats that pictures are written in."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    GIF = "gif"
    AVIF = "avif"
    BMP = "bmp"
    TIFF = "tiff"


class Treatment(StrEnum):
    """How a near-duplicate differs from the drawing it comes from."""

    NONE = "none"
    RECOMPRESSED = "recompressed"
    RESIZED = "resized"
    BRIGHTENED = "brightened"


class Damage(StrEnum):
    """What is wrong with a picture's bytes."""

    NONE = "none"
    CUT = "cut"  # ends at 60 %
    SCRAMBLED = "scrambled"  # PNG whose pixel data is noise under a right checksum
    GIANT = "giant"  # PNG whose header declares 50,000 by 50,000 pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The recipe of an image file."""

    group: int  # drawings of one group share the scene and its variant
    width: int  # pixels, upright
    height: int
    codec: Codec = Codec.JPEG
    quality: int = 90  # 1..100, for JPEG, WebP and AVIF
    grey: bool = False  # one channel
    orientation: int = 1  # EXIF orientation 1..8; pixels are stored so that it comes out upright
    unsafe: bool = False  # with the warning sign
    watermark: bool = False  # with overlay text
    roving: bool = False  # a new variant shows another scene, for it does not fit its text anyway
    treatment: Treatment = Treatment.NONE
    damage: Damage = Damage.NONE
    reserved: bool = False  # its metadata forbid data mining


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host of the synthetic web."""

    name: str  # as serialised in URLs
    robots: RobotsPolicy
    tdm_path: str = ""  # path prefix reserved in /.well-known/tdmrep.json; empty without that file


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A URL of the synthetic web and how it answers."""

    number: int
    host: str
    target: str  # path and query as requested
    kind: str  # class of links that it was made for
    answer: Answer = Answer.IMAGE
    failures: int = 0  # requests that fail before the first good answer, or ALWAYS
    failure: Answer = Answer.STATUS  # how these fail
    failure_status: int = 503  # of Answer.STATUS
    failure_headers: tuple[tuple[str, str], ...] = ()
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""  # name of a fixed body
    content_type: str = ""  # as declared; empty for the true one
    picture: Picture | None = None
    closed: bool = False  # robots.txt forbids it: a request for it is a violation

    @property
    def url(self) -> str:
        """The WHATWG serialisation."""
        return f"http://{self.host}{self.target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A (URL, text) pair that is to be planned for download."""

    url: str
    text: str  # repaired, as it is expected in TEXT
    raw_text: str  # as it stands in the WAT
    raw_url: str = ""  # a spelling that WATs use; empty for any
    language: str  # that the text was written in; empty where it has none
    kind: str
    caption_group: int = 0  # drawing whose scene the text names; 0 for none
    resource: int | None = None  # number; None where nothing of the synthetic web answers
    outcome: str = ""  # as far as the structure decides: failed, or empty if scores decide
    reason: str = ""
    stage: str = ""
    tries: int = 1  # requests until it ends
    early: bool = False  # needs all retry rounds, so it stands in the first wave


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An entry of a page's links."""

    url: str | None  # as it stands in the WAT
    text: str | None = None
    path: str = "IMG@/src"
    drop: str = ""  # why it never becomes a candidate
    drop_stage: str = ""  # crawl or plan
    candidate: int = -1  # index in World.candidates; -1 for a link that never becomes one
    broken: str = ""  # what of the entry's shape is broken, empty if well formed


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A fetched page: in the WAT a request, a response and a metadata record."""

    url: str
    links: tuple[Link, ...]
    base: str = ""  # href of <base>
    metas: tuple[tuple[str, str], ...] = ()
    line_feeds: bool = False  # headers of its records end in LF alone


class Defect(StrEnum):
    """A WAT record that gives no links, by what is wrong with it."""

    BAD_JSON = "bad_json"
    CUT_JSON = "cut_json"
    NOT_AN_OBJECT = "not_an_object"
    ENVELOPE_IS_A_NUMBER = "envelope_is_a_number"
    LINKS_ARE_NO_LIST = "links_are_no_list"
    TOO_DEEP = "too_deep"
    TOO_LARGE = "too_large"
    BOMB = "bomb"
    NO_HEADER = "no_header"
    OTHER_TYPE = "other_type"
    NO_HTML = "no_html"
    CORRUPT_MEMBER = "corrupt_member"
    CUT_MEMBER = "cut_member"


DEFECT_DROPS: Final[Mapping[Defect, str]] = {
    Defect.BAD_JSON: "bad_json",
    Defect.CUT_JSON: "bad_json",
    Defect.NOT_AN_OBJECT: "bad_schema",
    Defect.ENVELOPE_IS_A_NUMBER: "bad_schema",
    Defect.LINKS_ARE_NO_LIST: "bad_schema",
    Defect.TOO_DEEP: "too_deep",
    Defect.TOO_LARGE: "record_too_large",
    Defect.BOMB: "bomb",
    Defect.NO_HEADER: "bad_record",
    Defect.OTHER_TYPE: "no_html_metadata",
    Defect.NO_HTML: "no_html_metadata",
    Defect.CORRUPT_MEMBER: "corrupt_gzip",
    Defect.CUT_MEMBER: "truncated",
}
"""The reason under which a crawl counts each defect, once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wat:
    """A WAT file: its records in order."""

    name: str
    records: tuple[Page | Defect, ...]

    def pages(self) -> list[Page]:
        """Returns the pages in order."""
        return [record for record in self.records if isinstance(record, Page)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Redraws:
    """Drawings that were made anew, because how they end was not clear enough."""

    looks: Mapping[int, int] = field(default_factory=dict)  # group -> variant of its picture, from 1
    scenes: Mapping[int, int] = field(default_factory=dict)  # group -> variant of picture and texts, from 1


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A synthetic web with its WATs. Equal arguments of `build_world` give equal worlds."""

    seed: int
    rules: Rules
    hosts: Mapping[str, Host]
    resources: tuple[Resource, ...]  # by number
    candidates: tuple[Candidate, ...]
    wats: tuple[Wat, ...]
    redraws: Redraws = field(default_factory=Redraws)
