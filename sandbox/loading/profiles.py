"""Profiles: a scenario file with one of its named variants merged in, and where each value then comes from."""

from __future__ import annotations

from dataclasses import dataclass

from .document import Data, Document, Keys

FIXED = ("schema", "id", "profiles")
"""Keys that a profile cannot override."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A document with a profile applied. `origins` maps the path of each replaced value to where it stands in the file."""

    document: Document
    profile: str
    data: dict[str, Data]
    origins: dict[Keys, Keys]

    def original(self, path: Keys) -> Keys:
        """Where the value at `path` stands in the file."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return (*self.origins[path[:length]], *path[length:])
        return path

    def position(self, path: Keys, of_key: bool = False) -> tuple[int, int]:
        """Line and column of the value at `path` (or of its key); of the nearest part around it if it is not there."""
        path = self.original(path)
        if of_key and path in self.document.keys:
            return self.document.keys[path]
        if path in self.document.values:
            return self.document.values[path]
        while path:
            path = path[:-1]
            if path in self.document.keys:
                return self.document.keys[path]
            if path in self.document.values:
                return self.document.values[path]
        return (1, 1)

    def written(self, path: Keys, default: object) -> object:
        """The value at `path` as it is written; `default` if there is none."""
        value: object = self.data
        for key in path:
            try:
                value = value[key]  # type: ignore[index]  # whatever cannot be indexed has no such value
            except (LookupError, TypeError):
                return default
        return value


def variants(document: Document) -> list[Variant]:
    """The base (its profile is empty), then every profile that is a mapping."""
    base = {key: value for key, value in document.data.items() if key != "profiles"}
    found = [Variant(document, "", document.data, {})]
    profiles = document.data.get("profiles")
    if isinstance(profiles, dict):
        for name, override in profiles.items():
            if isinstance(override, dict):
                origins: dict[Keys, Keys] = {}
                wanted = {key: value for key, value in override.items() if key not in FIXED}
                merged = _merge(base, wanted, (), ("profiles", name), origins)
                found.append(Variant(document, name, merged, origins))
    return found


def fixed_keys(document: Document) -> list[Keys]:
    """Paths of keys in profiles that a profile cannot override."""
    profiles = document.data.get("profiles")
    if not isinstance(profiles, dict):
        return []
    overrides = [(name, part) for name, part in profiles.items() if isinstance(part, dict)]
    return [("profiles", name, key) for name, part in overrides for key in part if key in FIXED]


def _merge(
    base: dict[str, Data], override: dict[str, Data], path: Keys, source: Keys, origins: dict[Keys, Keys]
) -> dict[str, Data]:
    """Mappings are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in override.items():
        before = base.get(key)
        here, there = (*path, key), (*source, key)
        if isinstance(before, dict) and isinstance(value, dict):
            merged[key] = _merge(before, value, here, there, origins)
        else:
            merged[key] = value
            origins[here] = there
    return merged
