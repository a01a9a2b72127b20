"""What a drill ran on: versions and CPU model, for the journal's header."""

from __future__ import annotations

import functools
import hashlib
import platform
from importlib import metadata
from pathlib import Path

PACKAGES = ("drillbox", "numpy", "numba", "scikit-learn", "simpy")
"""Packages on which the numbers of a simulated drill depend."""


@functools.cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that matter, by name."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


SHELLS = frozenset({"api", "cli", "reports"})
"""Parts of the sandbox that cannot change how a drill goes."""


@functools.cache
def hash_of_code(*folders: Path) -> str:
    """A hash of the Python files below some folders, those of `SHELLS` left out."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            inside = path.relative_to(folder)
            if inside.parts[0] not in SHELLS:
                digest.update(f"{inside.as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def cpu_model() -> str:
    """The CPU's name, as far as the platform tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
