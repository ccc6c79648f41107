"""The two servers that answer the same queries: `pairmill explore` and `clip-retrieval back`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from deploy.local.commands import python_module
from deploy.local.component import Component, Program
from deploy.local.http_ready import answers
from deploy.local.ports import free_port
from pairmill.store.directory import DirectoryStore
from pairmill_index.layout import graph_key, rows_key
from pairmill_index.manifest import Modality
from pairmill_index.mapped import map_table
from pairmill_index.opened import open_index
from tests.bench.peers import peer_command
from tests.bench.vectors import SearchWorld

DATASET: Final = "dataset"  # the name of the folder, which is what `explore` calls it
METADATA_ROWS: Final = 100_000  # of one file of the peer's
READY_SECONDS: Final = 600.0


class Server(Component):
    """A server of the protocol on a port of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name, folder)
        self.port = free_port()

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    def is_ready(self) -> bool:
        """Returns whether it answers."""
        return answers(f"http://{self.address}/indices-list")


class Explorer(Server):
    """Pairmill's explorer over a dataset with an index."""

    def __init__(self, world: SearchWorld) -> None:
        super().__init__("explorer", world.folder)
        self._dataset = world.dataset

    def program(self) -> Program:
        """Returns `pairmill explore`."""
        command = python_module(
            "pairmill_standalone", "explore", self._dataset, "--port", self.port, "--no-browser"
        )
        return Program(command=command)


class ClipBack(Server):
    """clip-retrieval's back end over the same index."""

    def __init__(self, laid: PeerIndex, *, arrow: bool) -> None:
        super().__init__("clip-back-arrow" if arrow else "clip-back", laid.folder)
        self._indices = laid.folder / ("arrow.json" if arrow else "parquet.json")
        self._arrow = arrow

    def program(self) -> Program:
        """Returns `clip-retrieval back`; one core for a search, as Pairmill's has."""
        options = {
            "indices_paths": self._indices,
            "port": self.port,
            "enable_faiss_memory_mapping": True,
            "use_arrow": self._arrow,
            "enable_mclip_option": False,
            "provide_aesthetic_embeddings": False,
        }
        named = [f"--{name}={value}" for name, value in options.items()]
        return Program(command=peer_command("peers_back", *named), env={"OMP_NUM_THREADS": "1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerIndex:
    """The segment's lists and columns, laid out for clip-retrieval: once in Parquet, once in Arrow."""

    folder: Path

    @classmethod
    def laid_out(cls, world: SearchWorld) -> PeerIndex:
        """Writes the files anew: the same lists, numbered by the same rows, looked into as often."""
        laid = cls(folder=world.folder / "clip-back")
        with open_index(DirectoryStore(world.dataset), world.folder / "open") as index:
            segment = index.manifest.segments[0]
        for form in ("parquet", "arrow"):
            (laid.folder / form / "metadata").mkdir(parents=True, exist_ok=True)
            (laid.folder / f"{form}.json").write_text(json.dumps({DATASET: str(laid.folder / form)}))
            source = world.dataset / graph_key(segment.segment_id, Modality.IMAGE)
            _copy_lists(source, laid.folder / form / "image.index", segment.index(Modality.IMAGE).probes)
        table = map_table(world.dataset / rows_key(segment.segment_id), segment.rows)
        laid._write(table.select(["url", "text"]).rename_columns(["url", "caption"]))
        return laid

    def _write(self, table: pa.Table) -> None:
        for number, start in enumerate(range(0, len(table), METADATA_ROWS)):
            part = table.slice(start, METADATA_ROWS).combine_chunks()
            name = f"metadata/metadata_{number:04d}"
            pq.write_table(part, self.folder / "parquet" / f"{name}.parquet")
            with pa.ipc.new_file(str(self.folder / "arrow" / f"{name}.arrow"), part.schema) as writer:
                writer.write_table(part)


def _copy_lists(source: Path, target: Path, probes: int) -> None:
    faiss: Any = import_module("faiss")
    index = faiss.read_index(str(source))
    faiss.extract_index_ivf(index).nprobe = probes
    faiss.write_index(index, str(target))
