"""What a plan has to know of every link: ids, provenance and domain, and nothing that is long."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pairmill.idarrays import Positions, Words, ascending


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """The links of one range, row-aligned, in the order of their files; about 60 bytes each."""

    url: Words  # (n, 2)
    sample: Words  # (n, 2)
    wat_index: npt.NDArray[np.int32]
    wat_offset: npt.NDArray[np.int64]
    link_index: npt.NDArray[np.int32]
    domain: npt.NDArray[np.int32]  # position in `domains`
    domains: tuple[str, ...]  # registrable domains, in the order in which they were met

    def __len__(self) -> int:
        return len(self.url)

    def order(self) -> Positions:
        """Returns the links in order of URL, sample, provenance."""
        return ascending(self.url, self.sample, self.wat_index, self.wat_offset, self.link_index)
