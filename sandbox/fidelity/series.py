"""The raw series of a drill, beside its journal: every scrape under the producers' names, compressed."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..model.errors import UsageError
from ..model.telemetry import Scrape, Series
from ..paths import folder, unwritable


def series_path(journal: Path) -> Path:
    """Where the raw series of a journal are."""
    return journal.with_suffix(".series.jsonl.gz")


class SeriesWriter:
    """Appends scrapes to a file: a line of names whenever the set of series changes, and a line of values for each scrape.

    Raises:
        UsageError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = folder(path.parent) / path.name
        self._names: tuple[Series, ...] | None = None
        self._last = -math.inf
        try:
            self._file = gzip.open(path, "wt", encoding="utf-8", compresslevel=5)  # noqa: SIM115  # as long as the drill
        except OSError as error:
            raise unwritable(path, error) from None

    def add(self, scrape: Scrape | None) -> None:
        """Write a scrape, unless there is none, or it is the one before.

        Raises:
            UsageError: the disk is full.
        """
        if scrape is None or scrape.at <= self._last:
            return
        self._last = scrape.at
        if scrape.series is not self._names:  # the producer passes the same tuple as long as nothing changes
            self._names = scrape.series
            self._put({"series": [[one.name, dict(one.labels)] for one in scrape.series]})
        self._put({"at": scrape.at, "values": [None if math.isnan(value) else value for value in scrape.values.tolist()]})

    def close(self) -> None:
        """Close the file.

        Raises:
            UsageError: the disk is full.
        """
        try:
            self._file.close()
        except OSError as error:
            raise unwritable(self._path, error) from None

    def _put(self, data: object) -> None:
        try:
            self._file.write(json.dumps(data, separators=(",", ":")) + "\n")
        except OSError as error:
            raise unwritable(self._path, error) from None


def read_series(path: Path) -> Iterator[Scrape]:
    """The scrapes of a file, in order; of one that was cut off, those that are whole.

    Raises:
        UsageError: there is no such file, or it is damaged.
    """
    names: tuple[Series, ...] = ()
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                data = json.loads(line)
                if "series" in data:
                    names = tuple(Series.of(name, **labels) for name, labels in data["series"])
                else:
                    yield _scrape(float(data["at"]), names, data["values"])
    except EOFError:
        return
    except OSError as error:
        raise UsageError(f"cannot read the series {path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is damaged: {error}") from None


def _scrape(at: float, names: tuple[Series, ...], values: Sequence[float | None]) -> Scrape:
    if len(values) != len(names):
        raise ValueError(f"{len(values)} values of {len(names)} series at {at:g} s")
    return Scrape(at, names, np.array([math.nan if value is None else value for value in values], np.float64))
