"""`drillbox fidelity`: plays both, tells what differs, and what it cannot compare; the raw series lie beside the journals."""

from __future__ import annotations

import dataclasses
import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest

from drillbox.sandbox.cli.main import run
from drillbox.sandbox.fidelity.series import SeriesWriter, read_series, series_path
from drillbox.sandbox.journal import read_journal
from drillbox.sandbox.model.errors import StackError, UsageError
from drillbox.sandbox.model.events import Ended, Event, Injected
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.stack import Capabilities
from drillbox.sandbox.model.telemetry import Scrape, Series
from drillbox.sandbox.session import DrillSession, Sink
from drillbox.wiring import Wiring

Fidelity = Callable[..., tuple[int, str, str]]


class TwoStacks(Wiring):
    """The simulation, and `other`: the simulation of a scenario that somebody has changed."""

    def __init__(self, change: Callable[[Scenario], Scenario]) -> None:
        self._change = change

    def stacks(self) -> Mapping[str, Capabilities]:
        known = dict(super().stacks())
        return {**known, "other": known["sim"]}

    def session(self, scenario: Scenario, seed: int, stack: str, sinks: Iterable[Sink] = ()) -> DrillSession:
        return super().session(self._change(scenario) if stack == "other" else scenario, seed, "sim", sinks)


@pytest.fixture
def fidelity(capsys: pytest.CaptureFixture[str], drillbox_home: Path, monkeypatch: pytest.MonkeyPatch) -> Fidelity:
    """`fidelity(change, "monday-rush")` compares it with itself, changed."""
    assert drillbox_home.is_dir()
    monkeypatch.setattr("signal.signal", lambda *_args: None)

    def call(change: Callable[[Scenario], Scenario], *args: str) -> tuple[int, str, str]:
        code = run(["fidelity", *args], TwoStacks(change))
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


def same(scenario: Scenario) -> Scenario:
    return scenario


def busier(scenario: Scenario) -> Scenario:
    traffic = dataclasses.replace(scenario.world.traffic, rate=scenario.world.traffic.rate * 1.1)
    return dataclasses.replace(scenario, world=dataclasses.replace(scenario.world, traffic=traffic))


def broken(_scenario: Scenario) -> Scenario:
    raise StackError("the other stack is on strike")


def test_equal_stacks_meet_every_band(fidelity: Fidelity, drillbox_home: Path) -> None:
    code, out, _ = fidelity(same, "monday-rush", "--stack", "other", "--times", "2")
    assert code == 0
    assert out.count("Every band is met.") == 2
    assert "2 of 2 runs met every band." in out
    assert "pages: same" in out
    kept = sorted(path.name for path in (drillbox_home / "fidelity").iterdir())
    assert len([name for name in kept if name.endswith(".series.jsonl.gz")]) == 3
    assert len(kept) == 6


def test_what_differs_is_named_with_its_band(fidelity: Fidelity) -> None:
    code, out, _ = fidelity(busier, "monday-rush", "--stack", "other", "--operator", "idle")
    assert code == 1
    assert "Not met:" in out
    assert "verdict window:" in out
    assert "errors: " in out.partition("Not met:")[2]
    assert "where 2 points is allowed" in out


def test_as_json_it_prints_nothing_else(fidelity: Fidelity) -> None:
    code, out, _ = fidelity(same, "monday-rush", "--stack", "other", "--json", "--quiet")
    (found,) = json.loads(out)
    assert code == 0
    assert found["met"] is True
    assert found["sim"]["figures"]["whole drill"] == found["other"]["figures"]["whole drill"]
    assert {line["what"]: line["met"] for line in found["lines"]}["p95"] is True


class Interrupted(TwoStacks):
    """Somebody presses Ctrl-C when the fault comes, on the other stack."""

    def session(self, scenario: Scenario, seed: int, stack: str, sinks: Iterable[Sink] = ()) -> DrillSession:
        def press(event: Event) -> None:
            if stack == "other" and isinstance(event.body, Injected):
                raise KeyboardInterrupt

        return super().session(scenario, seed, stack, [*sinks, press])


