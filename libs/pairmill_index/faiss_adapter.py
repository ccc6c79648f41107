"""faiss: the one place that knows it. What goes in and comes out are numpy arrays and files.

faiss's number of threads is a property of the calling thread, so every call here sets it. Its errors are all
RuntimeError: where it reads a file, that means the file is damaged.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pairmill.errors import CorruptObjectError
from pairmill_index.arrays import Flags, Floats, Found, Halves, Rows

faiss: Any = import_module(
    "faiss"
)  # its stubs describe the C++ classes, not what its Python layer makes of them

ITERATIONS: Final = 10  # of k-means
_MAX_POINTS_PER_LIST: Final = 1 << 20  # samples are bounded by whoever draws them


class Bitmap:
    """Which rows take part in searches, as faiss reads it."""

    def __init__(self, mask: Flags) -> None:
        self.bits: npt.NDArray[np.uint8] = np.packbits(mask, bitorder="little")
        self.selector: Any = faiss.IDSelectorBitmap(self.bits)


class ExactScan:
    """Inner products with stored vectors, which stay where they lie. Thread-safe.

    About 40 ns for a row of 512 dimensions, and 2 ns for one that does not take part.
    """

    def __init__(self, vectors: Halves) -> None:
        """`vectors` is `(rows, dimensions) float16`, mapped or not, contiguous."""
        self._bytes = vectors.reshape(-1).view(np.uint8)
        self._index = faiss.IndexScalarQuantizer(
            vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        self._index.codes = _view(self._bytes)
        self._index.ntotal = len(vectors)
        self._index.is_trained = True

    def search(self, queries: Floats, k: int, admitted: Bitmap | None = None, *, threads: int = 1) -> Found:
        """Returns the k best rows of each query, best first; where there are fewer, -1 with score -inf."""
        _use(threads)
        chosen = None if admitted is None else faiss.SearchParameters(sel=admitted.selector)
        scores, rows = self._index.search(queries, k, params=chosen)
        scores[rows < 0] = -np.inf
        return scores, rows


class Lists:
    """Vectors compressed in inverted lists, in memory while they are filled, mapped when opened."""

    def __init__(self, index: Any) -> None:
        self._index = index
        self._ivf = faiss.extract_index_ivf(index)
        self._is_mapped = False

    @classmethod
    def trained(cls, sample: Floats, kind: str, *, seed: int = 1, threads: int = 1) -> Lists:
        """Returns empty lists of a kind (faiss' factory string), trained on a sample of vectors."""
        _use(threads)
        index = faiss.index_factory(sample.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
        clustering = faiss.extract_index_ivf(index).cp
        clustering.niter = ITERATIONS
        clustering.seed = seed
        clustering.max_points_per_centroid = _MAX_POINTS_PER_LIST
        clustering.min_points_per_centroid = 1  # the rule sees to it; faiss would print
        index.train(sample)
        return cls(index)

    @classmethod
    def opened(cls, path: Path) -> Lists:
        """Returns the lists of a file, mapped; raises CorruptObjectError if it holds none."""
        lists = cls(_read(path, faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY))
        stored = faiss.downcast_InvertedLists(lists._ivf.invlists)
        if isinstance(stored, faiss.OnDiskInvertedLists):
            stored.prefetch_nthread = 0  # threads that are made for each search cost more than they save
        lists._is_mapped = True
        return lists

    @classmethod
    def emptied(cls, path: Path) -> Lists:
        """Returns empty lists that share the training of a file's."""
        index = _read(path, faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)  # what is in the lists stays unread
        ivf = faiss.extract_index_ivf(index)
        empty = faiss.ArrayInvertedLists(ivf.nlist, ivf.code_size)
        ivf.replace_invlists(empty, True)
        empty.this.disown()
        ivf.ntotal = index.ntotal = 0
        return cls(index)

    @property
    def count(self) -> int:
        """Number of lists."""
        return int(self._ivf.nlist)

    @property
    def rows(self) -> int:
        """Number of vectors in them."""
        return int(self._index.ntotal)

    @property
    def dimensions(self) -> int:
        """Dimensions of the vectors that are searched for."""
        return int(self._index.d)

    def fill(self, blocks: Iterable[Floats], *, threads: int = 1) -> npt.NDArray[np.int32]:
        """Appends vectors, whose rows go on counting, and returns the list of each."""
        chosen = []
        for block in blocks:
            _use(threads)
            _, nearest = self._ivf.quantizer.search(block, 1)
            nearest = np.ascontiguousarray(nearest[:, 0])
            numbers = np.arange(self.rows, self.rows + len(block), dtype=np.int64)
            self._ivf.add_core(
                len(block), faiss.swig_ptr(block), faiss.swig_ptr(numbers), faiss.swig_ptr(nearest), None
            )
            self._index.ntotal = self._ivf.ntotal
            chosen.append(nearest.astype(np.int32))
        return np.concatenate(chosen) if chosen else np.empty(0, dtype=np.int32)

    def write(self, path: Path) -> None:
        """Writes them to a file."""
        faiss.write_index(self._index, str(path))

    def nearest_lists(self, queries: Floats, count: int, *, threads: int = 1) -> tuple[Floats, Rows]:
        """Returns the nearest lists of each query, nearest first, with their scores."""
        _use(threads)
        scores, lists = self._ivf.quantizer.search(queries, min(count, self.count))
        return scores, lists

    def search_in(
        self,
        queries: Floats,
        k: int,
        scores: Floats,
        lists: Rows,
        admitted: Bitmap | None = None,
        *,
        threads: int = 1,
    ) -> Rows:
        """Returns k candidates of each query from the lists given for it, -1 standing for none.

        Of `queries`, `(q, dimensions) float32`, contiguous.
        """
        _use(threads)
        count, probes = lists.shape
        chosen = faiss.SearchParametersIVF(nprobe=probes)
        if admitted is not None:
            chosen.sel = admitted.selector
        similarities = np.empty((count, k), dtype=np.float32)
        rows: Rows = np.empty((count, k), dtype=np.int64)
        inputs = (queries, np.ascontiguousarray(lists), np.ascontiguousarray(scores))
        pointers = [faiss.swig_ptr(array) for array in (*inputs, similarities, rows)]
        self._ivf.search_preassigned_c(count, pointers[0], k, *pointers[1:], False, chosen)
        return rows


class RefinedLists:
    """Lists whose candidates are compared again with the stored vectors, in one call. Thread-safe."""

    def __init__(self, lists: Lists, scan: ExactScan) -> None:
        """Both are of the same rows in the same order."""
        self._parts = lists, scan  # the index refers to theirs
        self._index = faiss.IndexRefine(lists._index, scan._index)

    def search(self, queries: Floats, k: int, *, candidates: int, probes: int, threads: int = 1) -> Found:
        """Returns the k best rows of each query, best first; where there are fewer, -1 with score -inf.

        Of `queries`, `(q, dimensions) float32`, contiguous. `candidates`, at least k, are what the nearest
        `probes` lists of each query give by compressed vectors.
        """
        _use(threads)
        scores = np.empty((len(queries), k), dtype=np.float32)
        rows: Rows = np.empty((len(queries), k), dtype=np.int64)
        pointers = [faiss.swig_ptr(array) for array in (queries, scores, rows)]
        chosen = _refining((candidates + 0.5) / k, probes)  # it is multiplied by k again, and cut off
        self._index.search_c(len(queries), pointers[0], k, *pointers[1:], chosen)
        scores[rows < 0] = -np.inf
        return scores, rows


@lru_cache(maxsize=256)
def _refining(factor: float, probes: int) -> Any:
    """Returns the parameters of a search that compares `factor` times as many as are wanted again."""
    lists = faiss.SearchParametersIVF(nprobe=probes)
    return faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=lists)


def _use(threads: int) -> None:
    faiss.omp_set_num_threads(threads)


def _read(path: Path, flags: int) -> Any:
    try:
        index = faiss.read_index(str(path), flags)
        faiss.extract_index_ivf(index)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise CorruptObjectError(f"{path.name} holds no inverted lists: {reason}") from error
    return index


def _view(data: npt.NDArray[np.uint8]) -> Any:
    """Returns bytes as codes that faiss reads where they lie; they must outlive the index."""
    view = faiss.MaybeOwnedVectorUInt8()
    view.is_owned = False
    view.view_data = view.c_ptr = faiss.swig_ptr(data)
    view.view_size = view.c_size = data.size
    return view
