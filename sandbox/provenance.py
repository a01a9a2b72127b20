"""What a drill ran on: versions and CPU model, for the journal's header."""

from __future__ import annotations

import functools
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
