"""The application image: built when its content changes, under a tag that is its content's hash, and loaded into clusters."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....sandbox.model.errors import StackError
from ....sandbox.model.stack import Progress
from ...real.machine.installed import find_prometheus
from ..settings import BASE_IMAGE, PROMETHEUS, Settings
from .archives import Archives
from .context import Context, context
from .engine import Engine
from .loading import Loader

REPOSITORY = "drillbox-app"
LABEL = "dev.drillbox.image"
BUILD = 1800.0
"""Wall seconds between two lines of a build."""
STEP = "application image"
KEPT = 3
"""Images that are kept, the newest among them: whoever goes back to the code of before builds nothing."""
LINES = 12
"""Lines at the end of a failed build that are shown."""
_STEP = re.compile(r"^Step (\d+)/(\d+) : (.*)")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_NOISE = re.compile(r"^(Removing intermediate container| *---> )")
_CODE = re.compile(r"returned a non-zero code: (\d+)")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


@dataclass(frozen=True, slots=True)
class Image:
    """The application image.

    Attributes:
        reference: name and tag.
        id: of the engine.
        size: MiB, uncompressed.
        built: whether it was built just now.
    """

    reference: str
    id: str
    size: float
    built: bool


class Builder:
    """Builds the image on an engine."""

    def __init__(self, engine: Engine, settings: Settings, environment: Mapping[str, str] = os.environ) -> None:
        self._engine, self._settings, self._environment = engine, settings, environment

    def ensure(self, progress: Progress) -> Image:
        """The image of the code as it is now.

        Raises:
            StackError: the base image cannot be had, or the build fails; the message has its last lines.
            UsageError: a setting names no Prometheus.
        """
        base = self._base(progress)
        made = context(self._prometheus())
        arguments = self._arguments()
        reference = f"{REPOSITORY}:{_tag(made, base, arguments)}"
        known = self._engine.image(reference)
        if known is None:
            self._build(reference, made, arguments, progress)
            known = self._engine.image(reference)
            if known is None:
                raise StackError(f"application image: the engine lost {reference} right after it was built: is its disk full?")
            self._prune(reference)
            return _image(reference, known, built=True)
        progress(STEP, 1.0)
        return _image(reference, known, built=False)

    def load(self, image: Image, cluster: str, progress: Progress, archives: Archives | None = None) -> None:
        """Bring an image, as it is kept in `archives`, onto all nodes of a cluster that do not have it.

        Raises:
            StackError: that fails, for example as a disk is full.
        """
        try:
            Loader(self._engine, self._environment, archives).load(image.reference, self._engine.nodes(cluster), progress)
        except StackError as error:
            raise StackError(f"application image: it cannot be loaded into cluster {cluster}: {error}") from error

    # ---------------------------------------------------------------------------------------------------------- own work

    def _prune(self, newest: str) -> None:
        """Remove images of code that is no more; what else uses them keeps them."""
        for tag in [one for one in self._engine.tags(REPOSITORY) if one != newest][KEPT - 1 :]:
            with suppress(StackError):
                self._engine.remove_image(tag)

    def _base(self, progress: Progress) -> str:
        """The id of the base image, which is pulled if it is not here."""
        name = self._settings.base_image
        known = self._engine.image(name)
        if known is None:
            progress(f"pulling {name}", 0.0)
            why = self._pull(name)
            if why:
                raise StackError(
                    f"application image: its base {name} is not here and cannot be pulled: {why}; {BASE_IMAGE} names another"
                )
            progress(f"pulling {name}", 1.0)
            known = self._engine.image(name)
        return str(known["Id"]) if known else name

    def _pull(self, name: str) -> str:
        """Pull an image; why it cannot be had."""
        try:
            return next(iter([str(told["error"]) for told in self._engine.pull(name) if "error" in told]), "")
        except StackError as error:
            return str(error).removeprefix(f"pulling {name}: ")

    def _prometheus(self) -> Path | None:
        if self._settings.prometheus != "host":
            return None
        found = find_prometheus(self._environment)
        if found is None:
            raise StackError(f"{PROMETHEUS}=host: there is no prometheus on the PATH; install it, or unset {PROMETHEUS}")
        return found

    def _arguments(self) -> dict[str, str]:
        settings = self._settings
        found = {"BASE": settings.base_image, "PROMETHEUS": settings.prometheus}
        found |= {"DEBIAN": settings.debian_mirror.rstrip("/")} if settings.debian_mirror else {}
        return found | ({"PIP_INDEX_URL": settings.package_index} if settings.package_index else {})

    def _build(self, reference: str, made: Context, arguments: Mapping[str, str], progress: Progress) -> None:
        proxies = {name: self._environment[name] for name in _PROXIES if self._environment.get(name)}
        told = self._engine.build(
            made.tar,
            tag=reference,
            arguments={**proxies, **arguments},
            network=self._settings.build_network or None,
            patience=BUILD,
        )
        with closing(told):
            follow(told, progress)
        progress(STEP, 1.0)


def follow(told: Iterable[Mapping[str, Any]], progress: Progress) -> None:
    """Listen to a build until its end.

    Raises:
        StackError: it fails; the message has the step and the last lines.
    """
    last: deque[str] = deque(maxlen=LINES)
    progress(STEP, 0.0)
    step = ""
    for one in told:
        for line in _COLOURS.sub("", str(one.get("stream") or "")).splitlines():
            found = _STEP.match(line)
            if found:
                step = found[3]
                progress(STEP, (int(found[1]) - 1) / int(found[2]))
            elif line.strip() and not _NOISE.match(line):
                last.append(line.rstrip())
        if one.get("error"):
            lines = "\n".join(f"  {line}" for line in last)
            code = _CODE.search(str(one["error"]))
            why = f"exit code {code[1]}" if code else str(one["error"]).strip()
            where = step if len(step) <= 60 else f"{step[:60]}..."
            raise StackError(f"application image: the build failed at {where!r}: {why}; its last lines:\n{lines}")


def _tag(made: Context, base: str, arguments: Mapping[str, str]) -> str:
    text = json.dumps([made.digest, base, sorted(arguments.items())])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _image(reference: str, known: Mapping[str, Any], *, built: bool) -> Image:
    return Image(reference, str(known["Id"]), float(known.get("Size") or 0) / 2**20, built)
