"""Which partition a value lies in. Every key of the finalisation is a hash, so its bytes serve as such."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pairmill.idarrays import Words, partition_of, words_of_bytes
from pairmill.ids import ID_BYTES

Partitions = npt.NDArray[np.int32]

_LAST_WORD: Final = 1
_MIX_VALUE: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_BAND: Final = np.uint64(0xC2B2AE3D27D4EB4F)


def by_id_range(ids: Words, partitions: int) -> Partitions:
    """Returns the range of `sample_id` that each lies in: ranges are as wide and in ascending order."""
    return partition_of(ids, partitions)


def by_content(contents: Words, partitions: int) -> Partitions:
    """Returns the range of content hashes that each lies in."""
    return partition_of(contents, partitions)


def by_content_head(heads: npt.NDArray[np.uint32], partitions: int) -> Partitions:
    """Returns the same as `by_content`, from the first four bytes of the content hashes."""
    return partition_of((heads.astype(np.uint64) << np.uint64(32))[:, None], partitions)


def content_heads(contents: Words) -> npt.NDArray[np.uint32]:
    """Returns the first four bytes of content hashes."""
    return (contents[:, 0] >> np.uint64(32)).astype(np.uint32)


def by_choice_key(keys: Words, partitions: int) -> Partitions:
    """Returns the partition of the key of a choice.

    By the last bytes: a cluster's id is the smallest of several, so its first bytes are not even.
    """
    return partition_of(keys, partitions, word=_LAST_WORD)


def by_band(bands: npt.NDArray[np.uint64], values: npt.NDArray[np.uint64], partitions: int) -> Partitions:
    """Returns the partition of each band bucket, (band, value)."""
    mixed = (values + np.uint64(1)) * _MIX_VALUE + (bands + np.uint64(1)) * _MIX_BAND
    mixed = (mixed ^ (mixed >> np.uint64(29))) * _MIX_BAND
    return partition_of(mixed[:, None], partitions)


def domain_ids(domains: pa.Array[Any]) -> Words:
    """Returns 16 bytes of BLAKE2b for each domain, `(n, 2)`; null counts as empty."""
    encoded = domains.fill_null("").dictionary_encode()
    digests = [
        hashlib.blake2b((name or "").encode(), digest_size=ID_BYTES).digest()
        for name in encoded.dictionary.to_pylist()
    ]
    words = words_of_bytes(b"".join(digests), ID_BYTES)
    return np.asarray(words[encoded.indices.to_numpy(zero_copy_only=False)], dtype=np.uint64)
