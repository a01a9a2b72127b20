"""The compact cache of the world's data: built at first use, read in milliseconds afterwards."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

from ..paths import atomic_write, cached, found
from . import data as columns
from .data import FlightData
from .source import Progress, Source, find_source, read_source


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
    path = cached(f"flights-{source.data_hash[:12]}-{_version()}.npz")
    return _read(found(path), source) or _build(path, source, progress or _silent)


def _read(path: Path, source: Source) -> FlightData | None:
    """What is cached; None if it is not there, damaged, or of other data or code."""
    try:
        stored = columns.load(path)
    except columns.DAMAGED:
        return None
    return stored if (stored.data_hash, stored.code_version) == (source.data_hash, _version()) else None


def _build(path: Path, source: Source, progress: Progress) -> FlightData:
    progress("reading flights", 0.0)
    built = dataclasses.replace(read_source(source, progress), code_version=_version())
    atomic_write(path, functools.partial(columns.save, built))
    return built


@functools.cache
def _version() -> str:
    here = Path(__file__).parent
    return code_version(here / name for name in ("data.py", "source.py"))


def _silent(step: str, done: float) -> None:
    """No one is watching."""
