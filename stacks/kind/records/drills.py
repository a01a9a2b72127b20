"""What is written down of a drill on a cluster before anything of it is made, so that whoever clears up finds all of it.

A drill's folder is `kind/drills/LABEL`: a lock that its host holds, who the host is, the records of its processes, and
`drill.json`, which says where on which cluster the drill is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ...real.machine.claim import living, session_folders
from ...real.machine.files import put

DRILLS, RECORD = "drills", "drill.json"


class DrillRecord(BaseModel):
    """Where a drill is.

    Attributes:
        label: of the drill: its folder's name, and the label of its objects.
        scenario: id of what is played.
        cluster: name of the cluster of ours; empty on somebody else's.
        kubeconfig: file with which it is reached.
        context: in that file; empty for its current one.
        namespace: of the drill's objects.
        far: folder of the proxy's socket where that is not in the drill's folder; empty otherwise.
        since: when it began, with a time zone.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    label: str
    scenario: str
    cluster: str
    kubeconfig: Path
    context: str = ""
    namespace: str
    far: Path | None = None
    since: datetime


def folder_of(base: Path, label: str) -> Path:
    """The folder of a drill; `base` is that of the clusters."""
    return base / DRILLS / label


def write(folder: Path, record: DrillRecord) -> None:
    """Put down a record; on the disk when this returns.

    Raises:
        UsageError: it cannot be written.
    """
    put(folder / RECORD, record.model_dump_json(indent=1))


def read(folder: Path) -> DrillRecord | None:
    """The record in a drill's folder; None if there is none, or it is damaged: then nothing had been made yet."""
    with contextlib.suppress(OSError, ValidationError):
        return DrillRecord.model_validate_json((folder / RECORD).read_bytes())
    return None


def folders(base: Path) -> list[Path]:
    """Those of all drills of a state folder, by label."""
    return session_folders(base / DRILLS)


def host_of(folder: Path) -> int | None:
    """The number of the process that plays a drill; None if that is dead."""
    host = living(folder)
    return host.pid if host is not None else None


def heirs(base: Path, cluster: str, leaving: Collection[str]) -> list[str]:
    """The drills on a cluster whose hosts live, but for those that are `leaving`: while there are any it stays."""
    found = []
    for folder in folders(base):
        record = read(folder)
        if record is not None and record.cluster == cluster and folder.name not in leaving and host_of(folder) is not None:
            found.append(folder.name)
    return found
