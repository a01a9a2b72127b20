"""Lines that grow at the end of files in a folder, as `tail -F` gives them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOST = 4 * 1024 * 1024
"""Bytes that are read of one file at a time; a line is shorter than that."""


@dataclass(slots=True)
class _Place:
    """How far a file has been read: to the end of a complete line."""

    inode: int
    offset: int = 0


class Tails:
    """Follows the files of a folder that match a pattern, also those that come later, are replaced or cut off.

    A line counts once it is complete. What was there when a file is first seen counts, too.
    """

    def __init__(self, folder: Path, pattern: str) -> None:
        self._folder = folder
        self._pattern = pattern
        self._places: dict[str, _Place] = {}

    def read(self) -> Iterator[bytes]:
        """Complete lines that have come since the last call, without their ends."""
        found = sorted(self._folder.glob(self._pattern))
        names = {path.name for path in found}
        for gone in [name for name in self._places if name not in names]:
            del self._places[gone]
        for path in found:
            yield from self._read(path)

    def _read(self, path: Path) -> list[bytes]:
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                place = self._places.get(path.name)
                if place is None or place.inode != status.st_ino or status.st_size < place.offset:
                    place = self._places[path.name] = _Place(status.st_ino)
                if status.st_size == place.offset:
                    return []
                file.seek(place.offset)
                block = file.read(MOST)
        except OSError:  # it is gone, or comes later
            return []
        end = block.rfind(b"\n") + 1
        if not end and len(block) == MOST:
            end = MOST  # no line of ours is as long: pass over it
        place.offset += end
        return [line for line in block[:end].split(b"\n") if line]
