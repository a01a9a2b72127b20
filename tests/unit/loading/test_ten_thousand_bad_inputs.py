"""Ten thousand bad inputs: scenarios, runbooks, traces, journals, typed commands and command lines, each broken in some way.

Whatever comes in, the outcome is what the program does with good input, or an error for people: never a traceback. Hypothesis
draws a string of bytes for each case; the bytes choose what is broken and how, so a failing case shrinks to few, small bytes.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from drillbox.sandbox.cli.main import COMMANDS, run
from drillbox.sandbox.cli.orders import WORDS, OrderError, parse_order
from drillbox.sandbox.drill import header_of, result_of
from drillbox.sandbox.journal import encode, parse_journal
from drillbox.sandbox.loading import Library, load_scenario, load_scenario_text
from drillbox.sandbox.loading.document import parse_document
from drillbox.sandbox.loading.json_schema import json_schema
from drillbox.sandbox.loading.loader import runbook_from
from drillbox.sandbox.loading.traces import TraceError, parse_trace
from drillbox.sandbox.model.actions import ACTIONS
from drillbox.sandbox.model.calibration import Timings
from drillbox.sandbox.model.errors import DrillboxError, InvalidScenarioError, StackError, UsageError
from drillbox.sandbox.model.events import Role
from drillbox.sandbox.model.faults import FAULTS
from drillbox.sandbox.model.grounds import Grounds
from drillbox.sandbox.model.housekeeping import Housekeeping
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.operators import Scripted
from drillbox.sandbox.reports.markdown import debrief
from drillbox.sandbox.reports.plain import result_data
from drillbox.sandbox.session import DrillSession
from drillbox.wiring import Wiring

CASES = {"scenarios": 2500, "runbooks": 1500, "traces": 500, "journals": 2000, "orders": 2500, "command lines": 1000}
"""How many of each."""

ChoiceT = TypeVar("ChoiceT")

JUNK = (
    "", " ", "\n", "\t", ":", ": ", "- ", "{}", "[]", "null", "true", "off", "0", "-1", "1e999", "9" * 40, ".nan", ".inf", "5m", "5%", "120/s", "{cal: 6h}",
    "{cal: []}", "&a", "*a", "!!python/object:os.system", "<<: {}", "\n---\n", "...", "%", "@", "'", '"', "|", ">", "#", "é", "\u2028", "\x00", "\ud800",
    "🛫", "x" * 500, "2013-02-30", "~", "? ", "((((", "a.b.c", "../../x", "\r", "=", "0x1f", "١٢٣/s", "nan%", "inf", "1h" * 80,
)  # fmt: skip


def cases(kind: str) -> settings:
    """As many cases as the table says, with nothing kept from one run to the next."""
    return settings(
        max_examples=CASES[kind],
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


class Choices:
    """Decisions out of a string of bytes; after its end all are the first one."""

    def __init__(self, data: bytes) -> None:
        self._data = iter(data)

    def number(self, below: int) -> int:
        value = next(self._data, 0)
        if below > 256:
            value = value * 256 + next(self._data, 0)
        return value % below if below else 0

    def of(self, options: Sequence[ChoiceT]) -> ChoiceT:
        return options[self.number(len(options))]


def broken(text: str, words: Sequence[str], choices: Choices) -> str:
    """A text with one to four things done to it."""
    for _ in range(1 + choices.number(4)):
        if choices.number(3) == 0:
            text = _lines(text, choices)
            continue
        tokens = re.findall(r"\w+|\s+|[^\w\s]", text) or [""]
        at, other = choices.number(len(tokens)), choices.number(len(tokens))
        match choices.number(5):
            case 0:
                tokens[at] = choices.of(JUNK)
            case 1:
                tokens[at] = choices.of(words)
            case 2:
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case 3:
                tokens.insert(at, tokens[other])
            case _:
                tokens[at] = ""
        text = "".join(tokens)
    return text


def _lines(text: str, choices: Choices) -> str:
    lines = text.split("\n")
    at, other = choices.number(len(lines)), choices.number(len(lines))
    match choices.number(6):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[other])
        case 2:
            lines[at] = " " * choices.number(9) + lines[at].lstrip()
        case 3:
            key = lines[at].partition(":")[0]
            lines[at] = f"{key}: {choices.of(JUNK)}"
        case 4:
            lines[at], lines[other] = lines[other], lines[at]
        case _:
            del lines[at + 1 :]
    return "\n".join(lines)


def words_of(*texts: str) -> list[str]:
    return sorted({word for text in texts for word in re.findall(r"[\w.-]+", text)})


def told(error: Exception) -> None:
    """An error for people says something, in lines of a length that can be read."""
    assert isinstance(error, DrillboxError | OrderError | TraceError)
    text = str(error)
    assert text
    assert max(map(len, text.splitlines())) < 1500
    if isinstance(error, InvalidScenarioError):
        assert error.problems
        assert all(problem.message and "\n" not in str(problem) for problem in error.problems)


SHAPED = """\
  traffic:
    rate: 120/s
    shapes:
      - ramp: {at: 5m, over: {cal: 1h}, factor: 2}
      - spike: {at: 1m, for: 30s, factor: 3, ramp: 5s}
      - step: {at: 2m, factor: 0.5, for: 1m}
      - diurnal: {ahead: {cal: 3h}, floor: 5%}
      - burst: {factor: 2, calm: 1m, busy: 5s}
      - replay: {csv: "time,rate\\n0,100\\n1m,130/s", between: steps, repeat: true}
    plus:
      - {rate: 600/m}
