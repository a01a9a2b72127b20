"""Reads the expositions of one target: Prometheus's text format, of which only a part is wanted.

`prometheus_client` parses each series once. From then on the text before a value says which series it is, which costs a tenth.
"""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from ...sandbox.model.telemetry import Series

_KEPT = 20_000
"""Texts that are remembered; a target with labels that have ever new values must not fill the memory."""


class Reader:
    """Knows the series of one target.

    Args:
        wanted: names of the metrics that are kept.
        labels: of the target, for series that do not have them.
    """

    def __init__(self, wanted: frozenset[str], labels: tuple[tuple[str, str], ...] = ()) -> None:
        self._wanted = wanted
        self._labels = dict(labels)
        self._known: dict[str, Series] = {}
        self._last: tuple[Series, ...] = ()

    def read(self, text: str) -> tuple[tuple[Series, ...], list[float]]:
        """The wanted series and their values; the same tuple as the time before while the series are the same.

        Raises:
            ValueError: it is not in the text format.
        """
        found: list[Series] = []
        values: list[float] = []
        for line in text.split("\n"):
            head, _, value = line.rpartition(" ")
            series = self._known.get(head)
            if series is not None:
                number = float(value)
            elif not line or line[0] == "#" or line.partition("{")[0].partition(" ")[0] not in self._wanted:
                continue
            else:
                series, number = self._parse(line, head)
            found.append(series)
            values.append(number)
        names = tuple(found)
        if names == self._last:
            return self._last, values
        if len(set(names)) != len(names):  # the first one counts
            unique = dict(zip(reversed(names), reversed(values), strict=True))
            names, values = tuple(reversed(unique)), list(reversed(unique.values()))
            if names == self._last:
                return self._last, values
        self._last = names
        return names, values

    def _parse(self, line: str, head: str) -> tuple[Series, float]:
        """A series that was not seen before, and its value."""
        sample = _sample(line)
        series = Series(sample.name, tuple(sorted((self._labels | sample.labels).items())))
        if sample.timestamp is None:  # else the text before the last space has a value in it
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[head] = series
        return series, float(sample.value)


def _sample(line: str) -> Sample:
    try:
        return next(sample for family in text_string_to_metric_families(line + "\n") for sample in family.samples)
    except (ValueError, LookupError, TypeError, StopIteration) as error:  # the parser trusts its input
        raise ValueError(f"not in Prometheus's text format: {line[:200]!r}") from error