def test_an_interruption_ends_the_drill_and_leaves_what_can_be_read(
    capsys: pytest.CaptureFixture[str], drillbox_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_args: None)
    assert run(["fidelity", "monday-rush", "--stack", "other", "-q"], Interrupted(same)) == 130
    told = capsys.readouterr()
    assert told.out == ""
    assert "interrupted" in told.err
    journal = drillbox_home / "fidelity" / "monday-rush-reference-1-2.jsonl"
    assert str(journal) in told.err
    assert read_journal(journal).events[-1].body == Ended("interrupted")
    assert [scrape.at for scrape in read_series(series_path(journal))] == [0.0, 5.0, 10.0, 15.0, 20.0]


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (("monday-rush", "--stack", "othr"), 2, "unknown stack 'othr'; did you mean 'other'?"),
        (("monday-rsh", "--stack", "other"), 2, "did you mean 'monday-rush'?"),
        (("monday-rush", "--stack", "other", "--operator", "referenc"), 2, "did you mean 'reference'?"),
        (("monday-rush", "--stack", "other", "--profile", "shrt"), 2, "did you mean 'short'?"),
        (("monday-rush", "--stack", "other", "--times", "0"), 2, "0 is not in the range"),
        (("monday-rush", "--stack", "other", "--quiet"), 3, "the other stack is on strike"),
    ],
)
def test_what_is_wrong_is_said_with_its_exit_code(fidelity: Fidelity, args: tuple[str, ...], code: int, told: str) -> None:
    found, out, err = fidelity(broken, *args)
    assert (found, told in err) == (code, True), err
    assert "Every band is met" not in out


def a_scrape(at: float, *values: float, more: tuple[Series, ...] = ()) -> Scrape:
    series = (Series.of("up", job="gateway"), Series.of("up", job="model"), *more)
    return Scrape(at, series, np.array(values, np.float64))


def test_series_come_back_as_they_were(tmp_path: Path) -> None:
    scrapes = [a_scrape(0.0, 1.0, 0.1 + 0.2), a_scrape(5.0, float("nan"), 2.0), a_scrape(10.0, 1, 2, 3, more=(Series("x"),))]
    path = series_path(tmp_path / "one.jsonl")
    writer = SeriesWriter(path)
    for scrape in (None, scrapes[0], scrapes[0], *scrapes[1:]):
        writer.add(scrape)
    writer.close()
    found = list(read_series(path))
    assert [scrape.at for scrape in found] == [0.0, 5.0, 10.0]
    for here, there in zip(scrapes, found, strict=True):
        assert here.series == there.series
        assert here.values.tobytes() == there.values.tobytes()


def test_series_that_break_off_are_read_up_to_there(tmp_path: Path) -> None:
    path = tmp_path / "one.series.jsonl.gz"
    writer = SeriesWriter(path)
    for number in range(2000):
        writer.add(a_scrape(5.0 * number, float(number) ** 0.5, float(number) ** 1.5))
    writer.close()
    path.write_bytes(path.read_bytes()[:-4000])
    assert 0 < len(list(read_series(path))) < 2000


@pytest.mark.parametrize("lines", ['{"at": 0}', "[1]", "{", '{"at": 0, "values": [1, 2]}', '{"series": [3]}'])
def test_series_that_are_damaged_are_refused(tmp_path: Path, lines: str) -> None:
    path = tmp_path / "one.series.jsonl.gz"
    path.write_bytes(gzip.compress(lines.encode() + b"\n"))
    with pytest.raises(UsageError, match="is damaged"):
        list(read_series(path))
    with pytest.raises(UsageError, match="cannot read the series"):
        list(read_series(tmp_path / "gone.gz"))
    path.write_bytes(b"no gzip")
    with pytest.raises(UsageError, match="cannot read the series"):
        list(read_series(path))


def test_series_without_a_place_are_refused(tmp_path: Path) -> None:
    (tmp_path / "one.gz").mkdir()
    with pytest.raises(UsageError, match="cannot write"):
        SeriesWriter(tmp_path / "one.gz")
