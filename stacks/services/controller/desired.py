"""The desired state as the ConfigMaps `gateway` and `ml` have it. A value that cannot be is told, and the last good one stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ....sandbox.model.service import ServiceSpec, fields_of, with_fields
from ...deploy.kubernetes.fields import home, read_map
from ..common.logs import Log

CONFIGS = ("gateway", "ml")
"""The ConfigMaps that hold them."""


class Desired:
    """The fields that the controller acts on.

    Args:
        log: of what is wrong in a map, once for each wrong text.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._wrong: dict[tuple[str, str], str] = {}  # the text that was told to be wrong, by map and key
        self._seen: dict[str, Mapping[str, str]] = {}
        self._missing: set[str] = set()
        self.spec = ServiceSpec()
        self.rejected: Counter[tuple[str, str]] = Counter()
        """Wrong values so far, by map and key."""

    def wrong(self) -> list[tuple[str, str]]:
        """Map and key of the values that are wrong now."""
        return list(self._wrong)

    def read(self, name: str, data: Mapping[str, str] | None) -> None:
        """Take in a map as it is now; None if there is none."""
        before = self._seen.get(name)
        if data is None:
            if name not in self._missing:
                self._log("warning", f"there is no ConfigMap {name}: {'its last values' if before else 'defaults'} stay")
            self._missing.add(name)
            return
        self._missing.discard(name)
        if before == data:
            return
        found = read_map(name, data)
        for key, problem in found.problems.items():
            self._refuse(name, key, data[key], problem)
        for place in [place for place in self._wrong if place[0] == name and place[1] not in found.problems]:
            del self._wrong[place]
        for path in dict(fields_of(self.spec)):
            where, key = home(path)
            if before is not None and where == name and key in before and key not in data:
                self._log("warning", f"ConfigMap {name}: {key} is gone: its last value stays")
        changed = {path: value for path, value in found.values.items() if dict(fields_of(self.spec))[path] != value}
        self.spec = with_fields(self.spec, dict(found.values))
        self._seen[name] = dict(data)
        if changed and before is not None:
            told = ", ".join(f"{home(path)[1]} is now {data[home(path)[1]].strip() or 'empty'}" for path in changed)
            self._log("info", f"ConfigMap {name}: {told}")

    def _refuse(self, name: str, key: str, text: str, problem: str) -> None:
        if self._wrong.get((name, key)) != text:
            self._wrong[name, key] = text
            self.rejected[name, key] += 1
            self._log("error", f"ConfigMap {name}: {key}: {problem} (the last good value stays)")
