"""What sessions of the local stack are on this machine, and how they go away: each is a folder, and all that belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from ...sandbox.model.housekeeping import Check, Leftover, Standing
from ..real.machine.claim import session_folders
from ..real.machine.remains import Remains

Tell = Callable[[str], None]


class LocalHousekeeping:
    """Clears up below one folder, in which each session has its own. Implements `sandbox.model.housekeeping.Housekeeping`."""

    def __init__(self, base: Path, checks: Callable[[Path], Sequence[Check]]) -> None:
        """`checks` are made of the machine and `base`."""
        self._base, self._checks = base, checks

    def leftovers(self) -> list[Leftover]:
        """The sessions of which there is something."""
        return [Remains(path).look() for path in self._folders()]

    def standing(self) -> list[Standing]:
        """See the protocol."""
        found = (Remains(path).stands() for path in self._folders())
        return [one for one in found if one.parts]

    def down(self, sessions: Collection[str], tell: Tell, *, force: bool = False) -> list[Leftover]:
        """See the protocol."""
        left = []
        for path in self._folders():
            if path.name in sessions:
                remains = Remains(path)
                remains.clear(tell, force=force)
                found = remains.look()
                if found.things:
                    left.append(found)
        return left

    def checks(self) -> Sequence[Check]:
        """See the protocol."""
        return self._checks(self._base)

    def _folders(self) -> list[Path]:
        return session_folders(self._base.resolve())
