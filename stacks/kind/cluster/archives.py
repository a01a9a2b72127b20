"""Archives of images as nodes take them in, kept on this machine from one cluster to the next.

To read an image out of the engine and to compress it takes longer than a node needs to receive it. One archive is kept, that of
the newest image: about a third of its size.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from ...real.machine.files import folder, unwritable
from .packing import pack

PIECE = 2**20
_OTHERS = re.compile(r"[^A-Za-z0-9._-]+")


class Archives:
    """Those of a folder.

    Args:
        place: the folder; made when there is something to keep.
    """

    def __init__(self, place: Path) -> None:
        self._folder = place

    def find(self, reference: str, image: str) -> Path | None:
        """The archive of an image, by its name, which is in there, and its id; None if none is kept."""
        path = self._path(reference, image)
        return path if path.is_file() else None

    def keep(self, reference: str, image: str, archive: Iterable[bytes]) -> Path:
        """Pack an archive as `docker save` makes it, and keep it in place of all others.

        Raises:
            UsageError: it cannot be written, for example as the disk is full; then nothing is there.
            tarfile.TarError: it is none.
        """
        path = self._path(reference, image)
        beside = folder(self._folder) / f".{path.name}.{os.getpid()}"
        try:
            with beside.open("wb") as file:
                pack(archive, file.write)
            beside.replace(path)
        except BaseException as error:
            with suppress(OSError):
                beside.unlink()
            if isinstance(error, OSError):
                raise unwritable(path, error) from error
            raise
        with suppress(OSError):  # another process was quicker
            for other in self._folder.iterdir():
                if other != path and not _is_being_written(other):
                    other.unlink(missing_ok=True)
        return path

    def drop(self, reference: str, image: str) -> None:
        """Keep it no more."""
        with suppress(OSError):
            self._path(reference, image).unlink(missing_ok=True)

    def _path(self, reference: str, image: str) -> Path:
        return self._folder / f"{_OTHERS.sub('-', f'{reference}-{image}')}.tar"


def _is_being_written(path: Path) -> bool:
    """Whether the process is there that its name ends with."""
    writer = path.suffix.removeprefix(".")
    return writer.isdecimal() and Path("/proc", writer).exists()


def pieces(path: Path) -> Iterator[bytes]:
    """A file's bytes."""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
