"""What a machine was measured to need: what it means for a scenario, the file that it is kept in, and the command."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox import calibrating
from drillbox.sandbox.calibrating import HALF, Load, calibrated, calibrated_text, calibration_file, claims, loads_of
from drillbox.sandbox.cli.main import run
from drillbox.sandbox.journal import read_journal
from drillbox.sandbox.loading import Library, load_scenario, load_scenario_text
from drillbox.sandbox.model.calibration import Calibration, Timings
from drillbox.sandbox.model.errors import StackError, UsageError
from drillbox.sandbox.model.scenario import Runtime, Scenario
from drillbox.sandbox.model.telemetry import Scrape, Series
from drillbox.wiring import Wiring

FAST = Timings(0.003, 0.2, 0.001, 0.0001, 0.00005, 1.0, 2.0, 1.5, 400, 3)
TIME = st.floats(1e-6, 100.0)


def machine(timings: Timings = FAST, cores: int = 8) -> Calibration:
    return Calibration(timings, "a processor", cores, "2026-11-21T12:00:00+00:00", {"python": "3.11"})


@pytest.fixture(scope="module")
def rush() -> Scenario:
    return load_scenario(Library.packaged().find("monday-rush"), "short")


def text_of(name: str) -> str:
    return Path(Library.packaged().find(name)).read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------------------------------- what it means


def test_a_fast_machine_keeps_what_is_assumed(rush: Scenario) -> None:
    found = claims(rush, [Load(100.0, 0.0), Load(420.0, 1000.0)], machine())
    assert all(claim.kept for claim in found)
    whole = rush.runtime.start_time + rush.runtime.load_time
    assert {claim.what: (claim.measured, claim.assumed) for claim in found}["start and load"] == (3.0, whole)
    cores = found[-1]
    assert cores.measured == pytest.approx(420.0 * 0.001 + 1000.0 * 0.0001)
    assert cores.assumed == HALF * 8


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"answer": 0.026}, "answer"),
        ({"rules": 0.005}, "rules"),
        ({"load": 14.5}, "start and load"),
        ({"training": 61.0}, "training"),
        ({"answer_cpu": 0.01}, "processors"),
    ],
)
def test_what_it_cannot_keep_is_named_and_only_that(rush: Scenario, change: dict[str, float], what: str) -> None:
    rush = dataclasses.replace(rush, runtime=Runtime(service_time=0.05, rules_time=0.004, start_time=5.0, load_time=10.0))
    found = claims(rush, [Load(420.0, 0.0)], machine(dataclasses.replace(FAST, **change)))  # type: ignore[arg-type]
    assert [claim.what for claim in found if not claim.kept] == [what]


def test_loads_are_counted_over_all_replicas_and_through_restarts() -> None:
    def scrape(at: float, **values: float) -> Scrape:
        parts = [name.split("_") for name in values]
        series = tuple(Series.of("model_server_requests_total", pod=pod, code=code) for pod, code in parts)
        return Scrape(at, (*series, Series("up")), np.array([*values.values(), 1.0]))

    first = scrape(0.0, a_200=100.0, a_503=0.0)
    second = scrape(5.0, a_200=150.0, a_503=10.0)
    third = scrape(10.0, a_200=20.0, a_503=10.0, b_200=30.0)  # a has started again, b is new
    assert list(loads_of([first, second, third])) == [Load(10.0, 2.0), Load(10.0, 0.0)]
    assert list(loads_of([first])) == list(loads_of([])) == []


@given(st.builds(Timings, TIME, TIME, TIME, TIME, TIME, TIME, TIME, TIME, st.just(9), st.just(3)))
def test_a_calibrated_runtime_can_be_kept_and_is_never_faster(timings: Timings) -> None:
    before = Runtime()
    after = calibrated(before, machine(timings))
    names = [field.name for field in dataclasses.fields(Runtime)]
    assert all(getattr(after, name) >= getattr(before, name) for name in names)
    assert after.start_time + after.load_time >= timings.start + timings.load - 1e-9
    assert calibrated(after, machine(timings)) == after
    assert (after.service_time_cv, after.cancel_on_timeout) == (before.service_time_cv, before.cancel_on_timeout)


@pytest.mark.parametrize("profile", ["short", ""])
def test_a_scenario_by_the_figures_of_a_slow_machine(profile: str) -> None:
    text = text_of("monday-rush")
    slow = machine(dataclasses.replace(FAST, answer=0.16, start=40.0, load=45.5))
    changed = load_scenario_text(calibrated_text(text, "x.yaml", profile, slow), "x.yaml", profile)
    plain = load_scenario_text(text, "x.yaml", profile)
    assert changed.runtime == dataclasses.replace(plain.runtime, service_time=0.16, start_time=40.0, load_time=45.5)
    assert changed.digest != plain.digest  # and with it the key of its baselines
    assert dataclasses.replace(changed, runtime=plain.runtime, digest=plain.digest) == plain
    assert calibrated_text(calibrated_text(text, "x.yaml", profile, slow), "x.yaml", profile, slow) == calibrated_text(
        text, "x.yaml", profile, slow
    )


def test_a_fast_machine_changes_no_scenario() -> None:
    text = text_of("monday-rush")
    assert calibrated_text(text, "x.yaml", "short", machine()) == text


# ------------------------------------------------------------------------------------------------------------------ the file


def test_what_was_kept_is_read_again(tmp_path: Path) -> None:
    calibrating.save(machine(), tmp_path / "calibration.json")
    assert calibrating.read(tmp_path / "calibration.json") == machine()


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"cores": "many"},
        {"versions": 3},
        {"timings": {}},
        {"timings": dataclasses.asdict(FAST) | {"answer": -1.0}},
        {"timings": dataclasses.asdict(FAST) | {"load": "fast"}},
        {"timings": dataclasses.asdict(FAST) | {"start": float("nan")}},
    ],
)
def test_a_damaged_calibration_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "calibration.json"
    calibrating.save(machine(), path)
    path.write_text(json.dumps(json.loads(path.read_bytes()) | change), encoding="utf-8")
    with pytest.raises(UsageError, match="drillbox calibrate --write"):
        calibrating.read(path)


def test_no_calibration_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="this machine is not calibrated.*drillbox calibrate --write"):
        calibrating.read(tmp_path / "calibration.json")
    (tmp_path / "half.json").write_text('{"schema"', encoding="utf-8")
    with pytest.raises(UsageError, match="cannot read the calibration"):
        calibrating.read(tmp_path / "half.json")


# --------------------------------------------------------------------------------------------------------------- the command


class Measured(Wiring):
    """Measures what somebody says."""

    def __init__(self, timings: Timings | StackError) -> None:
        self._timings = timings

    def measure(self, *_args: object) -> Timings:
        if isinstance(self._timings, StackError):
            raise self._timings
        return self._timings


Calibrate = Callable[..., tuple[int, str, str]]


@pytest.fixture
def calibrate(capsys: pytest.CaptureFixture[str], drillbox_home: Path, monkeypatch: pytest.MonkeyPatch) -> Calibrate:
    """`calibrate(timings, "--json")` runs the command on a machine of two cores."""
    assert drillbox_home.is_dir()
    monkeypatch.setattr("signal.signal", lambda *_args: None)
    monkeypatch.setattr("drillbox.sandbox.cli.calibrate.whole_library", lambda *_args: ["monday-rush"])  # to save time
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0, 1}, raising=False)

    def call(timings: Timings | StackError, *args: str) -> tuple[int, str, str]:
        code = run(["calibrate", *args], Measured(timings))
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


def row_of(text: str, scenario: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith(f"{scenario} ")]
    return line


def test_the_command_sets_measured_and_assumed_side_by_side(calibrate: Calibrate, rush: Scenario) -> None:
    code, out, _ = calibrate(FAST)
    assert code == 0
    assert "answer, one at a time        3.00 ms (cv 0.20)" in out
    row = row_of(out, "monday-rush")
    assert f"3ms of {500 * rush.runtime.service_time:g}ms" in row
    assert f"3s of {rush.runtime.start_time + rush.runtime.load_time:g}s" in row
    assert row.endswith("yes")
    assert not calibration_file().exists()


def test_the_command_says_what_this_machine_cannot_keep(calibrate: Calibrate) -> None:
    code, out, _ = calibrate(dataclasses.replace(FAST, answer_cpu=0.2))
    assert code == 1
    assert row_of(out, "monday-rush").endswith("NO")
    assert "monday-rush: processors: " in out


def test_the_command_writes_what_it_found(calibrate: Calibrate) -> None:
    code, out, err = calibrate(FAST, "--write", "--json")
    data = json.loads(out)
    assert code == 0
    assert str(calibration_file()) in err
    kept = calibrating.read(calibration_file())
    assert kept.timings == FAST
    assert kept.cores == data["cores"] == 2
    assert {claim["what"] for claim in data["scenarios"]["monday-rush"]} >= {"answer", "training", "processors"}


def test_the_command_fails_as_its_parts_do(calibrate: Calibrate) -> None:
    code, _, err = calibrate(StackError("the model server did not come up: no model"))
    assert (code, "did not come up: no model" in err) == (3, True)
    code, _, err = calibrate(FAST, "--stack", "sim")
    assert (code, "'sim' is not 'local'" in err) == (2, True)
    code, _, err = calibrate(FAST, "--profile", "shrt")
    assert (code, "did you mean 'short'?" in err) == (2, True)


def test_a_drill_with_the_times_of_this_machine(
    capsys: pytest.CaptureFixture[str], drillbox_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert drillbox_home.is_dir()
    monkeypatch.setattr("signal.signal", lambda *_args: None)
    drill = [
        "run",
        "monday-rush",
        "--profile",
        "short",
        "--operator",
        "idle",
        "--out",
        str(tmp_path),
        "--json",
        "-",
        "--calibrated",
    ]
    assert run(drill, Wiring()) == 2
    assert "this machine is not calibrated" in capsys.readouterr().out

    harms = []
    for timings in (FAST, dataclasses.replace(FAST, answer=0.2)):
        calibrating.save(machine(timings), calibration_file())
        assert run(drill, Wiring()) == 1
        (result,) = json.loads(capsys.readouterr().out)
        harms.append(result["harm"]["failed"])
    assert harms[1] > 1.1 * harms[0]  # 200 ms for an answer: less can be answered

    journal = tmp_path / "monday-rush-idle-1-2.jsonl"
    assert load_scenario_text(read_journal(journal).header.text, "x.yaml", "short").runtime.service_time == 0.2
    assert run(["replay", str(journal)], Wiring()) == 0
