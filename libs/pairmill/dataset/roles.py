"""Roles: what a file of the dataset is. docs/formats.md has the columns of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SAMPLES: Final = "samples"
SHARD: Final = "shard"
SHARD_INDEX: Final = "shard_index"
SHARD_STATS: Final = "shard_stats"
KEPT_SHARD: Final = "kept_shard"
IMAGE_EMBEDDINGS: Final = "image_embeddings"
TEXT_EMBEDDINGS: Final = "text_embeddings"
EMBEDDING_METADATA: Final = "embedding_metadata"
TRAIN_SHARD: Final = "train_shard"
TRAIN_INDEX: Final = "train_index"
DROP_SAMPLES: Final = "drop_samples"
DEAD_LETTERS: Final = "dead_letters"
SEEN: Final = "seen"
LEDGER: Final = "ledger"
SPEC: Final = "spec"
LIST: Final = "list"
REPORT: Final = "report"
MANIFEST_PART: Final = "manifest_part"
PLAN: Final = "plan"

ROLES: Final[Mapping[str, str]] = {
    SAMPLES: "every downloaded sample with scores and verdict",
    SHARD: "the images and texts of one download unit, WebDataset",
    SHARD_INDEX: "one row per candidate that ended in the download unit, failures too",
    SHARD_STATS: "totals of the download unit",
    KEPT_SHARD: "the images and texts of a shard's samples that meet the thresholds, WebDataset",
    IMAGE_EMBEDDINGS: "image embeddings of one shard",
    TEXT_EMBEDDINGS: "text embeddings of one shard",
    EMBEDDING_METADATA: "which sample each row of the embeddings belongs to",
    TRAIN_SHARD: "kept samples in global random order, WebDataset",
    TRAIN_INDEX: "the samples of one train shard, in its order",
    DROP_SAMPLES: "a few records and links per reason that never became candidates",
    DEAD_LETTERS: "candidates of units that failed three times",
    SEEN: "URLs that became candidates, for later sources",
    LEDGER: "every counted unit of work",
    SPEC: "the job's pinned spec",
    LIST: "a list that the ledger or the spec refers to",
    PLAN: "the rows of download units, where they were kept",
    REPORT: "the report for people",
    MANIFEST_PART: "a part of the manifest's list of files",
}
"""Roles that a manifest may list. What else units write are steps, which the janitor removes (U4)."""

FINAL_OUTPUTS: Final = frozenset(
    {
        SAMPLES,
        SHARD,
        SHARD_INDEX,
        SHARD_STATS,
        KEPT_SHARD,
        IMAGE_EMBEDDINGS,
        TEXT_EMBEDDINGS,
        EMBEDDING_METADATA,
        TRAIN_SHARD,
        TRAIN_INDEX,
        DROP_SAMPLES,
    }
)
"""Roles of units' outputs that belong to the finished dataset."""

GIVEN_UP: Final = frozenset({SHARD})
"""Roles whose files a policy of the job may give up (U11)."""

OF_ONE_VERSION: Final = frozenset({SAMPLES, TRAIN_SHARD, TRAIN_INDEX})
"""Roles that a repair or refilter writes anew, so that a base's files of these roles are not taken over."""
