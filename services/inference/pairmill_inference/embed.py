"""`pairmill embed`: any WebDataset shards to embeddings in clip-retrieval's layout.

`img_emb/img_emb_<n>.npy`, `text_emb/text_emb_<n>.npy` and `metadata/metadata_<n>.parquet`, n being the
shard's place in the list; rows without embeddings in `failures/failures_<n>.parquet`. A shard's files
appear once they are whole, the metadata last. The same call again goes on with the shards that are
missing.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from pairmill.errors import ConfigurationError
from pairmill.reasons import reason_name
from pairmill_inference.files import EmbeddingFiles, ModelName, write_failures
from pairmill_inference.handler import EmbedParts
from pairmill_inference.pairs import DecodedBlock, RowFailure, StoredPair
from pairmill_inference.pipeline import Pace, embed_ahead, write_blocks
from pairmill_inference.webdataset import Sample, samples_of

PIN_FILE: Final = "embed.json"
"""What the folder was made from: bundle and shards. Another request is refused."""


@dataclass(slots=True, kw_only=True)
class EmbedSummary:
    """What has become of the shards so far."""

    shards: int  # in all
    shards_done: int = 0
    rows: int = 0  # samples seen
    embedded: int = 0
    failed: Counter[str] = field(default_factory=Counter)  # by reason
    broken: dict[str, str] = field(default_factory=dict)  # shards whose tar ends early, with the error


def embed_shards(
    shards: Sequence[Path],
    parts: EmbedParts,
    out: Path,
    progress: Callable[[EmbedSummary], None] = lambda summary: None,
) -> EmbedSummary:
    """Embeds all samples of the shards and returns what became of them.

    Images are foreign bytes and decoded in child processes. Raises ConfigurationError for a shard that
    is not there, or for a folder made from something else. What can still be read of a broken shard is
    embedded, and the shard named in the summary.
    """
    _pin(shards, parts.bundle_digest, out)
    summary = EmbedSummary(shards=len(shards))
    digits = len(str(max(0, len(shards) - 1)))
    for number, shard in enumerate(shards):
        name = f"{number:0{digits}d}"
        if not (out / "metadata" / f"metadata_{name}.parquet").exists():
            _embed_shard(shard, name, parts, out, summary, progress)
        summary.shards_done += 1
        progress(summary)
    return summary


def _embed_shard(
    shard: Path,
    name: str,
    parts: EmbedParts,
    out: Path,
    summary: EmbedSummary,
    progress: Callable[[EmbedSummary], None],
) -> None:
    """Embeds one shard in a private folder and moves its files into place."""
    before = replace(summary)
    scratch = out / f".shard-{name}"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()

    def after_block(done: int) -> None:
        summary.rows = before.rows + done
        progress(summary)

    with ExitStack() as stack:
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        model = ModelName(name=parts.model.name, version=parts.model.version)
        files = EmbeddingFiles(scratch, parts.model.dimensions, model)
        with files:
            samples = _noting_damage(shard, summary)
            blocks = embed_ahead(
                _in_blocks(samples, parts.pace),
                lambda block: _decoded(block, parts),
                parts.model,
                parts.pace,
                parts.check_model,
            )
            failures = write_blocks(stack.enter_context(closing(blocks)), files, after_block)
        summary.embedded += files.rows
        summary.failed += Counter(reason_name(failure.reason) for failure in failures)
        _move_into_place(files, failures, name, out)


def _decoded(block: Sequence[Sample], parts: EmbedParts) -> DecodedBlock:
    stored = [sample for sample in block if isinstance(sample, StoredPair)]
    failures = [sample for sample in block if isinstance(sample, RowFailure)]
    decoded = parts.foreign_decoder.decode(stored)
    return replace(decoded, failures=(*failures, *decoded.failures))


def _in_blocks(samples: Iterator[Sample], pace: Pace) -> Iterator[list[Sample]]:
    block: list[Sample] = []
    size = 0
    for sample in samples:
        bytes_of_sample = len(sample.data) if isinstance(sample, StoredPair) else 0
        if block and (len(block) == pace.block_rows or size + bytes_of_sample > pace.block_bytes):
            yield block
            block, size = [], 0
        block.append(sample)
        size += bytes_of_sample
    if block:
        yield block


def _noting_damage(shard: Path, summary: EmbedSummary) -> Generator[Sample]:
    """Yields a shard's samples up to where it is broken, and notes that in the summary."""
    try:
        yield from samples_of(shard)
    except (tarfile.TarError, EOFError, OSError) as error:
        summary.broken[str(shard)] = f"{type(error).__name__}: {error}"


def _move_into_place(files: EmbeddingFiles, failures: list[RowFailure], name: str, out: Path) -> None:
    moves: list[tuple[Path, Path]] = []
    if failures:
        path = files.metadata_path.with_name("failures.parquet")
        write_failures(path, failures)
        moves.append((path, out / "failures" / f"failures_{name}.parquet"))
    if files.rows:
        moves += [
            (files.image_path, out / "img_emb" / f"img_emb_{name}.npy"),
            (files.text_path, out / "text_emb" / f"text_emb_{name}.npy"),
            (files.metadata_path, out / "metadata" / f"metadata_{name}.parquet"),
        ]
    for source, target in moves:
        target.parent.mkdir(exist_ok=True)
        source.replace(target)


def _pin(shards: Sequence[Path], bundle_digest: str, out: Path) -> None:
    """Notes what the folder is made from; raises ConfigurationError if it was made from something else."""
    missing = [f"shards: {shard}: there is no such file" for shard in shards if not shard.is_file()]
    if missing:
        raise ConfigurationError("\n".join(missing))
    request = {"bundle": bundle_digest, "shards": [str(shard) for shard in shards]}
    out.mkdir(parents=True, exist_ok=True)
    pin = out / PIN_FILE
    if pin.exists():
        if json.loads(pin.read_text()) != request:
            raise ConfigurationError(
                f"out: {out} was made from other shards or another bundle; choose another folder"
            )
    elif any(out.iterdir()):
        raise ConfigurationError(f"out: {out} is not empty; choose another folder")
    else:
        pin.write_text(json.dumps(request, indent=1))