"""


class Texts(tuple[str, ...]):
    """With a short name in Hypothesis's reports."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} scenarios>"


@pytest.fixture(scope="module")
def texts(valid: str) -> Texts:
    """Valid scenarios: a small one, one with every shape of traffic, and those of the package."""
    plain = "  traffic: {rate: 120/s}\n"
    assert plain in valid
    packaged = [path.read_text(encoding="utf-8") for path in Library.packaged().paths()]
    small = [valid, valid.replace(plain, SHAPED)]
    for text in small + packaged:
        load_scenario_text(text, "valid.yaml")
    return Texts((*small * 8, *packaged))  # the small ones break in more places


@pytest.fixture(scope="module")
def schema() -> Callable[[object], bool]:
    validator = jsonschema_rs.validator_for(json_schema())
    return lambda data: bool(validator.is_valid(data))


@cases("scenarios")
@given(data=st.binary(min_size=6, max_size=32))
def test_scenarios(texts: Texts, schema: Callable[[object], bool], data: bytes) -> None:
    """A scenario or a list of problems; and whatever is valid is so for an editor, too."""
    choices = Choices(data)
    text = broken(choices.of(texts), [*FAULTS, *ACTIONS, *words_of(*texts[:2])], choices)
    try:
        scenario = load_scenario_text(text, "drill.yaml")
    except InvalidScenarioError as error:
        told(error)
        assert all(problem.place.file == "drill.yaml" for problem in error.problems)
    else:
        assert isinstance(scenario, Scenario)
        assert len(scenario.digest) == 64
        assert schema(parse_document(text, "drill.yaml").data) or _has_quoted_number(text)


def _has_quoted_number(text: str) -> bool:
    """What only the schema is strict about."""
    return bool(re.search(r"""["'|>]""", text))


@pytest.fixture(scope="module")
def rush() -> Scenario:
    return load_scenario(Library.packaged().find("monday-rush"))


RUNBOOK = """\
id: my-way
why: To see what happens.
notice: 90s
step: {cal: 10m}
steps:
  - when: saturation > 0.9 and error_ratio > 5%
    for: 10s
    do: shed
    with: {share: 50%}
    why: It is full.
  - alert: AvailabilityBurnRate
    do: set-autoscaler
    with: {maximum: 10, target: 60%}
  - log: refused by load shedding
    do: diagnose
    with: {component: clients, cause: traffic.spike}
  - at: 15m
    do: silence
    with: {alert: SaturationHigh, duration: 5m}
"""


@cases("runbooks")
@given(data=st.binary(min_size=6, max_size=32))
def test_runbooks(rush: Scenario, data: bytes) -> None:
    choices = Choices(data)
    text = broken(RUNBOOK, [*ACTIONS, *words_of(RUNBOOK)], choices)
    try:
        book = runbook_from(parse_document(text, "runbook.yaml"), rush)
    except DrillboxError as error:
        told(error)
    else:
        Scripted(book)


TRACE = "time,rate,host\n0,95,a\n60,7200/m,b\n2m30s,120.5,a\n300,0,\n"


