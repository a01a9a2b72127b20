"""The pipeline service as a stack sees it: it proposes changes, logs, and knows the versions; it is told what is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ...sandbox.model.errors import StackError, UsageError
from ...sandbox.model.events import Registered
from ...sandbox.model.params import Params, Value
from ...sandbox.model.service import ServiceSpec, fields_of
from ...sandbox.model.telemetry import LogLine
from ...sandbox.model.views import Table
from .controls import Controls, RefusedError

EARLY = 0.4
"""Seconds by which the pipeline is ahead: what it evaluates at a moment is there for the scrape of that moment."""


@dataclass(frozen=True, slots=True)
class Desire:
    """Fields of the desired state that a controller of the service wants to have other values."""

    fields: Mapping[str, Value]
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Known:
    """A version that was registered, and the model behind it."""

    version: Registered
    artifact: str


@dataclass(frozen=True, slots=True)
class Pod:
    """What is observed of a replica; counters since its container began."""

    name: str
    deployment: str
    version: str
    ready: bool
    restarts: int
    slots: int
    busy_seconds: float = 0.0
    requests: float = 0.0
    failed: float = 0.0
    slow: float = 0.0


@dataclass(slots=True)
class PipelineClient:
    """A client of the pipeline's controls."""

    controls: Controls
    url: str
    _after: int = field(default=-1, init=False)

    def tell_spec(self, spec: ServiceSpec) -> None:
        """The desired state is this."""
        self.controls.put(f"{self.url}/control/spec", {path: _plain(value) for path, value in fields_of(spec)})

    def tell_pods(self, pods: Iterable[Pod]) -> None:
        """The replicas are these."""
        self.controls.put(f"{self.url}/control/pods", [dataclasses.asdict(pod) for pod in pods])

    def outbox(self) -> list[Desire | LogLine | Known]:
        """What it has to say since the last call."""
        items: Sequence[Mapping[str, Any]] = self.controls.get(f"{self.url}/control/outbox", after=self._after)["items"]
        if items:
            self._after = int(items[-1]["number"])
        return [_item(item) for item in items]

    def training_seconds(self) -> float:
        """Seconds in which jobs trained so far."""
        return float(self.controls.get(f"{self.url}/control/state")["training_seconds"])

    def begin(self, beat: str, fault: str, params: Params) -> None:
        """A fault of the control plane begins."""
        body = {"fault": fault, "params": {name: _plain(value) for name, value in params.items()}}
        self.controls.put(f"{self.url}/control/beats/{quote(beat, safe='')}", body)

    def end(self, beat: str) -> None:
        """It ends by itself."""
        self.controls.delete(f"{self.url}/control/beats/{quote(beat, safe='')}")

    def look(self, view: str, subject: str) -> Table:
        """What a view shows.

        Raises:
            UsageError: there is no such view, or not of that.
        """
        try:
            found = self.controls.get(f"{self.url}/views/{quote(view, safe='')}", subject=subject)
        except RefusedError as error:
            raise UsageError(error.why) from None
        return Table(
            found["title"],
            tuple(found["columns"]),
            tuple(tuple(row) for row in found["rows"]),
            **{name: found[name] for name in found if name not in {"title", "columns", "rows"}},
        )


def _item(item: Mapping[str, Any]) -> Desire | LogLine | Known:
    match item["kind"]:
        case "desire":
            return Desire(item["fields"], item["by"], item["why"])
        case "log":
            return LogLine(float(item["at"]), item["component"], item["severity"], item["text"])
        case "registered":
            names = {each.name for each in dataclasses.fields(Registered)}
            return Known(Registered(**{name: item[name] for name in names}), item["artifact"])
        case kind:
            raise StackError(f"the pipeline says something unknown: {kind!r}")


def _plain(value: Value) -> str | int | float | bool:
    return value.value if hasattr(value, "value") else value  # enumerations by their text
