"""`drillbox new`: what it writes is valid, whatever was chosen; it asks in a terminal only, and never overwrites."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drillbox.sandbox.loading import load_scenario, load_scenario_text
from drillbox.sandbox.loading.document import parse_document
from drillbox.sandbox.loading.template import Draft, render, scalar
from drillbox.sandbox.model.faults import FAULTS

Command = Callable[..., object]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_flags_are_enough(command, here: Path) -> None:
    ran = command(
        "new", "late-shift", "--fault", "traffic.spike", "--set", "factor=4.5", "--set", "ramp=20s", "--title", "Late: the shift",
        "--difficulty", "3", "--duration", "25m", "--rate", "90/s", "--start", "2013-06-10T06:00",
    )  # fmt: skip
    assert (ran.code, ran.out) == (0, "late-shift.yaml\n")
    scenario = load_scenario(here / "late-shift.yaml")
    assert (scenario.id, scenario.title, scenario.difficulty) == ("late-shift", "Late: the shift", 3)
    assert (scenario.duration, scenario.world.traffic.rate) == (1500.0, 90.0)
    assert scenario.world.start == dt.datetime(2013, 6, 10, 6)
    assert scenario.timeline[0].params == {"factor": 4.5, "ramp": 20.0}
    assert command("validate", "late-shift.yaml").out == "late-shift.yaml: valid\n"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_first_version_of_every_fault_is_valid(fault: str) -> None:
    scenario = load_scenario_text(render(Draft("late-shift", fault=fault)), "a.yaml")
    assert scenario.answer.cause == fault
    assert [beat.fault for beat in scenario.timeline] == [fault]
    assert scenario.reference.steps
    assert scenario.tempting


def test_a_control(command, here: Path) -> None:
    assert command("new", "still-waters", "--control").code == 0
    scenario = load_scenario(here / "still-waters.yaml")
    assert scenario.control
    assert scenario.timeline == ()


def test_its_tells_where_and_what_next(command, here: Path) -> None:
    (here / "pack").mkdir()
    ran = command("new", "late-shift", "--out", "pack")
    assert ran.out == "pack/late-shift.yaml\n"
    assert "drillbox prove pack/late-shift.yaml" in ran.err
    assert command("new", "late-shift", "--out", "other-name.yaml").out == "other-name.yaml\n"


def test_on_stdout_nothing_is_written(command, here: Path) -> None:
    ran = command("new", "late-shift", "--out", "-")
    assert load_scenario_text(ran.out, "stdout").id == "late-shift"
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda path: path.symlink_to("nowhere")])
def test_nothing_is_ever_overwritten(command, here: Path, make: Callable[[Path], None]) -> None:
    target = here / "late-shift.yaml"
    make(target)
    before = target.lstat()
    ran = command("new", "late-shift", "--out", str(target.parent / "late-shift.yaml"))
    assert ran.code == (0 if target.is_dir() else 2)
    if not target.is_dir():
        assert "is there already, and new never overwrites: choose another ID, or another --out" in ran.err
    assert target.lstat().st_ino == before.st_ino
    assert target.is_dir() or target.lstat().st_size == before.st_size
    assert not (here / "nowhere").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "give the ID of the new scenario, such as late-shift"),
        (("Late Shift",), "write it in small letters and digits, joined by hyphens"),
        (("../late-shift",), "write it in small letters and digits, joined by hyphens"),
        (("spike-week",), "tells the cause, 'traffic.spike'"),
        (("late-shift", "--title", "A spike"), "tells the cause"),
        (("late-shift", "--fault", "traffic.spyke"), "unknown fault 'traffic.spyke'; did you mean 'traffic.spike'?"),
        (("late-shift", "--fault", "traffic.spike", "--control"), "give either --fault or --control"),
        (("late-shift", "--set", "faktor=2"), "unknown parameter 'faktor' of traffic.spike; did you mean 'factor'?"),
        (("late-shift", "--set", "factor"), "write NAME=VALUE, such as factor=4"),
        (("late-shift", "--set", "factor=many"), "'many' is not a number"),
        (("late-shift", "--set", "factor=1000"), "1000 is out of bounds: between 1 and 100"),
        (("late-shift", "--duration", "20"), "--duration: '20' is not a duration"),
        (("late-shift", "--duration", "25h"), "is out of bounds: it must be at most 24h"),
        (("late-shift", "--rate", "120"), "--rate: '120' is not a rate"),
        (("late-shift", "--start", "tomorrow"), "--start: 'tomorrow' is not a date"),
        (("late-shift", "--start", "2014-07-08"), "the calendar leaves the data"),
        (("late-shift", "--difficulty", "9"), "9 is not in the range"),
        (("late-shift", "--out", "nowhere/"), "nowhere: no such folder"),
        (("late-shift", "--out", "late-shift.txt"), "the name of a scenario's file ends with .yaml"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_written(command, here: Path, args: tuple[str, ...], message: str) -> None:
    ran = command("new", *args)
    assert ran.code == 2
    assert message in ran.err
    assert ran.out == ""
    assert list(here.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_folder_that_is_not_writable(command, here: Path) -> None:
    here.chmod(0o500)
    ran = command("new", "late-shift")
    assert ran.code == 2
    assert "it is not writable" in ran.err


def test_it_asks_in_a_terminal(terminal, here: Path) -> None:
    new = terminal("new")
    new.expect("What goes wrong?", "traffic.spike", "Fault [traffic.spike]:")
    new.type("traffic.spyke")
    new.expect("did you mean 'traffic.spike'?", "Fault [traffic.spike]:")
    new.type("")
    new.expect("factor:", "[3]:")
    new.type("1000")
    new.expect("out of bounds: between 1 and 100", "[3]:")
    new.type("5")
    new.expect("ramp:", "[0s]:")
    new.type("")
    new.expect("ID (small letters")
    new.type("spike-week")
    new.expect("tells the cause", "ID (small letters")
    new.type("late-shift")
    new.expect("Title [Late shift]:")
    new.type("")
    new.expect("Difficulty [2]:")
    new.type("4")
    assert new.end() == 0
    scenario = load_scenario(here / "late-shift.yaml")
    assert (scenario.difficulty, scenario.timeline[0].params["factor"]) == (4, 5.0)


def test_ctrl_c_writes_nothing(terminal, here: Path) -> None:
    new = terminal("new", "late-shift")
    new.expect("[traffic.spike]:")
    assert new.insist() == 130
    assert list(here.iterdir()) == []


def test_yes_asks_nothing(terminal, here: Path) -> None:
    assert terminal("new", "late-shift", "--yes").end() == 0
    assert load_scenario(here / "late-shift.yaml").id == "late-shift"


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_written_so_that_it_is_read_again(text: str) -> None:
    usable = text.isprintable() and "\ud800" not in text
    if usable:
        assert parse_document(f"a: {scalar(text)}   # comment\n", "a").data == {"a": text}


@pytest.mark.parametrize(
    "text", ["off", "true", "null", "3", "3.5", "~", "", "a: b", "a #b", "- a", "'", '"', "{a}", "2013-01-01", "a,b"]
)
def test_texts_that_look_like_something_else(text: str) -> None:
    assert parse_document(f"a: {scalar(text)}   # comment\n", "a").data == {"a": text}
