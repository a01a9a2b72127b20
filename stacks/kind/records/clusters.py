"""What is written down of a cluster before it is made, so that whoever clears up finds all of it, whenever a host died."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ...real.machine.claim import LOCK, wait_for
from ...real.machine.files import put
from ...real.machine.records import Identity

RECORD, KUBECONFIG = "cluster.json", "kubeconfig"
_PATIENCE = 10.0


class Record(BaseModel):
    """One cluster.

    Attributes:
        name: of the cluster.
        token: nobody else has it; the network carries it as a label.
        workers: number of worker nodes.
        image: of the nodes; empty for kind's own.
        port: of the API on loopback; 0 for whichever kind took.
        ready: whether all its nodes had joined once; whoever uses it waits until they are ready.
        nodes: ids of its containers, as far as known.
        volumes: names of their volumes, as far as known.
        creator: the process of kind that makes it; None before and afterwards.
        host: the process of drillbox that made it.
        since: when, with a time zone.
        session: the drill that it was made for, and goes with; empty if it stays until somebody removes it.
        engine: id of the container engine that it is on; empty if that does not tell.
        address: of that engine, for people.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    token: str
    workers: int
    image: str = ""
    port: int = 0
    ready: bool = False
    nodes: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    creator: Identity | None = None
    host: Identity | None = None
    since: datetime | None = None
    session: str = ""
    engine: str = ""
    address: str = ""

    @classmethod
    def new(
        cls, name: str, workers: int, image: str, port: int, session: str = "", engine: str = "", address: str = ""
    ) -> Record:
        """Of a cluster that is about to be made."""
        return cls(
            name=name,
            token=secrets.token_hex(8),
            workers=workers,
            image=image,
            port=port,
            host=identity(os.getpid()),
            since=datetime.now(UTC),
            session=session,
            engine=engine,
            address=address,
        )


class ClusterFolder:
    """The folder of one cluster: its record, its kubeconfig, and a lock for whoever makes or removes it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        """Of the cluster."""
        return self.path.name

    @property
    def kubeconfig(self) -> Path:
        """The file with which kubectl reaches the cluster; the user's own is never written."""
        return self.path / KUBECONFIG

    def read(self) -> Record | None:
        """The record; None if there is none. One that is damaged says as much as none."""
        with contextlib.suppress(OSError, ValidationError):
            return Record.model_validate_json((self.path / RECORD).read_bytes())
        return None

    def write(self, record: Record) -> None:
        """Put down the record.

        Raises:
            UsageError: it cannot be written.
        """
        put(self.path / RECORD, record.model_dump_json(indent=1))

    def exists(self) -> bool:
        """Whether there is anything of it."""
        return self.path.is_dir()

    def discard(self) -> None:
        """Remove a folder in which nothing was ever put down; whoever calls has the lock."""
        if self.exists() and not (self.path / RECORD).exists():
            self.remove()

    @contextlib.contextmanager
    def lock(self, patience: float = _PATIENCE) -> Iterator[None]:
        """Have the cluster for oneself, within some wall seconds.

        Raises:
            StackError: another process has it, and keeps it.
            UsageError: the folder cannot be written.
        """
        busy = f"cluster {self.name}: another process makes or removes it at this moment; wait for it, or end it"
        taken = wait_for(self.path, patience, busy)
        try:
            yield
        finally:
            os.close(taken)

    def empty(self) -> None:
        """Remove all but the lock."""
        for path in self.path.iterdir():
            if path.name != LOCK:
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder, the lock last."""
        self.empty()
        (self.path / LOCK).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # whoever waited for the lock has made it anew: the folder is theirs
            self.path.rmdir()


def folders(base: Path) -> list[ClusterFolder]:
    """Those of all clusters of a state folder, by name."""
    with contextlib.suppress(OSError):
        return [ClusterFolder(path) for path in sorted(base.iterdir()) if path.is_dir() and (path / LOCK).exists()]
    return []


def identity(pid: int) -> Identity | None:
    """Of a process, where the system tells enough of it."""
    with contextlib.suppress(OSError):
        return Identity.of(pid)
    return None
