"""Settings of an inference process; what is embedded, and with which bundle, comes with the job."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pairmill_inference.pipeline import Pace
from pairmill_models.triton_settings import TritonConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceConfig:
    """How an inference process works."""

    bundle: Path  # folder of the model bundle; jobs pinned to another one are not taken
    bundle_digest: str = ""  # digest that the bundle has to have; empty takes any
    model_threads: int = 1  # cores that the model uses, in process
    triton_target: str = ""  # host:port of a Triton that holds the bundle; empty runs the model in process
    triton: TritonConfig = field(default_factory=TritonConfig)  # how Triton is asked
    block_rows: int = 128  # pairs decoded, embedded and written together
    block_bytes: int = 64 * 2**20  # most bytes of a block's stored images
    decode_threads: int = 1  # threads, or child processes for foreign bytes, that decode meanwhile
    blocks_ahead: int = 2  # decoded blocks that may wait for the model
    decode_seconds: float = 20.0  # time for one image in a child process
    isolated_seconds: float = 120.0  # time for one pair in a child process of its own

    def pace(self) -> Pace:
        """Returns how much is at work at once."""
        return Pace(
            block_rows=self.block_rows,
            block_bytes=self.block_bytes,
            decode_threads=self.decode_threads,
            blocks_ahead=self.blocks_ahead,
        )
