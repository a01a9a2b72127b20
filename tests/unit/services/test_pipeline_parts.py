"""The parts of the pipeline: tails of files, lines of the log, the outbox, the desired state of two sides, reports of replicas."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox.control.canary import Tally
from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.model.service import Approval, Retraining, ServiceSpec, Workload, fields_of
from drillbox.sandbox.world.data import FEATURES
from drillbox.stacks.services.pipeline.answers import Prediction, UnreadableError, parse
from drillbox.stacks.services.pipeline.outbox import Desire, Outbox, Said
from drillbox.stacks.services.pipeline.replicas import Report, ReportedReplicas
from drillbox.stacks.services.pipeline.spec import checked, merged
from drillbox.stacks.services.pipeline.tails import MOST, Tails

# ------------------------------------------------------------------------------------------------------------------------ tails


@given(st.lists(st.binary(max_size=30).map(lambda raw: raw.replace(b"\n", b"?")), max_size=20), st.data())
def test_every_line_is_read_once_however_it_is_written(lines: list[bytes], data: st.DataObject) -> None:
    import tempfile

    content = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=5)))
    with tempfile.TemporaryDirectory() as folder:
        tails, found = Tails(Path(folder), "*.jsonl"), []
        for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
            with (Path(folder) / "a.jsonl").open("ab") as file:
                file.write(content[start:end])
            found += tails.read()
    assert found == [line for line in lines if line]


def test_files_come_go_and_are_replaced(tmp_path: Path) -> None:
    tails = Tails(tmp_path, "*.jsonl")
    assert not list(tails.read())
    (tmp_path / "a.jsonl").write_bytes(b"1\n2\n")
    (tmp_path / "other.txt").write_bytes(b"no\n")
    assert list(tails.read()) == [b"1", b"2"]
    (tmp_path / "b.jsonl").write_bytes(b"3\nhal")
    assert list(tails.read()) == [b"3"]
    (tmp_path / "b.jsonl").write_bytes(b"4\n")  # cut off, with less in it than was read
    (tmp_path / "a.jsonl").rename(tmp_path / "a.jsonl.1")
    (tmp_path / "a.jsonl").write_bytes(b"5\n6\n")
    assert list(tails.read()) == [b"5", b"6"]
    with (tmp_path / "b.jsonl").open("ab") as file:
        file.write(b"7\n")
    assert list(tails.read()) == [b"7"]
    (tmp_path / "b.jsonl").write_bytes(b"8\n")
    assert list(tails.read()) == [b"8"]


def test_half_a_line_that_is_taken_back_is_no_line(tmp_path: Path) -> None:
    """A model server does so when the disk is full."""
    path, tails = tmp_path / "a.jsonl", Tails(tmp_path, "*.jsonl")
    path.write_bytes(b"1\n2")
    assert list(tails.read()) == [b"1"]
    path.write_bytes(b"1\n")
    assert not list(tails.read())
    path.write_bytes(b"1\n3\n")
    assert list(tails.read()) == [b"3"]


def test_a_flood_without_lines_is_given_in_pieces(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"x" * MOST + b"y\n1\n")
    tails = Tails(tmp_path, "*.jsonl")
    assert [len(one) for one in tails.read()] == [MOST]
    assert list(tails.read()) == [b"y", b"1"]


# ------------------------------------------------------------------------------------------------------------------------ lines


def line(**changed: object) -> bytes:
    whole = {
        "id": "1", "time": 12.5, "row": 7, "features": [None, *[1.0] * (len(FEATURES) - 1)], "score": 0.25, "version": "v1",
        "source": "model",
    }  # fmt: skip
    return json.dumps({**whole, **changed}).encode()


def test_a_line_of_the_log() -> None:
    assert parse(line()) == Prediction("v1", 12.5, 7, [None, *[1.0] * (len(FEATURES) - 1)], 0.25)
    assert parse(line(source="rules")) is None
    assert parse(line(row=None)) is None


@pytest.mark.parametrize(
    "torn",
    [line()[:40], line()[:40] + line(), b"[]", b"7", b"null", line(time="soon"), line(row=1.5), line(row=True), line(score=2.0),
     line(features=[]), line(features=["x"] * len(FEATURES)), line(features=7), line(version=1), line()[:-1], b"\xff"],
)  # fmt: skip
def test_a_line_that_is_none(torn: bytes) -> None:
    with pytest.raises(UnreadableError):
        parse(torn)


# ----------------------------------------------------------------------------------------------------------------------- outbox


def test_a_reader_asks_for_what_comes_after() -> None:
    box = Outbox()
    for number in range(3):
        box.add(float(number), Said("a", "info", str(number)))
    assert [item.number for item in box.read(-1)] == [0, 1, 2]
    assert [item.number for item in box.read(1)] == [2]
    assert not box.read(10**9)
    box.add(3.0, Said("a", "info", "3"))
    assert [item.number for item in box.read(2)] == [3]


def test_a_desire_is_pending_until_the_reader_asks_for_more() -> None:
    box = Outbox()
    box.add(0.0, Desire({"a": 1, "b": 2}, "loop", ""))
    assert list(box.pending()) == [{"a": 1, "b": 2}]
    box.withdraw(["a"])
    assert box.read(-1)[0].body == Desire({"b": 2}, "loop", "")
    box.withdraw(["b"])  # too late: it has been read
    assert list(box.pending()) == [{"b": 2}]
    box.read(0)
    assert not list(box.pending())


def test_a_reader_that_is_ahead_of_us_has_dealt_with_nothing_to_come() -> None:
    """The pipeline was started anew, and the stack counts on from the one before."""
    box = Outbox()
    box.read(50)
    box.add(0.0, Desire({"a": 1}, "loop", ""))
    assert list(box.pending()) == [{"a": 1}]


# ---------------------------------------------------------------------------------------------------------------- desired state

TOLD = {"stage": "", "weight": 0.0, "frozen": False}


def merge(given: dict[str, object], ours: dict[str, object], *pending: dict[str, object]) -> tuple[dict[str, object], set[str]]:
    return merged(TOLD, {**TOLD, **ours}, {**TOLD, **given}, pending)  # type: ignore[arg-type, return-value]


def test_what_the_stack_says_is_in_force() -> None:
    assert merge({"frozen": True}, {}) == ({**TOLD, "frozen": True}, set())


def test_a_desire_on_its_way_stays_in_force() -> None:
    ours: dict[str, object] = {"stage": "run-1: training"}
    assert merge({}, ours, ours) == ({**TOLD, **ours}, set())
    earlier: dict[str, object] = {"stage": "run-1: snapshot"}
    assert merge(earlier, ours, earlier, ours) == ({**TOLD, **ours}, set())  # an echo of the first of two


def test_somebody_else_overrules_a_desire() -> None:
    found, overruled = merge({"weight": 0.5}, {"weight": 0.25}, {"weight": 0.25})
    assert (found["weight"], overruled) == (0.5, {"weight"})


SPEC = ServiceSpec(champion=Workload("v1", replicas=2), retraining=Retraining())


def test_values_come_in_the_types_of_their_fields() -> None:
    plain = {path: value.value if isinstance(value, Approval) else value for path, value in fields_of(SPEC)}
    assert checked(SPEC, json.loads(json.dumps(plain)), ["v1"]) == dict(fields_of(SPEC))
    found = checked(SPEC, {"retraining.every": 6, "retraining.approval": "hand"}, ["v1"])
    assert (type(found["retraining.every"]), found["retraining.approval"]) == (float, Approval.HAND)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("gateway.timeoutt", 1.0, "unknown field 'gateway.timeoutt'.*gateway.timeout"),
        ("retraining.frozen", 1, "retraining.frozen: 1 is neither true nor false"),
        ("retraining.approval", "hands", "unknown value 'hands'.*hand"),
        ("retraining.requested", "soon", "retraining.requested: 'soon' is not of the form 42d#1"),
        ("retraining.requested", 7, "is not of the form 42d#1"),
        ("retraining.decided", 7, "retraining.decided: 7 is not a text"),
        ("champion.replicas", 1.5, "champion.replicas: 1.5 is not a whole number between 0 and 1,000,000"),
        ("champion.replicas", True, "True is not a whole number"),
        ("champion.replicas", -1, "-1 is not a whole number"),
        ("gateway.timeout", "1s", "gateway.timeout: '1s' is not a number"),
        ("gateway.timeout", float("nan"), "nan is not a number"),
        ("autoscaler.target", 0.0, "autoscaler.target: 0.0 is not a number between 0.01"),
        ("champion.version", "v9", "champion.version: unknown version 'v9'.*v1"),
        ("champion.version", "", "champion.version: unknown version ''"),
    ],
)
def test_values_that_a_field_cannot_have(path: str, value: object, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        checked(SPEC, {path: value}, ["v1"])


# --------------------------------------------------------------------------------------------------------------------- replicas


class Now:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def pod(
    name: str, pool: str = "champion", version: str = "v1", ready: bool = True, counts: Sequence[float] = (0, 0, 0, 0)
) -> Report:
    return Report(name, f"model-{pool}", version, ready, *map(float, counts))


def test_work_goes_on_between_reports() -> None:
    """They come with the scrapes, every 5 s, whenever the autoscaler looks."""
    now = Now()
    replicas = ReportedReplicas(now, lambda _pool: "v1")
    for second in range(0, 21, 5):
        now.seconds = float(second)
        replicas.report([pod("a", counts=(0.6 * second, 0, 0, 0))])
    for later in (0.0, 2.5, 4.9):
        now.seconds = 20.0 + later
        assert replicas.busy(0) == {"a": pytest.approx(0.6 * now.seconds)}
    now.seconds = 60.0
    assert replicas.busy(0)["a"] == pytest.approx(12.0 + 0.6 * 7.5)  # nothing was heard for long


def test_reports_that_say_nothing_new_change_no_rate() -> None:
    now = Now()
    replicas = ReportedReplicas(now, lambda _pool: "v1")
    for second in range(13):
        now.seconds = float(second)
        replicas.report([pod("a", counts=(0.6 * (second - second % 5), 0, 0, 0))])
    assert replicas.busy(0) == {"a": pytest.approx(0.6 * 12)}


def test_a_replica_without_work_comes_to_rest() -> None:
    now = Now()
    replicas = ReportedReplicas(now, lambda _pool: "v1")
    for second in range(0, 31, 5):
        now.seconds = float(second)
        replicas.report([pod("a", counts=(min(second, 5) * 0.5, 0, 0, 0))])
    assert replicas.busy(0) == {"a": 2.5}


def test_counters_go_on_when_a_container_starts_anew() -> None:
    replicas = ReportedReplicas(Now(), lambda _pool: "v1")
    replicas.report([pod("a", counts=(5.0, 100, 3, 2))])
    replicas.report([pod("a", counts=(1.0, 10, 1, 0))])
    assert replicas.tallies(0) == {"a": Tally(110, 4, 2)}
    replicas.report([])
    assert not replicas.tallies(0)
    replicas.report([pod("a", counts=(1.0, 10, 1, 0))])
    assert replicas.tallies(0) == {"a": Tally(10, 1, 0)}


def test_counts_that_were_read_at_different_moments_fit_together() -> None:
    replicas = ReportedReplicas(Now(), lambda _pool: "v1")
    replicas.report([pod("a", counts=(0, 10, 12, 30))])
    assert replicas.tallies(0) == {"a": Tally(12, 12, 12)}


def test_only_the_wanted_version_is_ready() -> None:
    replicas = ReportedReplicas(Now(), lambda pool: ("v1", "v2", "")[pool])
    replicas.report([pod("a"), pod("b", ready=False), pod("c", "candidate", "v1"), pod("d", "candidate", "v2")])
    assert (replicas.ready(0), replicas.ready(1), replicas.ready(2)) == (1, 1, 0)
    assert set(replicas.busy(1)) == {"c", "d"}
    assert replicas.rolled_out(0, "v1", 1)
    assert not replicas.rolled_out(0, "v1", 2)
    assert not replicas.rolled_out(1, "v2", 1)  # one of the version before is left
