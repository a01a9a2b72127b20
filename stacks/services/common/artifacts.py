"""Models as archives: `model.skops` and `meta.json` of one version in a gzipped tar, the same bytes for the same files.

Archives come over the network: nothing in one is believed. An archive holds these two files and nothing else, no part of it is
written under a name that it gives, and how much it unpacks to is bounded before it does. What `model.skops` holds is the business
of `store.load`, which refuses unknown types.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import re
import tarfile
import zipfile
import zlib
from dataclasses import dataclass

from ....sandbox.learning import store
from ....sandbox.learning.version import ModelVersion
from ....sandbox.model.errors import UsageError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""What the id of a model looks like: a name of a folder, and never a path."""
MEDIA_TYPE = "application/gzip"
MOST = 32 * 1024 * 1024
"""Bytes of an archive, packed, at most."""
MOST_UNPACKED = 128 * 1024 * 1024
"""Bytes that an archive unpacks to, at most, and that the model's own archive in it does."""

_GZIP = 16 + zlib.MAX_WBITS
_SHA256 = re.compile(r"sha-256=:[^:]*:")
_FILES = (store.META, store.MODEL)


class ArtifactError(UsageError):
    """An archive is damaged, hostile, or of another model."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """The files of a version, as they were checked."""

    version: ModelVersion
    model: bytes
    meta: bytes

    def install(self) -> ModelVersion:
        """Put them into the store.

        Raises:
            UsageError: the store cannot be written.
        """
        return store.keep(self.version, self.model, self.meta)


def pack(model: str) -> bytes:
    """The archive of a stored model.

    Raises:
        UsageError: there is no such model in the store, or it cannot be read.
    """
    folder = store.place(model)
    try:
        contents = {name: (folder / name).read_bytes() for name in _FILES}
    except OSError as error:
        raise UsageError(f"model {model} cannot be packed: {error}") from error
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), compresslevel=6, mtime=0)


def unpack(content: bytes, model: str) -> Artifact:
    """The files in an archive of a model; nothing is written.

    Raises:
        ArtifactError: it is none, holds anything else, unpacks to too much, or is not of that model.
    """
    files = _members(_inflate(content, model), model)
    missing = [name for name in _FILES if name not in files]
    if missing:
        raise _refused(model, f"{' and '.join(missing)} is missing")
    try:
        version = store.facts_of(files[store.META], model)
    except ValueError as error:
        raise _refused(model, str(error)) from error
    if hashlib.sha256(files[store.MODEL]).hexdigest() != version.sha256:
        raise _refused(model, f"its {store.MODEL} is not the file that {store.META} tells of")
    _check_size(files[store.MODEL], model)
    return Artifact(version, files[store.MODEL], files[store.META])


def digest(content: bytes | bytearray) -> str:
    """As a value of the header `Content-Digest` (RFC 9530)."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode('ascii')}:"


def is_damaged(content: bytes | bytearray, known: str) -> bool:
    """Whether a `Content-Digest` says that this was another content. One of other algorithms, or none, says nothing."""
    found = _SHA256.search(known)
    return found is not None and found[0] != digest(content)


def _inflate(content: bytes, model: str) -> bytes:
    """What was compressed, as long as it is not too much."""
    unzip = zlib.decompressobj(_GZIP)
    try:
        found = unzip.decompress(content, MOST_UNPACKED + 1)
    except zlib.error as error:
        raise _refused(model, f"it is no gzip file: {error}") from error
    if len(found) > MOST_UNPACKED:
        raise _refused(model, f"it unpacks to more than {MOST_UNPACKED:,} bytes")
    if not unzip.eof or unzip.unused_data:
        raise _refused(model, "it is cut off" if not unzip.eof else "something follows the gzip file")
    return found


def _members(content: bytes, model: str) -> dict[str, bytes]:
    """The files by their names."""
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for entry in archive:
                if entry.name not in _FILES or entry.name in files:
                    raise _refused(model, f"{entry.name[:80]!r} does not belong there, or is there twice")
                if entry.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):  # links, devices, sparse files
                    raise _refused(model, f"{entry.name} is no regular file")
                found = archive.extractfile(entry)
                files[entry.name] = found.read() if found else b""
                if len(files[entry.name]) != entry.size:
                    raise _refused(model, f"{entry.name} is cut off")
    except (tarfile.TarError, EOFError, ValueError, OSError, RecursionError) as error:
        raise _refused(model, f"it is no tar file: {error}") from error
    return files


def _check_size(content: bytes, model: str) -> None:
    """A model file is an archive itself, which whoever loads it unpacks."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as inner:
            size = sum(entry.file_size for entry in inner.infolist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise _refused(model, f"its {store.MODEL} is no skops file: {error}") from error
    if size > MOST_UNPACKED:
        raise _refused(model, f"its {store.MODEL} unpacks to {size:,} bytes, more than {MOST_UNPACKED:,}")


def _refused(model: str, why: str) -> ArtifactError:
    return ArtifactError(f"the archive of model {model} is refused: {why}")
