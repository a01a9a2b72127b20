"""Makes the archive of an image smaller on its way to the nodes: its layers are compressed.

What a node spends on taking an image in is mostly what it takes to hand its bytes to containerd and to hash them. Zstandard's
fastest level leaves a third of them, for some seconds of this machine's time, once for all nodes. containerd takes such layers
from 1.5 on.
"""

from __future__ import annotations

import io
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

LEVEL = 1
"""Of Zstandard: higher ones cost more time than they save."""
LEAST = 2**20
"""Bytes from which on a file may be a layer that is worth it."""
OCI_LAYOUT = "oci-layout"
"""A file which says that all others are named by their digests. Layers that have been compressed are not; without it containerd
goes by `manifest.json`, which names them as they are in the archive."""
_BLOCK, _PIECE = 512, 2**20
_MAGIC = slice(257, 262)
_TAR = b"ustar"


def pack(archive: Iterable[bytes], write: Callable[[bytes], object]) -> None:
    """Read an archive as `docker save` makes it, and write it with compressed layers, piece by piece.

    Raises:
        tarfile.TarError: it is none.
        OSError: there is no room for a layer among temporary files.
    """
    with (
        tarfile.open(fileobj=_Reader(archive), mode="r|", bufsize=_PIECE) as given,
        tarfile.open(fileobj=_Writer(write), mode="w|", bufsize=_PIECE, format=tarfile.PAX_FORMAT) as made,
    ):
        for member in given:
            content = given.extractfile(member) if member.isreg() else None
            if content is None:
                made.addfile(member)
            elif member.size < LEAST:
                if member.name != OCI_LAYOUT:
                    made.addfile(member, content)
            else:
                _add_layer(made, member, content)


def _add_layer(made: tarfile.TarFile, member: tarfile.TarInfo, content: IO[bytes]) -> None:
    """The size of a file is before its content, so it is compressed into a temporary one."""
    import zstandard

    head = content.read(_BLOCK)
    with tempfile.TemporaryFile() as smaller:
        if head[_MAGIC] == _TAR:
            with zstandard.ZstdCompressor(level=LEVEL).stream_writer(smaller, closefd=False) as into:
                _copy(head, content, into.write)
        else:
            _copy(head, content, smaller.write)
        member.size = smaller.tell()
        smaller.seek(0)
        made.addfile(member, smaller)


def _copy(head: bytes, rest: IO[bytes], write: Callable[[bytes], object]) -> None:
    write(head)
    while piece := rest.read(_PIECE):
        write(piece)


class _Reader(io.BufferedIOBase):
    """Pieces, as a file that is read from its beginning to its end."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)
        self._there = bytearray()

    def read(self, size: int | None = -1, /) -> bytes:
        """So many bytes, or what is left."""
        size = sys.maxsize if size is None or size < 0 else size
        while len(self._there) < size and (piece := next(self._pieces, None)) is not None:
            self._there += piece
        found = bytes(self._there[:size])
        del self._there[:size]
        return found


class _Writer(io.BufferedIOBase):
    """A file that hands on what is written."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def write(self, piece: Any, /) -> int:
        """Hand it on."""
        found = bytes(piece)
        self._write(found)
        return len(found)