@cases("traces")
@given(data=st.binary(min_size=6, max_size=32))
def test_traces(data: bytes) -> None:
    text = broken(TRACE, words_of(TRACE, "factor"), Choices(data))
    try:
        trace = parse_trace(text)
    except TraceError as error:
        told(error)
    else:
        assert parse_trace(trace.text()) == trace


@pytest.fixture(scope="module")
def journal() -> bytes:
    """A real drill, of whose events the first three of each kind are kept, and numbered anew."""
    path = Library.packaged().find("monday-rush")
    scenario = load_scenario(path, "short")
    session = Wiring().session(scenario, 1, "sim")
    session.start(lambda _step, _done: None)
    session.submit("scale", {"replicas": "many"})
    session.run(Scripted(scenario.reference))
    seen: dict[str, int] = {}
    lines: list[Mapping[str, object]] = []
    header = header_of(scenario, path.read_text(encoding="utf-8"), 1, "sim", "reference", "data")
    lines.append({"header": {name: _plain(getattr(header, name)) for name in header.__dataclass_fields__}})
    for event in session.events(role=Role.FACILITATOR):
        one = encode(event)
        kind = str(one["is"])
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= 3 or kind == "Ended":
            lines.append({**one, "n": len(lines) - 1})
    raw = "".join(json.dumps(line, default=_plain) + "\n" for line in lines).encode()
    result_of(parse_journal(raw, "whole"), None)
    return raw


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else getattr(value, "value", value)


@cases("journals")
@given(data=st.binary(min_size=6, max_size=32))
def test_journals(journal: bytes, data: bytes) -> None:
    """Read, judged, and told: of a damaged journal, or of one whose events contradict each other."""
    raw = _damaged(journal, Choices(data))
    try:
        found = parse_journal(raw, "a.jsonl")
        result = result_of(found, Path("a.jsonl"))
    except DrillboxError as error:
        told(error)
        return
    assert debrief(result)
    json.dumps(result_data(result))


def _damaged(journal: bytes, choices: Choices) -> bytes:
    lines = journal.split(b"\n")[:-1]
    for _ in range(1 + choices.number(3)):
        at, other = choices.number(len(lines)), choices.number(len(lines))
        match choices.number(8):
            case 0:
                lines[at], lines[other] = lines[other], lines[at]
            case 1:
                del lines[at:]
            case 2:
                del lines[at]
            case 3:
                lines.insert(at, lines[other])
            case 4:
                cut = choices.number(len(lines[at]) or 1)
                lines[at] = lines[at][:cut] + bytes([choices.number(256)]) + lines[at][cut + 1 :]
            case _:
                lines[at] = _changed(lines[at], choices)
        lines = lines or [b""]
    if choices.number(2):
        lines = _numbered(lines)
    return b"\n".join(lines) + (b"" if choices.number(8) == 7 else b"\n")


VALUES: tuple[object, ...] = (
    None, 0, -1, 1.5, 1e308, 10**30, True, "", "x", "none", "clients", "finished", [], {}, [[]], {"x": 1}, "é" * 300, "availability", "AvailabilityBurnRate",
)  # fmt: skip


def _changed(line: bytes, choices: Choices) -> bytes:
    """A line with one of its values changed, removed or added, at any depth."""
    try:
        data = json.loads(line)
    except ValueError:
        return line
    place = data
    for _ in range(4):
        inner = [
            value for value in (place.values() if isinstance(place, dict) else place) if isinstance(value, dict | list) and value
        ]
        if not inner or choices.number(3) == 0:
            break
        place = choices.of(inner)
    key: object = choices.of(sorted(place, key=str)) if isinstance(place, dict) and place else choices.number(len(place) or 1)
    if isinstance(place, dict):
        match choices.number(4):
            case 0:
                place.pop(key, None)
            case 1:
                place[str(choices.of(VALUES))] = choices.of(VALUES)
            case _:
                place[key] = choices.of(VALUES)
    elif isinstance(place, list) and place:
        place[key] = choices.of(VALUES)
    return json.dumps(data).encode()


