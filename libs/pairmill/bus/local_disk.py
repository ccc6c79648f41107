"""Refuses network file systems, on which SQLite's locks cannot be trusted (U20)."""

from __future__ import annotations

from pathlib import Path

from pairmill.errors import ConfigurationError

NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "9p", "fuse.sshfs",
     "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone", "fuse.goofys", "beegfs", "gpfs"}
)  # fmt: skip


def refuse_network_disk(folder: Path, mounts: Path = Path("/proc/mounts")) -> None:
    """Raises ConfigurationError if a folder lies on a network file system."""
    kind = file_system_of(folder, mounts)
    if kind in NETWORK_FILE_SYSTEMS:
        raise ConfigurationError(
            f"--state-dir: {folder} is on a network file system ({kind}), where the queue's locks "
            "cannot be trusted; name a folder on a local disk"
        )


def file_system_of(folder: Path, mounts: Path = Path("/proc/mounts")) -> str:
    """Returns the type of the file system that holds a folder, empty if it cannot be told."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return ""
    resolved = folder.resolve()
    best, kind = -1, ""
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(fields[1].encode().decode("unicode_escape"))
        depth = len(point.parts)
        if depth > best and (resolved == point or point in resolved.parents):
            best, kind = depth, fields[2]
    return kind
