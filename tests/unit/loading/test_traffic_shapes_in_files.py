"""Shapes under `world.traffic`: what they become, what is refused, and traces from files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from drillbox.sandbox.loading import load_scenario, load_scenario_text
from drillbox.sandbox.loading.traces import MAX_POINTS, TraceError, parse_trace, self_contained
from drillbox.sandbox.model.errors import InvalidScenarioError
from drillbox.sandbox.model.scenario import Scenario, Traffic
from drillbox.sandbox.model.traffic import Burst, Constant, Diurnal, Flow, Ramp, Replay, Spike, Step

PLAIN = "  traffic: {rate: 120/s}\n"


def shaped(valid: str, shapes: str, rest: str = "") -> str:
    assert valid.count(PLAIN) == 1
    return valid.replace(PLAIN, f"  traffic: {{rate: 120/s, shapes: [{shapes}]{rest}}}\n")


@pytest.fixture
def traffic(write: Callable[[str], Path], valid: str) -> Callable[..., Traffic]:
    def load(shapes: str, rest: str = "") -> Traffic:
        return load_scenario(write(shaped(valid, shapes, rest))).world.traffic

    return load


@pytest.fixture
def refused(problems: Callable[..., tuple[object, ...]]) -> Callable[..., str]:
    def find(shapes: str, rest: str = "") -> str:
        return str(problems((PLAIN, f"  traffic: {{rate: 120/s, shapes: [{shapes}]{rest}}}\n"))[0])

    return find


def test_a_rate_alone_is_constant(write: Callable[[str], Path], valid: str) -> None:
    assert load_scenario(write(valid)).world.traffic == Traffic(120.0)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("constant: {factor: 0.5}", Constant(0.5)),
        ("ramp: {at: 5m, over: 10m, factor: 3}", Ramp(300.0, 600.0, 3.0)),
        ("spike: {at: 5m, for: 2m, factor: 4, ramp: 20s}", Spike(300.0, 120.0, 4.0, 20.0)),
        ("step: {at: 5m, factor: 2}", Step(300.0, 2.0)),
        ("step: {at: {cal: 2h}, factor: 2, for: 1m}", Step(600.0, 2.0, 60.0)),
        ("diurnal: {}", Diurnal(6 * 3600.0, 0.05)),
        ("diurnal: {ahead: {cal: 2h}, floor: 10%}", Diurnal(7200.0, 0.1)),
        ("burst: {factor: 3, calm: 2m, busy: 20s}", Burst(3.0, 120.0, 20.0)),
        ('replay: {csv: "time,rate\\n0,60\\n1m,240/s\\n"}', Replay((0.0, 60.0), (0.5, 2.0))),
        ('replay: {csv: "time,factor\\n0,1\\n5,2", between: steps, repeat: true}', Replay((0.0, 5.0), (1.0, 2.0), True, True)),
    ],
)
def test_each_shape(traffic: Callable[..., Traffic], text: str, shape: object) -> None:
    assert traffic(f"{{{text}}}") == Traffic(120.0, (Flow(120.0, (shape,)),))


def test_shapes_multiply_and_flows_add(traffic: Callable[..., Traffic]) -> None:
    both = traffic("{constant: {factor: 2}}, {step: {at: 1m, factor: 3}}", ", plus: [{rate: 30/s}]")
    assert both == Traffic(150.0, (Flow(120.0, (Constant(2.0), Step(60.0, 3.0))), Flow(30.0)))


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ("{}", "world.traffic.shapes[0]: is empty; choose one of constant, ramp, spike, step, diurnal, burst, replay"),
        (
            "{ramp: {at: 1m, over: 1m, factor: 2}, constant: {factor: 2}}",
            "has constant and ramp; write each as an entry of its own",
        ),
        ("{spyke: {at: 1m}}", "unknown key 'spyke'; did you mean 'spike'?"),
        ("{ramp: {at: 1m, over: 0s, factor: 2}}", "'0s' is out of bounds: it must be at least 1s"),
        ("{step: {at: 5, factor: 2}}", "5 is not a duration: write a number and its unit"),
        (
            "{spike: {at: 1m, factor: 2}}",
            "world.traffic.shapes[0].spike.for: is missing: time from there until it begins to fall",
        ),
        ("{constant: {factor: 0}}", "together they leave no request at any time"),
        ("{constant: {factor: 1000}}", "together they reach 120,000/s; at most 100,000/s can be played"),
        ("{diurnal: {ahead: {cal: 48h}}}", "48h of the calendar is out of bounds: between {cal: 1h} and {cal: 24h}"),
        ("{replay: {}}", "a trace is needed: give file, or csv"),
        ("{replay: {csv: x, file: y.csv}}", "give either file or csv"),
        ('{replay: {csv: "time,rate\\n0,5\\n0,6"}}', "line 3 of the trace: times must rise, but 0 comes after 0"),
        ("{replay: {file: gone.csv}}", "world.traffic.shapes[0].replay.file: gone.csv: no such file"),
        ("{replay: {file: ../../etc/passwd}}", "must be in the folder of the scenario, or below it"),
        ("{replay: {file: /etc/passwd}}", "must be in the folder of the scenario, or below it"),
        ("{replay: {file: drill.yaml}}", "drill.yaml: is not a .csv file"),
    ],
)
def test_what_is_wrong_is_told(refused: Callable[..., str], shapes: str, message: str) -> None:
    told = refused(shapes)
    assert message in told
    assert "drill.yaml:13:" in told, "the line of the traffic"


def test_flows_together_are_bounded(refused: Callable[..., str]) -> None:
    told = refused("{constant: {factor: 500}}", ", plus: [{rate: 60000/s}]")
    assert "all clients together reach 120,000/s; at most 100,000/s can be played" in told


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a heading is needed, such as time,rate"),
        ("rate\n5", "a heading is needed, such as time,rate"),
        ("time,speed\n0,5", "beside time, one of the columns rate and factor is needed"),
        ("time,rate,factor\n0,5,1", "beside time, one of the columns rate and factor is needed"),
        ("time,rate", "has a heading, but no lines below it"),
        ("time,rate\n0", "line 2 of the trace: has 1 columns; 2 are needed"),
        ("time,rate\n0,fast", "line 2 of the trace: 'fast' is not a rate"),
        ("time,factor\n0,fast", "line 2 of the trace: 'fast' is not a number"),
        ("time,rate\nsoon,5", "line 2 of the trace: 'soon' is not a duration"),
        ("time,rate\n0,-5", "line 2 of the trace: '-5' is out of bounds: between 0 and 100000"),
        ("time,rate\n0,inf", "line 2 of the trace: 'inf' is not"),
        ("time,rate\n0,0\n1,0", "every value of the trace is 0"),
        ('time,rate\n0,"5', "of the trace: unexpected end of data"),
        ("time,rate\n" + "".join(f"{i},5\n" for i in range(MAX_POINTS + 1)), f"at most {MAX_POINTS} lines are allowed"),
    ],
)
def test_bad_traces(text: str, message: str) -> None:
    with pytest.raises(TraceError, match="^"):
        parse_trace(text)
    try:
        parse_trace(text)
    except TraceError as error:
        assert message in str(error)


def test_other_columns_and_blank_lines_do_not_matter() -> None:
    trace = parse_trace("host, Rate ,time\n\na,60,0\nb,120/s,1m\n\n")
    assert (trace.column, trace.times, trace.values) == ("rate", (0.0, 60.0), (60.0, 120.0))
    assert parse_trace(trace.text()) == trace


def test_a_trace_of_a_file_becomes_part_of_the_text(tmp_path: Path, valid: str) -> None:
    """The journal keeps the text: a replay must not need the file."""
    path = tmp_path / "drill.yaml"
    text = shaped(valid, "{replay: {file: traces/monday.csv, repeat: true}}, {replay: {file: 'traces/monday.csv'}}")
    path.write_text(f"# Überlast, mit 🛫 davor\n{text}", encoding="utf-8")
    (tmp_path / "traces").mkdir()
    (tmp_path / "traces" / "monday.csv").write_text("time,rate,station\n0,60,Zürich\n5m,240,Genf\n", encoding="utf-8")
    scenario: Scenario = load_scenario(path)
    wanted = (0.0, 300.0), (0.5, 2.0)
    assert scenario.world.traffic.flows == (Flow(120.0, (Replay(*wanted, repeat=True), Replay(*wanted))),)
    whole = self_contained(path)
    assert len(whole.splitlines()) == len(text.splitlines()) + 1, "every line stays where it is"
    assert load_scenario_text(whole, "elsewhere.jsonl").digest == scenario.digest
    (tmp_path / "traces" / "monday.csv").write_text("time,rate\n0,60\n5m,241\n", encoding="utf-8")
    assert load_scenario(path).digest != scenario.digest, "the trace is a part of the scenario"


def test_a_text_without_a_folder_names_no_file(valid: str) -> None:
    with pytest.raises(InvalidScenarioError, match="there is no folder to look for it: give the trace itself as csv"):
        load_scenario_text(shaped(valid, "{replay: {file: a.csv}}"), "somewhere")


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path, valid: str) -> None:
    folder = tmp_path / "pack"
    folder.mkdir()
    (tmp_path / "secret.csv").write_text("time,rate\n0,1\n", encoding="utf-8")
    (folder / "a.csv").symlink_to(tmp_path / "secret.csv")
    (folder / "drill.yaml").write_text(shaped(valid, "{replay: {file: a.csv}}"), encoding="utf-8")
    with pytest.raises(InvalidScenarioError, match="must be in the folder of the scenario"):
        load_scenario(folder / "drill.yaml")
