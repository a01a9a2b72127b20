# ruff: noqa: INP001 - a script, no package
"""Make the picture and the table of `metastability.md` from two real drills: `python docs/make_pictures.py`.

The drill is after-the-burst with nobody at the controls, once as it is and once with a retry budget of 10% from the start.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.events import Observed
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.observing import BuiltInMonitor
from drillbox.sandbox.operators import Idle
from drillbox.sandbox.session import DrillSession
from drillbox.stacks.sim.stack import SimStack

DOCS = Path(__file__).parent
PICTURE = DOCS / "metastability.svg"
PAGE = DOCS / "metastability.md"
SEED = 1
BUDGET = 0.1
BEGIN, END = "<!-- table: made by make_pictures.py -->\n", "<!-- end of table -->\n"
LAST = 600.0
"""Seconds before the end over which the table takes means."""


@dataclass(frozen=True)
class Moment:
    """One observation, at drill second `at`. `asked`: logical requests scheduled and decided so far."""

    at: float
    utilisation: float
    requests: float
    in_time: float
    asked: float


@dataclass(frozen=True)
class Run:
    """One of the two drills, and when its rush began and ended."""

    name: str
    moments: tuple[Moment, ...]
    rush: tuple[float, float]

    def after(self, start: float) -> list[Moment]:
        """The moments from drill second `start` on."""
        return [moment for moment in self.moments if moment.at >= start]

    def mean(self, what: str) -> float:
        """The mean of a quantity over the last minutes."""
        values = [float(getattr(moment, what)) for moment in self.after(self.moments[-1].at - LAST)]
        return sum(values) / len(values)

    @property
    def offered(self) -> float:
        """Logical requests per second over the last minutes."""
        moments = self.after(self.moments[-1].at - LAST)
        return (moments[-1].asked - moments[0].asked) / (moments[-1].at - moments[0].at)

    @property
    def recovery(self) -> float | None:
        """Seconds from the end of the rush until 99% are answered in time, and stay so; None: never."""
        late = [moment.at for moment in self.moments if moment.in_time < 0.99]
        well = [moment.at for moment in self.moments if moment.at > max(late, default=0.0)]
        return well[0] - self.rush[1] if well else None


def play(name: str, scenario: Scenario) -> Run:
    """Play a scenario with nobody at the controls."""
    session = DrillSession(scenario, SEED, SimStack(), BuiltInMonitor(scenario))
    session.start(lambda _step, _done: None)
    session.run(Idle())
    moments = []
    for event in session.events():
        if isinstance(event.body, Observed):
            slis, ledger = event.body.slis, event.body.ledger
            asked = sum(ledger[outcome] for outcome in ("failed", "slow", "ok"))
            moments.append(Moment(event.at, slis["saturation"], slis["request_rate"], slis["latency"], asked))
    rush = next(beat for beat in scenario.timeline if beat.id == "rush")
    begin, lasts = rush.at or 0.0, rush.lasts or 0.0
    return Run(name, tuple(moments), (begin, begin + lasts))


def play_both() -> tuple[Run, Run]:
    """The drill as it is, and with the retry budget."""
    entry = next(entry for entry in Library.packaged().entries() if entry.id == "after-the-burst")
    scenario = load_scenario(entry.path)
    service = scenario.service
    tamed = replace(scenario, service=replace(service, gateway=replace(service.gateway, retry_budget=BUDGET)))
    return play("as it is", scenario), play(f"with a retry budget of {BUDGET:.0%}", tamed)


def table(runs: Sequence[Run]) -> str:
    """The numbers that the page quotes, as Markdown."""
    rows = {
        "requests that clients mean to make, at the end": [f"{_round(run.offered, 10):,.0f}/s" for run in runs],
        "requests at the gateway, in the rush": [f"{_round(max(m.requests for m in run.moments), 100):,.0f}/s" for run in runs],
        "requests at the gateway, at the end": [f"{_round(run.mean('requests'), 100):,.0f}/s" for run in runs],
        "utilisation, at the end": [f"{run.mean('utilisation'):.0%}" for run in runs],
        "answered in time, at the end": [f"{run.mean('in_time'):.0%}" for run in runs],
        "in order again after the rush": ["never" if run.recovery is None else f"{run.recovery:.0f} s" for run in runs],
    }
    lines = ["| | " + " | ".join(run.name for run in runs) + " |", "|---|" + "---|" * len(runs)]
    lines += [f"| {what} | {' | '.join(cells)} |" for what, cells in rows.items()]
    return "\n".join(lines) + "\n"


def _round(value: float, to: float) -> float:
    return round(value / to) * to


# The picture: two panels with fixed axes, both runs in each, told apart by colour, stroke and label.

WIDTH, LEFT, RIGHT = 760, 70, 20
PANEL, GAP, TOP = 170, 46, 34
STROKES = ('stroke="#d55e00"', 'stroke="#0072b2" stroke-dasharray="6 3"')
MINUTES = 20


@dataclass(frozen=True)
class Panel:
    """One chart: `ticks` from 0 to the axis' end, and how a tick is written."""

    title: str
    what: str
    ticks: tuple[float, ...]
    text: str
    label_at: tuple[float, float]  # value at which each run's label stands
    top: int

    def y(self, value: float) -> float:
        """The place of a value."""
        return self.top + PANEL * (1.0 - min(1.0, value / self.ticks[-1]))


