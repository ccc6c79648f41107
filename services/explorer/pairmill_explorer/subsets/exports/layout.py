"""Names of an export's files in a store.

What is worth having lies in the export's folder. What is needed to go on with it lies apart; once the export
is complete, what it was to be and how it ended is left of that. Every object of an export is written once
(U4).
"""

from __future__ import annotations

import re
from typing import Final

JOBS: Final = "exports/jobs/"
RATES: Final = "exports/rates.json"  # how fast the last ones were; replaced
JOB: Final = "job.json"
END: Final = "end.json"
IDS: Final = "ids.npy"
_ID: Final = re.compile(r"[0-9a-f]{24}")


def is_export_id(text: str) -> bool:
    """Whether a text has the form of an export's id."""
    return _ID.fullmatch(text) is not None


def folder(export_id: str) -> str:
    """Returns the folder of an export's files."""
    return f"exports/{export_id}/"


def manifest_key(export_id: str) -> str:
    """Returns the key of an export's manifest, written last."""
    return folder(export_id) + "subset.json"


def ids_key(export_id: str) -> str:
    """Returns the key of the sorted ids of an export's samples, which every export has."""
    return folder(export_id) + IDS


def part_name(number: int, suffix: str) -> str:
    """Returns the path of a file of a part in an export, such as `data/00000.tar`.

    They have a folder of their own, so that whoever reads all of a folder finds nothing else in it.
    """
    return f"data/{number:05d}{suffix}"


def job_folder(export_id: str) -> str:
    """Returns the folder of what is needed to go on."""
    return f"{JOBS}{export_id}/"


def job_key(export_id: str) -> str:
    """Returns the key of what an export is to be."""
    return job_folder(export_id) + JOB


def end_key(export_id: str) -> str:
    """Returns the key of how an export ended."""
    return job_folder(export_id) + END


def parts_folder(export_id: str) -> str:
    """Returns the folder of the parts that stand."""
    return job_folder(export_id) + "parts/"


def part_record_key(export_id: str, number: int) -> str:
    """Returns the key that says a part stands."""
    return f"{parts_folder(export_id)}{number:05d}.json"
