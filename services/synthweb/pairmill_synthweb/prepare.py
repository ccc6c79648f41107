"""From a folder, a size and a model to a synthetic web that is ready to be crawled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from google.protobuf.json_format import MessageToDict, ParseDict

from pairmill import __version__
from pairmill.errors import ConfigurationError
from pairmill_models.bundle import Bundle
from pairmill_models.heads import OnnxHeads
from pairmill_models.onnx_embedder import OnnxEmbedder
from pairmill_models.tiny.scenes import ScenePainter
from pairmill_protos.job.v1.job_pb2 import JobSpec, ScoreRules
from pairmill_synthweb.files import PictureFiles
from pairmill_synthweb.plan import DEFAULT_CANDIDATES, DEFAULT_SEED, DEFAULT_WATS, build_world
from pairmill_synthweb.rules import Rules, demo_overrides, demo_spec
from pairmill_synthweb.serving.server import LOOPBACK
from pairmill_synthweb.truth.appraise import Appraiser
from pairmill_synthweb.truth.counts import counts_of
from pairmill_synthweb.truth.model import BundleModel
from pairmill_synthweb.truth.perceptual import PerceptualHash, cosine_hash
from pairmill_synthweb.truth.settle import settle
from pairmill_synthweb.truth.sight import Storage
from pairmill_synthweb.truth.table import truth_of, write_truth
from pairmill_synthweb.truth.thresholds import threshold_settings
from pairmill_synthweb.wat import write_wats
from pairmill_synthweb.web import SyntheticWeb
from pairmill_synthweb.world import Redraws, World

WORLD_FILE: Final = "world.json"
TRUTH_FILE: Final = "truth.parquet"
WAT_FOLDER: Final = "wat"
PICTURE_FOLDER: Final = "pictures"
FAILURES_FILE: Final = "failures"
JOB_FILE: Final = "job.json"
"""What a job over the world has to be told: names of its WATs, settings."""

_FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedWorld:
    """A synthetic web on disk, its WATs written and its truth known."""

    folder: Path
    world: World
    wats: tuple[Path, ...]  # in the order of the job's list
    truth: Path
    settings: Mapping[str, str]  # of the job that is to crawl it, on top of the profile `default`

    def web(self, port: int = 0, address: str = LOOPBACK) -> SyntheticWeb:
        """Returns the web to be entered as a context; what has healed stays so over restarts.

        Asked by a name that is none of its hosts, such as an address, it gives out its WATs, its truth, and
        what a job over it has to be told.
        """
        return SyntheticWeb(
            self.world,
            _files(self.world.seed, self.world.redraws, self.folder),
            port=port,
            state=self.folder / FAILURES_FILE,
            address=address,
            documents=self._documents(),
        )

    def _documents(self) -> dict[str, Path]:
        job = self.folder / JOB_FILE
        names = [wat.name for wat in self.wats]
        job.write_text(json.dumps({"wats": names, "settings": dict(self.settings)}, indent=1))
        given = {f"/{JOB_FILE}": job, f"/{TRUTH_FILE}": self.truth}
        return given | {f"/{WAT_FOLDER}/{wat.name}": wat for wat in self.wats}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldOrder:
    """All that a world depends on."""

    seed: int
    candidates: int
    wats: int
    spec: JobSpec
    bundle: str  # digest

    def rules(self) -> Rules:
        """Returns the rules that the world is built around."""
        return Rules.from_spec(self.spec)

    def build(self, redraws: Redraws) -> World:
        """Returns the world with some drawings made anew."""
        return build_world(
            seed=self.seed,
            candidates=self.candidates,
            rules=self.rules(),
            painter=ScenePainter(),
            wats=self.wats,
            redraws=redraws,
        )

    def facts(self) -> dict[str, Any]:
        """Returns the order as plain values."""
        return {
            "format": _FORMAT,
            "code_version": __version__,
            "seed": self.seed,
            "candidates": self.candidates,
            "wats": self.wats,
            "bundle": self.bundle,
            "spec": MessageToDict(self.spec, preserving_proto_field_name=True),
        }


def prepare_world(
    folder: Path,
    bundle: Bundle,
    *,
    candidates: int = DEFAULT_CANDIDATES,
    seed: int = DEFAULT_SEED,
    wats: int = DEFAULT_WATS,
    phash: PerceptualHash = cosine_hash,
) -> PreparedWorld:
    """Makes a synthetic web in a folder, or opens the one that the same call made there before.

    Thresholds are those that the bundle recommends, and stand in the settings. Raises ConfigurationError
    for a size that is too small, and for a bundle that cannot tell drawn scenes apart.
    """
    spec = demo_spec()
    spec.score.CopyFrom(_recommended(bundle))
    order = WorldOrder(seed=seed, candidates=candidates, wats=wats, spec=spec, bundle=bundle.digest)
    if not _is_made(folder, order):
        _make(folder, order, bundle, phash)
    return open_world(folder)


def open_world(folder: Path) -> PreparedWorld:
    """Returns the synthetic web that stands in a folder.

    Raises ConfigurationError where there is none, or one that another version of this code has planned.
    """
    try:
        stored = json.loads((folder / WORLD_FILE).read_text())
        order, digest = stored["order"], stored["digest"]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(f"world: {folder}: there is no synthetic web here ({error})") from error
    spec = ParseDict(order["spec"], JobSpec())
    redraws = Redraws(**{name: _by_number(groups) for name, groups in stored["redraws"].items()})
    world = WorldOrder(
        seed=order["seed"],
        candidates=order["candidates"],
        wats=order["wats"],
        spec=spec,
        bundle=order["bundle"],
    ).build(redraws)
    if _digest(world) != digest:
        raise ConfigurationError(f"world: {folder} was made by another version; name another folder")
    return PreparedWorld(
        folder=folder,
        world=world,
        wats=tuple(folder / WAT_FOLDER / wat.name for wat in world.wats),
        truth=folder / TRUTH_FILE,
        settings={**demo_overrides(), **threshold_settings(spec.score)},
    )


def _make(folder: Path, order: WorldOrder, bundle: Bundle, phash: PerceptualHash) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in (WORLD_FILE, FAILURES_FILE):
        (folder / name).unlink(missing_ok=True)
    storage = Storage(
        image_size=order.rules().image_size,
        jpeg_quality=order.rules().jpeg_quality,
        model_size=bundle.image_size,
        resize=bundle.card.image.resize,
    )
    model = BundleModel(OnnxEmbedder(bundle), OnnxHeads(bundle))
    appraiser = Appraiser(model, storage, lambda redraws: _files(order.seed, redraws, folder), phash)
    settled = settle(order.build, appraiser.evidence)
    write_wats(settled.world, folder / WAT_FOLDER)
    write_truth(truth_of(settled.ends, counts_of(settled.world)), folder / TRUTH_FILE)
    # Written last: without this file there is no world in the folder.
    stored = {
        "order": order.facts(),
        "redraws": asdict(settled.world.redraws),
        "digest": _digest(settled.world),
    }
    unfinished = folder / f".{WORLD_FILE}.part"
    unfinished.write_text(json.dumps(stored, indent=1))
    unfinished.replace(folder / WORLD_FILE)


def _files(seed: int, redraws: Redraws, folder: Path) -> PictureFiles:
    return PictureFiles(seed, redraws, ScenePainter(), folder / PICTURE_FOLDER)


def _is_made(folder: Path, order: WorldOrder) -> bool:
    """Whether a folder holds the whole world of this order."""
    try:
        stored = json.loads((folder / WORLD_FILE).read_text())["order"]
        return bool(stored == order.facts()) and open_world(folder).truth.exists()
    except (OSError, ValueError, KeyError, ConfigurationError):
        return False


def _digest(world: World) -> str:
    """Tells whether the same order still gives the same world."""
    return hashlib.sha256(repr(world).encode("utf-8", "backslashreplace")).hexdigest()


def _by_number(groups: Mapping[str, int]) -> dict[int, int]:
    return {int(group): variant for group, variant in groups.items()}


def _recommended(bundle: Bundle) -> ScoreRules:
    limits = bundle.thresholds
    rules = ScoreRules(min_similarity=dict(limits.min_similarity))
    for name in ("max_unsafe_score", "max_watermark_score", "max_toxicity", "min_aesthetic_score"):
        value = getattr(limits, name)
        if value is not None:
            setattr(rules, name, value)
    return rules
