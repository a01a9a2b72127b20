"""Archives of images as nodes take them in, kept on this machine from one cluster to the next.

To read an image out of the engine and to compress it takes longer than a node needs to receive it. One archive is kept, that of
the newest image: about a third of its size.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from ....sandbox.paths import atomic_write, cached
from .packing import pack

PIECE = 2**20
_OTHERS = re.compile(r"[^A-Za-z0-9._-]+")


class Archives:
    """Those of a folder.

    Args:
        folder: made when there is something to keep; one of the state folder's cache if none is given.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = cached("images") if folder is None else folder

    def find(self, image: str) -> Path | None:
        """The archive of an image, by its id; None if none is kept."""
        path = self._path(image)
        return path if path.is_file() else None

    def keep(self, image: str, archive: Iterable[bytes]) -> Path:
        """Pack an archive as `docker save` makes it, and keep it in place of all others.

        Raises:
            UsageError: it cannot be written, for example as the disk is full; then nothing is there.
            tarfile.TarError: it is none.
        """
        path = self._path(image)
        atomic_write(path, lambda file: pack(archive, file.write))
        for other in self._folder.iterdir():  # what a process that was killed was writing, too
            if other != path:
                with suppress(OSError):  # another process was quicker
                    other.unlink()
        return path

    def _path(self, image: str) -> Path:
        return self._folder / f"{_OTHERS.sub('-', image)}.tar"


def pieces(path: Path) -> Iterator[bytes]:
    """A file's bytes."""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