def _x(seconds: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * seconds / (60.0 * MINUTES)


def picture(runs: Sequence[Run]) -> str:
    """The picture as SVG."""
    second = TOP + PANEL + GAP
    panels = (
        Panel("utilisation of the replicas", "utilisation", (0.0, 0.25, 0.5, 0.75, 1.0), "{:.0%}", (0.9, 0.54), TOP),
        Panel(
            "requests at the gateway per second",
            "requests",
            (0.0, 1000.0, 2000.0, 3000.0, 4000.0),
            "{:,.0f}",
            (1150.0, 330.0),
            second,
        ),
    )
    height = second + PANEL + 44
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
        "<title>A rush of one minute: without a retry budget the service stays saturated, with one it recovers</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for panel in panels:
        lines.extend(_panel(panel, runs))
    lines.append(f'<text x="{_x(600):.1f}" y="{height - 8}" text-anchor="middle">minutes of the drill</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def _panel(panel: Panel, runs: Sequence[Run]) -> Iterator[str]:
    begin, end = runs[0].rush
    bottom = panel.top + PANEL
    yield f'<text x="{LEFT}" y="{panel.top - 10}" font-weight="bold">{panel.title}</text>'
    yield f'<rect x="{_x(begin):.1f}" y="{panel.top}" width="{_x(end) - _x(begin):.1f}" height="{PANEL}" fill="#e0e0e0"/>'
    yield f'<text x="{_x(begin) - 4:.1f}" y="{panel.top + 14}" text-anchor="end">rush</text>'
    for tick in panel.ticks:
        y = panel.y(tick)
        yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#d0d0d0"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{panel.text.format(tick)}</text>'
    for minute in range(0, MINUTES + 1, 2):
        yield f'<text x="{_x(60 * minute):.1f}" y="{bottom + 16}" text-anchor="middle">{minute}</text>'
    for run, stroke, at in zip(runs, STROKES, panel.label_at, strict=True):
        points = " ".join(f"{_x(m.at):.1f},{panel.y(getattr(m, panel.what)):.1f}" for m in run.moments)
        yield f'<polyline fill="none" stroke-width="2" {stroke} points="{points}"/>'
        colour = stroke.split('"')[1]
        yield f'<text x="{_x(780):.1f}" y="{panel.y(at):.1f}" fill="{colour}">{run.name}</text>'


def with_table(page: str, text: str) -> str:
    """The page with the table in its place."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


if __name__ == "__main__":
    both = play_both()
    PICTURE.write_text(picture(both), encoding="utf-8")
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), table(both)), encoding="utf-8")
