"""The world while it is planned: hands out hosts, numbers and pictures, collects candidates."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from pairmill.ids import sample_id
from pairmill_synthweb.painter import Painter, mixed
from pairmill_synthweb.rules import Rules
from pairmill_synthweb.texts import Alt
from pairmill_synthweb.world import Candidate, Codec, Host, Picture, Redraws, Resource, RobotsPolicy

OPEN_FOLDER: Final = "img"
CLOSED_FOLDER: Final = "private"
CLOSED_TO_US_FOLDER: Final = "no-pairmill"
TDM_FOLDER: Final = "art"

EXTENSIONS: Final = {codec: "jpg" if codec is Codec.JPEG else str(codec) for codec in Codec}

_REGULAR_POLICIES: Final = (
    RobotsPolicy.ALLOW,
    RobotsPolicy.PREFIXES,
    RobotsPolicy.MISSING,
    RobotsPolicy.PREFIXES,
    RobotsPolicy.MOVED,
    RobotsPolicy.ALLOW,
    RobotsPolicy.BULKY,
    RobotsPolicy.ONLY_US,
    RobotsPolicy.FORBIDDEN,
    RobotsPolicy.ALLOW,
)
_WITH_CLOSED_FOLDERS: Final = frozenset({RobotsPolicy.PREFIXES, RobotsPolicy.MOVED, RobotsPolicy.BULKY})
_BIG_HOST_SHARE: Final = 0.04


class Draft:
    """Collects hosts, resources and candidates. Every random choice comes from a named stream."""

    def __init__(
        self, seed: int, rules: Rules, painter: Painter, regular_hosts: int, redraws: Redraws
    ) -> None:
        self.seed = seed
        self.redraws = redraws
        self.rules = rules
        self.painter = painter
        self.hosts: dict[str, Host] = {}
        self.resources: list[Resource] = []
        self.candidates: list[Candidate] = []
        self.surplus: list[Candidate] = []  # texts over the limit of their URL
        self._ids: set[bytes] = set()
        self._groups = 0
        self.regular = [
            self.new_host(_REGULAR_POLICIES[index % len(_REGULAR_POLICIES)]) for index in range(regular_hosts)
        ]
        self.with_closed_folders = [host for host in self.regular if host.robots in _WITH_CLOSED_FOLDERS]

    def stream(self, name: str) -> Random:
        """Returns the random numbers of one purpose, so that purposes do not disturb each other."""
        return Random(mixed(self.seed, name))

    def new_host(self, robots: RobotsPolicy = RobotsPolicy.ALLOW, *, tdm_path: str = "") -> Host:
        """Adds a host of its own registrable domain; every seventh has an international name."""
        number = len(self.hosts)
        if number % 7 == 5:
            name = f"bilder.bücher-{number:05d}.example".encode("idna").decode()
        else:
            name = f"{('img', 'www', 'cdn', 'static')[number % 4]}.s{number:05d}.example"
        return self.add_host(name, robots, tdm_path=tdm_path)

    def add_host(self, name: str, robots: RobotsPolicy, *, tdm_path: str = "") -> Host:
        """Adds a host by name."""
        host = Host(name=name, robots=robots, tdm_path=tdm_path)
        self.hosts[name] = host
        return host

    def any_host(self, rng: Random) -> Host:
        """Returns a regular host, where `/img/` is open; the first is much larger than the others."""
        return self.regular[0] if rng.random() < _BIG_HOST_SHARE else rng.choice(self.regular)

    def resource(
        self, kind: str, host: Host, *, folder: str = OPEN_FOLDER, extension: str = "", **fields: Any
    ) -> Resource:
        """Adds a resource; `fields` are those of `Resource`. The path's extension means nothing."""
        number = len(self.resources)
        picture: Picture | None = fields.get("picture")
        ending = extension or (EXTENSIONS[picture.codec] if picture else "jpg")
        fields.setdefault("target", self._target(number, folder, ending))
        resource = Resource(number=number, host=host.name, kind=kind, **fields)
        self.resources.append(resource)
        return resource

    def _target(self, number: int, folder: str, ending: str) -> str:
        if number % 11 == 3:
            return f"/{folder}/gr%C3%B6%C3%9Fe/{number:06d}.{ending}"
        if number % 11 == 7:
            return f"/{folder}/view.php?id={number}&size=big"
        mark = mixed(self.seed, "name", number) % 16**6
        return f"/{folder}/{number:06d}-{mark:06x}.{ending}"

    def picture(self, rng: Random, *, group: int | None = None, **fields: Any) -> Picture:
        """Returns a recipe of a new drawing, or of another file of the drawing `group`."""
        if group is None:
            group = self.new_group()
        if "width" not in fields:
            fields["width"], fields["height"] = rng.choice(range(144, 360, 8)), rng.choice(range(144, 300, 8))
        return Picture(group=group, **fields)

    def new_group(self) -> int:
        """Returns the number of a new drawing."""
        self._groups += 1
        return self._groups

    def caption(self, group: int, rng: Random, *, wording: int = 0, language: str = "") -> Alt:
        """Returns a caption of a group's scene."""
        chosen = language or rng.choice(self.painter.languages)
        text = self.painter.caption(self.scene(group), chosen, wording)
        return Alt(raw=text, text=text, language=chosen, group=group)

    def scene(self, group: int) -> int:
        """Returns the number of the scene that a group shows."""
        return scene_number(self.seed, group, self.redraws)

    def candidate(self, resource: Resource, alt: Alt, **fields: Any) -> bool:
        """Adds the (URL, text) pair; returns False where it is there already."""
        return self.add(
            Candidate(
                url=resource.url,
                text=alt.text,
                raw_text=alt.raw,
                language=alt.language,
                kind=resource.kind,
                caption_group=alt.group,
                resource=resource.number,
                **fields,
            )
        )

    def add(self, candidate: Candidate) -> bool:
        """Adds a candidate; returns False where the pair is there already."""
        identifier = sample_id(candidate.url, candidate.text)
        if identifier in self._ids:
            return False
        self._ids.add(identifier)
        self.candidates.append(candidate)
        return True


def scene_number(seed: int, group: int, redraws: Redraws, *, roving: bool = False) -> int:
    """Returns the scene of a drawing, which its texts name too; one that roves changes with its look."""
    look = redraws.looks.get(group, 0) if roving else 0
    return mixed(seed, "scene", group, redraws.scenes.get(group, 0), look)


def look_number(seed: int, group: int, redraws: Redraws) -> int:
    """Returns what decides all that a caption does not name."""
    return mixed(seed, "look", group, redraws.looks.get(group, 0))
