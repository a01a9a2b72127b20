"""`drillbox cluster` keeps clusters, and commands that play say on which; nothing of it is real here."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from drillbox.sandbox.model.errors import StackError, UsageError
from drillbox.sandbox.model.grounds import Choice, Cluster
from drillbox.sandbox.model.housekeeping import Leftover, Part
from drillbox.sandbox.model.stack import Progress
from drillbox.wiring import Wiring

Command = Callable[..., Any]
SINCE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Clusters:
    """Clusters that a test makes, and their housekeeping."""

    def __init__(self) -> None:
        self.there: dict[str, Cluster] = {}
        self.chosen: list[Choice] = []
        self.stays: tuple[str, ...] = ()
        self.asked: list[tuple[str, int | None, int | None]] = []

    def choose(self, choice: Choice) -> None:
        if choice.context and not choice.confirmed:
            raise UsageError("say so with --i-know-this-is-not-a-sandbox")
        self.chosen.append(choice)

    def full_name(self, name: str) -> str:
        return name if name.startswith("drillbox-") else f"drillbox-{name}"

    def up(self, name: str, workers: int | None, port: int | None, progress: Progress) -> Cluster:
        progress("kind: preparing nodes", 0.0)
        self.asked.append((name, workers, port))
        if name == "broken":
            raise StackError("no container engine answers")
        full = self.full_name(name or "default")
        nodes = tuple(Part(f"{full}-{number}", "running") for number in range((2 if workers is None else workers) + 1))
        self.there[full] = made = Cluster(full, nodes, ready=True, since=SINCE, kubeconfig=f"/k/{full}")
        return made

    def clusters(self) -> Sequence[Cluster]:
        return list(self.there.values())

    def names(self) -> Sequence[str]:
        return list(self.there)

    def down(self, sessions: Collection[str], tell: Callable[[str], None], *, force: bool = False) -> Sequence[Leftover]:
        assert not force
        for name in sessions:
            del self.there[name]
            tell(f"{name}: removed")
        return [Leftover("x", None, self.stays)] if self.stays else []


@pytest.fixture
def clusters(monkeypatch: pytest.MonkeyPatch) -> Clusters:
    made = Clusters()
    monkeypatch.setattr(Wiring, "grounds", lambda _self: {"kind": made})
    monkeypatch.setattr(Wiring, "housekeeping", lambda _self: {"kind": made})
    return made


def test_a_cluster_is_made_listed_and_removed(command: Command, clusters: Clusters) -> None:
    assert command("cluster", "list").out == "There is no cluster. Make one with: drillbox cluster up\n"
    made = command("cluster", "up", "lab", "--workers", "1", "--port", "16443")
    assert made.code == 0
    assert made.out.splitlines() == [
        "drillbox-lab is ready, with 2 nodes.",
        "  kubectl  export KUBECONFIG=/k/drillbox-lab",
        "Play on it with: drillbox play SCENARIO --stack kind --cluster drillbox-lab",
        "End it with: drillbox cluster down drillbox-lab",
    ]
    assert "kind: preparing nodes" in made.err
    assert clusters.asked == [("lab", 1, 16443)]
    command("cluster", "up")
    head, lab, default = command("cluster", "list").out.splitlines()
    assert head.split() == ["CLUSTER", "STATE", "NODES", "SINCE", "STAYS", "DRILLS"]
    assert (lab.split()[:3], lab.split()[4:]) == (["drillbox-lab", "running", "2"], ["yes", "-"])
    assert default.startswith("drillbox-default")
    (data, _) = json.loads(command("cluster", "list", "--json").out)
    assert data["nodes"] == {"drillbox-lab-0": "running", "drillbox-lab-1": "running"}
    gone = command("cluster", "down", "lab")
    assert (gone.code, gone.out) == (0, "drillbox-lab: removed\nNothing is left.\n")
    assert command("cluster", "down", "--all").code == 0
    assert clusters.there == {}


def test_what_cannot_be_is_told(command: Command, clusters: Clusters) -> None:
    broken = command("cluster", "up", "broken")
    assert (broken.code, broken.err.splitlines()[-1]) == (3, "drillbox: no container engine answers")
    command("cluster", "up", "lab")
    wrong = command("cluster", "down", "lap")
    assert (wrong.code, wrong.err) == (2, "drillbox: there is no cluster drillbox-lap; did you mean 'drillbox-lab'?\n")
    assert "name the clusters to remove, or give --all" in command("cluster", "down").err
    clusters.stays = ("container y",)
    stays = command("cluster", "down", "lab")
    assert (stays.code, stays.err) == (3, "drillbox: x: still there: container y\n")


def test_a_cluster_of_a_drill_is_shown_as_that(command: Command, clusters: Clusters) -> None:
    clusters.there["drillbox-a"] = Cluster(
        "drillbox-a", (), ready=False, since=None, kubeconfig="/k", session="x-1", drills=("x-1",)
    )
    row = command("cluster", "list").out.splitlines()[1]
    assert row.split("  ")[0] == "drillbox-a"
    assert "gone" in row
    assert "goes with x-1" in row


@pytest.mark.parametrize("line", [("run", "nothing-such"), ("play", "nothing-such"), ("up", "nothing-such")])
def test_commands_that_play_say_where(command: Command, clusters: Clusters, line: tuple[str, ...], tmp_path: Path) -> None:
    assert tmp_path.is_dir()
    command(*line, "--stack", "kind", "--cluster", "lab")
    command(*line, "--stack", "kind", "--context", "c", "--namespace", "n", "--i-know-this-is-not-a-sandbox")
    assert clusters.chosen == [Choice("lab"), Choice("", "c", "n", confirmed=True)]
    refused = command(*line, "--stack", "kind", "--context", "c", "--namespace", "n")
    assert (refused.code, refused.err) == (2, "drillbox: say so with --i-know-this-is-not-a-sandbox\n")
    both = command(*line, "--stack", "kind", "--context", "c", "--cluster", "lab")
    assert (both.code, "give one of them" in both.err) == (2, True)
    without = command(*line, "--stack", "sim", "--cluster", "lab")
    assert (without.code, "the stack sim has no clusters" in without.err) == (2, True)
    unknown = command(*line, "--stack", "kin", "--cluster", "lab")
    assert (unknown.code, "did you mean 'kind'?" in unknown.err) == (2, True)
