"""What is installed on this machine: programs, on the PATH or where a setting says, and the packages of an extra of drillbox."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from ....sandbox.model.errors import DrillboxError, UsageError

PROMETHEUS_SETTING = "DRILLBOX_PROMETHEUS"
"""`off`, or the path of the program; not set: the one on the PATH, if there is one."""
_PACKAGE = re.compile(r"^[A-Za-z0-9._-]+")


def find_installed(
    name: str, setting: str, environment: Mapping[str, str], instead: str, wrong: type[DrillboxError] = UsageError
) -> Path | None:
    """The program that a setting names, else that on the PATH; None if there is none.

    Args:
        name: on the PATH.
        setting: environment variable with its path.
        environment: has both.
        instead: what else the setting may be, for the message.
        wrong: the error if it names no program.

    Raises:
        DrillboxError: the setting names no program.
    """
    wanted = environment.get(setting, "").strip()
    if not wanted:
        found = shutil.which(name, path=environment.get("PATH"))
        return Path(found) if found else None
    path = Path(wanted).expanduser()
    if not path.is_file() or not os.access(path, os.X_OK):
        what = "a folder" if path.is_dir() else "not a program" if path.exists() else "not there"
        raise wrong(f"{setting}={wanted}: {path} is {what}; give the path of {name}, or {instead}")
    return path


def find_prometheus(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The Prometheus to use; None: there is none, or the setting says so.

    Raises:
        UsageError: the setting names no program.
    """
    if environment.get(PROMETHEUS_SETTING, "").strip().lower() == "off":
        return None
    return find_installed("prometheus", PROMETHEUS_SETTING, environment, "off for the built-in monitor")


def packages_of(extra: str) -> dict[str, str]:
    """The versions of an extra's packages, by name, in its order; empty for one that is not installed."""
    wanted = [text for text in metadata.requires("drillbox") or () if re.search(rf"extra == ['\"]{extra}['\"]", text)]
    return {name[0]: _version(name[0]) for text in wanted if (name := _PACKAGE.match(text))}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
