"""Whether a cluster is on the engine that answers: a machine may have several, and each knows only of its own containers."""

from __future__ import annotations

from ....sandbox.model.errors import StackError
from ..records.clusters import ClusterFolder, Record
from .engine import Engine


def check_engine(folder: ClusterFolder, record: Record, engine: Engine) -> None:
    """Refuse a cluster of another engine: on this one nothing of it would be seen, as if it were gone.

    Raises:
        StackError: it was made on another one; the message says where that was.
    """
    if not record.engine:
        return
    found = engine.facts().id
    if found and found != record.engine:
        raise StackError(
            f"cluster {record.name} is on another container engine, which answered at {record.address} (now {engine.address} is "
            f"asked): choose that one (DOCKER_HOST, docker context use); if it is gone for good: rm -r {folder.path}"
        )
