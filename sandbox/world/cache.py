"""The compact cache of the world's data: built at first use, read in milliseconds afterwards."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import zipfile
from collections.abc import Iterable
from pathlib import Path

from ..paths import atomic_write, cache_dir
from . import data as columns
from .data import FlightData
from .source import Progress, find_source, read_source


def code_version(sources: Iterable[Path]) -> str:
    """A short hash of source files: it changes with the code, whoever forgets to bump a number."""
    digest = hashlib.sha256()
    for path in sources:
        digest.update(path.read_text(encoding="utf-8").encode())  # as text: the same for any line endings
    return digest.hexdigest()[:12]


def load_data(progress: Progress | None = None) -> FlightData:
    """The flights and the weather, from the cache, or read from the source and cached.

    Two processes may build it at the same time: each writes a file of its own, and the last one to finish takes its place. A
    damaged cache is built again.

    Raises:
        UsageError: the source is missing or damaged, or the cache cannot be written.
    """
    source = find_source()
    version = _version()
    return _load(cache_dir(), source.data_hash, version, progress)


def _load(folder: Path, data_hash: str, version: str, progress: Progress | None) -> FlightData:
    path = folder / f"flights-{data_hash[:12]}-{version}.npz"
    try:
        stored = columns.load(path)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return _build(path, version, progress or _silent)
    return stored if (stored.data_hash, stored.code_version) == (data_hash, version) else _build(path, version, progress or _silent)


def _build(path: Path, version: str, progress: Progress) -> FlightData:
    progress("reading flights", 0.0)
    built = dataclasses.replace(read_source(find_source(), progress), code_version=version)
    atomic_write(path, functools.partial(columns.save, built))
    return built


@functools.cache
def _version() -> str:
    here = Path(__file__).parent
    return code_version(here / name for name in ("data.py", "source.py"))


def _silent(step: str, done: float) -> None:
    """No one is watching."""
