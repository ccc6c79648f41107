"""The parts of score units over a real bundle, as the service and `pairmill score` put them together."""

from __future__ import annotations

from pairmill_models.bundle import Bundle
from pairmill_models.check import BundleCheck
from pairmill_models.heads import OnnxHeads
from pairmill_scorer.config import ScorerConfig
from pairmill_scorer.handler import ScoreParts
from pairmill_scorer.ports import NullObserver, ScoreObserver


def score_parts(config: ScorerConfig, bundle: Bundle, observer: ScoreObserver | None = None) -> ScoreParts:
    """Returns the parts for a loaded bundle; raises ConfigurationError if its heads cannot be run."""
    heads = OnnxHeads(bundle)
    check = BundleCheck(bundle)
    return ScoreParts(
        heads=heads,
        bundle_digest=bundle.digest,
        model_version=bundle.model_version,
        dimensions=bundle.dimensions,
        check_heads=lambda: check.check_heads(heads),
        block_rows=config.block_rows,
        observer=observer or NullObserver(),
    )
