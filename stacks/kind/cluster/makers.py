"""The processes that make a cluster: kind, and the clients of the engine that it runs.

Whoever ends them kills kind, but lets a client that creates a container come to its end. The engine would go on without it (it
copies what the image has for the node's volume, seconds in which the container is in no list yet), and the container would appear
when nobody looks for it any more. Once such a client has ended its container can be seen.

They are known by the secret of the cluster's record, in their environment: whatever becomes of kind and of the host.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from ...real.machine.records import Identity, marked
from ..records.clusters import Record
from .programs import kill_group

MARK = "DRILLBOX_CLUSTER_TOKEN"
"""Environment variable of all of them."""
_PROC = Path("/proc")
_CREATES, _EARLY = b"run", 4
"""Word of the command with which kind creates containers, and among how many words at its beginning that is."""


class Makers:
    """Those of one cluster.

    Args:
        record: of the cluster.
    """

    def __init__(self, record: Record) -> None:
        self._creator, self._token = record.creator, record.token

    def environment(self) -> dict[str, str]:
        """By which they are known."""
        return {MARK: self._token}

    def living(self) -> list[Identity]:
        """Those that there are."""
        found: list[Identity] = []
        with contextlib.suppress(OSError):  # a system that does not tell
            found = marked(f"{MARK}={self._token}")
        creator = self._creator
        return [*found, *([creator] if creator is not None and creator not in found and creator.alive() else [])]

    def end(self, *, force: bool = False) -> list[Identity]:
        """Kill them, but for those that create a container, unless by `force`.

        Returns:
            Those that there were. To be repeated until there are none.
        """
        found = self.living()
        for one in found:
            if force or not _creates(one.pid):
                one.signal(signal.SIGKILL)
        return found

    def end_kind(self, leader: int) -> None:
        """The same, for whoever started kind and has not waited for its process, `leader`."""
        if not _PROC.is_dir():
            kill_group(leader)
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(leader, signal.SIGKILL)
        self.end()


def _creates(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return _CREATES in (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")[:_EARLY]
    return False