def _numbered(lines: Iterable[bytes]) -> list[bytes]:
    """Events numbered as they stand, so that their contents are looked at."""
    found: list[bytes] = []
    for line in lines:
        with contextlib.suppress(ValueError, TypeError):
            data = json.loads(line)
            if isinstance(data, dict) and "n" in data:
                found.append(json.dumps({**data, "n": len(found) - 1}).encode())
                continue
        found.append(line)
    return found


ORDERS = (
    *ACTIONS,
    *WORDS,
    "replicas=6",
    "share=50%",
    "timeout=2s",
    "6",
    "50%",
    "maximum=10",
    "on",
    "off",
    "mode=always",
    "temp",
    "=",
    "a=b=c",
    "30x",
)


@cases("orders")
@given(data=st.binary(min_size=2, max_size=16))
def test_orders(data: bytes) -> None:
    """What a person types in a drill: words of the language in any order, and anything between them."""
    choices = Choices(data)
    parts = [choices.of((*ORDERS, *JUNK)) for _ in range(1 + choices.number(5))]
    line = choices.of((" ", "", "\t", " = ")).join(parts)
    try:
        order = parse_order(line, list(ACTIONS.values()))
    except OrderError as error:
        told(error)
    else:
        assert (order.action in ACTIONS) != (order.word in (*WORDS, "nothing"))


class NothingRuns(Wiring):
    """The real library, and stacks that cannot be brought up."""

    def session(self, *_args: object, **_keywords: object) -> DrillSession:
        raise StackError("nothing runs here")

    def measure(self, *_args: object) -> Timings:
        raise StackError("nothing runs here")

    def grounds(self) -> dict[str, Grounds]:
        return {}

    def housekeeping(self) -> dict[str, Housekeeping]:
        return {}

    def data_hash(self, _progress: object) -> str:
        return "data"

    def code_hash(self) -> str:
        return "code"

    def check_world(self, _scenario: Scenario) -> None:
        raise UsageError("no world here")

    def cockpit(self, *_args: object) -> int:
        return 0


VISIBLE = [name for name in COMMANDS if name not in ("attach", "status", "down")]  # these look for running drills
LINE = (
    "monday-rush", "quiet-night", "acme/slow-lane", "drill.yaml", "gone.yaml", "one.jsonl", "gone.jsonl", "-", ".", "/", "--all", "--json", "--seed", "--seeds",
    "--profile", "short", "--operator", "idle", "reference", "--speed", "10x", "--stack", "sim", "--spoilers", "--quiet", "-q", "-h", "--help", "--version", "--out",
    "made", "--html", "--md", "--junit", "--jobs", "--fault", "traffic.spike", "--set", "factor=3", "--control", "--yes", "--pack", "--skill", "--difficulty",
    "--no-compare", "--plain", "prometheus-rules", "metrics", "openapi", "schema", "runbook", "bash", "1", "-3", "late-shift", '{"scenario": "monday-rush"}', "--", "\udcff",
    *(junk for junk in JUNK if junk not in ("\x00", "\ud800")),  # no command line can hold these
)  # fmt: skip


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory, valid: str, journal: bytes) -> Path:
    """A folder with a scenario and a journal."""
    folder = tmp_path_factory.mktemp("command-lines") / "a" / "b" / "c"  # what climbs out of it stays here
    folder.mkdir(parents=True)
    (folder / "drill.yaml").write_text(valid, encoding="utf-8")
    (folder / "one.jsonl").write_bytes(journal)
    return folder


@cases("command lines")
@given(data=st.binary(min_size=2, max_size=16))
def test_command_lines(workplace: Path, data: bytes) -> None:
    """The whole command, but for playing: exit code 0, 1, 2, or 3 of the stack that cannot be brought up, and never a bug."""
    choices = Choices(data)
    args = [choices.of(VISIBLE), *(choices.of(LINE) for _ in range(choices.number(6)))]
    if choices.number(8) == 7:
        args = args[1:]
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.chdir(workplace)
        patch.setattr("signal.signal", lambda *_args: None)
        code = run(args, NothingRuns())
    assert code in {0, 1, 2, 3}
    assert "Traceback" not in err.getvalue()
    assert "this is a bug in drillbox" not in err.getvalue()
    assert code == 0 or err.getvalue() or out.getvalue()
    assert (code == 3) == ("nothing runs here" in err.getvalue() + out.getvalue())


def test_there_are_ten_thousand() -> None:
    assert sum(CASES.values()) >= 10_000
