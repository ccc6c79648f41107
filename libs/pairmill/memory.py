"""How processes use the heap: what is freed goes back to the system, so that memory follows the work.

Left to themselves both allocators keep what was freed for the next time: mimalloc, Arrow's own default,
for each of its threads, and glibc in up to eight arenas a core, whose blocks it stops to map one by one
after the first large one was freed. A process then holds the sum of all peaks that its threads ever had,
and grows with the number of units although none of them does.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, MutableMapping
from typing import Final

_MAPPED_FROM_BYTES: Final = 2**20
_KEPT_BYTES: Final = 8 * 2**20  # less would have each decoded picture paid for with page faults
_ARENAS: Final = 2

ENVIRONMENT: Final[Mapping[str, str]] = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # read when pyarrow is first imported
    "MALLOC_ARENA_MAX": str(_ARENAS),  # these are read by glibc when a process starts
    "MALLOC_MMAP_THRESHOLD_": str(_MAPPED_FROM_BYTES),  # larger blocks are mapped, and unmapped when freed
    "MALLOC_TRIM_THRESHOLD_": str(_KEPT_BYTES),  # most free memory that stays at the end of the heap
}
"""What a process's environment is to say for that; whoever sets one of these has the last word."""

_OPTIONS: Final = (  # numbers of glibc's mallopt
    (-8, "MALLOC_ARENA_MAX"),
    (-3, "MALLOC_MMAP_THRESHOLD_"),
    (-1, "MALLOC_TRIM_THRESHOLD_"),
)


def give_back_freed_memory(env: MutableMapping[str, str] = os.environ) -> None:
    """Sets this process, and all that inherit its environment, to give freed memory back.

    To be called before pyarrow is imported. Does nothing for a C library other than glibc but set the
    environment.
    """
    for name, value in ENVIRONMENT.items():
        env.setdefault(name, value)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, name in _OPTIONS:
            if env[name].isdigit():
                mallopt(option, int(env[name]))
