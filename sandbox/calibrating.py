"""What a machine was measured to need, beside what scenarios assume; the file it is kept in; and a scenario by its figures."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .loading import load_scenario_text
from .model.calibration import Calibration, Timings
from .model.errors import UsageError
from .model.scenario import Runtime, Scenario
from .model.telemetry import Scrape, Series
from .paths import atomic_write, home

if TYPE_CHECKING:
    from .loading.document import Data

SCHEMA = 1
REQUESTS = "model_server_requests_total"
HALF = 0.5
"""Share of the service time that the real work of an answer may take, and of the processors that the model servers may take.

Real model servers hold a slot until the service time that was drawn is over; what the real work exceeds makes an answer longer
than the scenario says. With the usual spread (log-normal, cv 0.4) one answer in twenty is drawn below half of the mean. And
gateway, load generator, feature store and monitoring need processors, too: about as much as the model servers.
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that a scenario assumes: `measured` must be at most `assumed`, both in `unit`."""

    what: str
    measured: float
    assumed: float
    unit: str = "s"

    @property
    def kept(self) -> bool:
        """Whether this machine can keep it."""
        return self.measured <= self.assumed


def calibration_file() -> Path:
    """Where the machine's calibration is kept."""
    return home() / "calibration.json"


def save(calibration: Calibration, path: Path) -> None:
    """Keep a calibration.

    Raises:
        UsageError: the file cannot be written.
    """
    data = {"schema": SCHEMA, **dataclasses.asdict(calibration)}
    atomic_write(path, (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode())


def read(path: Path) -> Calibration:
    """A calibration that was kept.

    Raises:
        UsageError: there is none, or it is damaged or of another version.
    """
    again = "measure it with `drillbox calibrate --write`"
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UsageError(f"this machine is not calibrated: there is no {path}; {again}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the calibration {path}: {error}; {again}") from None
    try:
        if data["schema"] != SCHEMA:
            raise UsageError(f"the calibration {path} has schema {data['schema']}, this drillbox reads {SCHEMA}; {again}")
        return Calibration(
            _timings(data["timings"]),
            str(data["machine"]),
            int(data["cores"]),
            str(data["date"]),
            {str(name): str(version) for name, version in data["versions"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"the calibration {path} is damaged at {error}; {again}") from None


@dataclass(frozen=True, slots=True)
class Load:
    """Requests per second that all model servers together answer, and that they refuse."""

    answered: float
    refused: float

    def processors(self, timings: Timings) -> float:
        """Cores that the model servers need for it."""
        return self.answered * timings.answer_cpu + self.refused * timings.refusal_cpu


def loads_of(scrapes: Iterable[Scrape]) -> Iterator[Load]:
    """The load between each scrape and the one before. A replica that is new or has started again counts from 0."""
    at, before = math.nan, dict[Series, float]()
    for scrape in scrapes:
        now = {series: float(scrape.values[place]) for place, series in enumerate(scrape.series) if series.name == REQUESTS}
        if before:
            grown = {"200": 0.0, "503": 0.0}
            for series, value in now.items():
                last = before.get(series, 0.0)
                grown[series.label("code")] = grown.get(series.label("code"), 0.0) + (value - last if value >= last else value)
            yield Load(grown["200"] / (scrape.at - at), grown["503"] / (scrape.at - at))
        at, before = scrape.at, now


def claims(scenario: Scenario, loads: Iterable[Load], calibration: Calibration) -> tuple[Claim, ...]:
    """What a scenario assumes of the machine that it is played on for real.

    Args:
        scenario: with its profile.
        loads: of its model servers, in the course of a drill.
        calibration: of the machine.
    """
    most = max((load.processors(calibration.timings) for load in loads), default=0.0)
    runtime, found = scenario.runtime, calibration.timings
    return (
        Claim("answer", found.answer, HALF * runtime.service_time),
        Claim("rules", found.rules, runtime.rules_time),
        Claim("start", found.start, runtime.start_time),
        Claim("start and load", found.start + found.load, runtime.start_time + runtime.load_time),
        Claim("training", found.training, runtime.training_time),
        Claim("processors", most, HALF * calibration.cores, "cores"),
    )


def calibrated(runtime: Runtime, calibration: Calibration) -> Runtime:
    """What the scenario assumes, where this machine keeps it, and else what it needs: real replicas are not faster than told."""
    found = calibration.timings
    return dataclasses.replace(
        runtime,
        service_time=max(runtime.service_time, found.answer),
        rules_time=max(runtime.rules_time, found.rules),
        start_time=max(runtime.start_time, found.start),
        load_time=max(runtime.load_time, found.start + found.load - max(runtime.start_time, found.start)),
        training_time=max(runtime.training_time, found.training),
    )


def calibrated_text(text: str, name: str, profile: str, calibration: Calibration) -> str:
    """A scenario's text with the runtime of this machine, for one profile; as it was where the machine keeps what is assumed.

    All that follows from the text does so here as well: the digest, and with it the baselines; and what the journal keeps.

    Raises:
        InvalidScenarioError: the text is not a valid scenario.
        UsageError: it has no such profile.
    """
    from .loading.document import parse_document

    before = load_scenario_text(text, name, profile).runtime
    after = calibrated(before, calibration)
    if after == before:
        return text
    data = parse_document(text, name).data
    changed: dict[str, Data] = {
        field.name: f"{math.ceil(1e6 * value) / 1e3:g}ms"
        if isinstance(value, float) and field.name != "service_time_cv"
        else value
        for field in dataclasses.fields(after)
        if (value := getattr(after, field.name)) != getattr(before, field.name)  # all of them are times
    }
    place = data
    for key in ("profiles", profile) if profile else ():
        place = _mapping(place[key])
    place["runtime"] = {**_mapping(place.get("runtime") or {}), **changed}
    return json.dumps(data, indent=1, ensure_ascii=False)  # JSON is YAML


def _mapping(value: Data) -> dict[str, Data]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is no mapping, in a scenario that is valid")
    return value


def _timings(data: Mapping[str, object]) -> Timings:
    values: dict[str, float] = {}
    for field in dataclasses.fields(Timings):
        value = data[field.name]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
            raise ValueError(f"{field.name}: {value!r}")
        values[field.name] = value
    requests, starts = int(values.pop("requests")), int(values.pop("starts"))
    return Timings(**values, requests=requests, starts=starts)
