"""`up` brings a service up without its incident, once; `status` shows it with what runs for it; `down` takes it by either name."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from drillbox.sandbox.api.client import RemoteSession
from drillbox.sandbox.api.folders import sessions
from drillbox.sandbox.cli import down, up
from drillbox.sandbox.journal import read_journal
from drillbox.sandbox.loading import Library, load_scenario, load_scenario_text
from drillbox.sandbox.model.events import Ended
from drillbox.sandbox.model.housekeeping import Address, Leftover, Part, Standing, Trial
from drillbox.sandbox.session import Phase
from drillbox.sandbox.standing import standing_text
from drillbox.wiring import Wiring

Command = Callable[..., object]
QUESTION = '{"inputs": []}'


class Gateway(ThreadingHTTPServer):
    """Answers questions, or refuses."""

    status = 200
    asked: list[str]

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v2/models/flights/infer"


class Answers(BaseHTTPRequestHandler):
    """Of the gateway."""

    server: Gateway

    def do_POST(self) -> None:
        self.server.asked.append(self.rfile.read(int(self.headers["content-length"])).decode())
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Keeper:
    """Housekeeping of a stack on which each session that a host plays has a process."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.dead: list[Standing] = []
        self.asked: set[str] = set()

    def leftovers(self) -> Sequence[Leftover]:
        return [Leftover(f"real-{info.name}", info.pid, ("host",)) for info in sessions()]

    def standing(self) -> Sequence[Standing]:
        return [*self.dead, *(self._of(info.name, info.pid) for info in sessions())]

    def _of(self, name: str, host: int | None) -> Standing:
        since = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        parts = (Part("model-1", "running", since, 212.6, (8080, 8081), 77, replica=True), Part("store", "stopped"))
        addresses = (Address("gateway", self.gateway.url), Address("logs", "/somewhere"))
        return Standing(f"real-{name}", host, "monday-rush", since, parts, addresses, Trial(self.gateway.url, QUESTION))

    def down(self, sessions: Collection[str], tell: Callable[[str], None], *, force: bool = False) -> Sequence[Leftover]:
        tell(f"{'forced' if force else 'asked'} for {len(sessions)}")
        self.asked |= set(sessions)
        return []


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def keeper(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    made = Keeper(gateway)
    monkeypatch.setattr(down, "PATIENCE", 120.0)  # machines are slow
    monkeypatch.setattr(Wiring, "housekeeping", lambda _self: {"sim": made})  # what stands is a drill of the simulation at 1x
    return made


def test_a_service_is_brought_up_once_shown_and_taken_down(
    command: Command, keeper: Keeper, gateway: Gateway, hosts_end: None, drillbox_home: Path
) -> None:
    ran = command("up", "--stack", "sim")
    assert (ran.code, gateway.asked) == (0, [QUESTION]), ran.err
    (info,) = sessions()
    assert ran.out == (
        f"{info.name} is up on the stack sim.\n"
        f"  gateway  {gateway.url}\n  logs     /somewhere\n"
        "Ask for a prediction (Open Inference Protocol V2):\n"
        f"  curl -d '{QUESTION}' {gateway.url}\n"
        f"End it with: drillbox down {info.name}\n"
    )
    assert (info.name, info.incident, info.profile) == ("monday-rush-service-1", False, "short")
    assert Path(info.journal).parent == drillbox_home / "up"
    again = command("up", "monday-rush", "--stack", "sim")
    assert (again.code, again.out.splitlines()[0]) == (0, f"{info.name} is up already on the stack sim.")
    other = command("up", "quiet-decay", "--stack", "sim")
    assert (other.code, [one.name for one in sessions()]) == (2, [info.name])
    assert "with the service of monday-rush: drillbox down monday-rush-service-1 first" in other.err

    shown = command("status").out
    assert "monday-rush-service-1  service  monday-rush  sim" in shown
    assert "monday-rush-service-1, as real-monday-rush-service-1 on the stack sim: since " in shown
    assert "1 replica, 213 MiB; no alert is firing" in shown
    assert f"  gateway  {gateway.url}" in shown
    assert "213  8080 8081" in shown
    (data,) = json.loads(command("status", "--json", "--stack", "sim").out)
    assert (data["kind"], data["alerts"], data["stands"]["replicas"]) == ("service", [], 1)
    assert data["stands"]["since"] == "2026-01-02T03:04:05+00:00"
    assert data["stands"]["parts"][0]["ports"] == [8080, 8081]
    assert data["stands"]["prediction"] == {"url": gateway.url, "body": {"inputs": []}}

    with closing(RemoteSession(info)) as session:
        while session.snapshot().phase is Phase.NEW:  # a service that never began has no events
            pass
    ran = command("down", f"real-{info.name}")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"{info.name}: taken down; journal: {info.journal}\nasked for 2\nNothing is left.\n"
    assert keeper.asked == {info.name, f"real-{info.name}"}
    *_, last = read_journal(Path(info.journal)).events
    assert last.body == Ended("aborted")
    nothing = command("status", "--stack", "sim")
    assert nothing.out.startswith("Nothing is up on the stack sim: no drill, no service. Start one with: ")


def test_two_who_bring_it_up_at_once_get_the_same(command: Command, keeper: Keeper, hosts_end: None) -> None:
    with ThreadPoolExecutor(2) as pool:
        launching = [pool.submit(up.up_command.main, ["--stack", "sim", "-q"], standalone_mode=False, obj=Wiring()) for _ in "ab"]
    assert [one.result() for one in launching] == [0, 0]
    assert [info.name for info in sessions()] == ["monday-rush-service-1"]
    assert command("down").code == 0


def test_nothing_happens_to_a_service_and_all_else_is_the_incidents() -> None:
    library = Library.packaged()
    for entry in library.entries():
        path = library.find(entry.id)
        for profile in ("", "short"):
            incident = load_scenario(path, profile)
            calm = load_scenario_text(standing_text(library.read(path), str(path), profile, 7.5), "calm")
            assert (calm.timeline, calm.control, calm.warmup) == ((), True, 0.0)
            assert (calm.world.traffic.rate, calm.world.traffic.flows) == (7.5, ())
            assert (calm.service, calm.runtime, calm.versions) == (incident.service, incident.runtime, incident.versions)
            assert calm.objectives == incident.objectives
            assert calm.duration >= 2 * 3600.0


def test_a_stack_on_which_nothing_stands_is_told(command: Command) -> None:
    ran = command("up", "--stack", "sim")
    assert ran.code == 2
    assert "nothing can be brought up on the stack sim: it runs within a drill only; use --stack " in ran.err
    assert "use --stack local, or " in ran.err
    assert "drillbox play monday-rush --stack sim" in ran.err
    for name in ("up", "status"):
        ran = command(name, "--stack", "locl")
        assert (ran.code, ran.err) == (2, "drillbox: unknown stack 'locl'; did you mean 'local'?\n")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("monday-rsh",), "did you mean 'monday-rush'?"),
        (("monday-rush", "--profile", "shrt"), "did you mean 'short'?"),
        (("--rate", "0"), "0.0 is not in the range"),
        (("--rate", "many"), "'many' is not a valid float"),
        (("--seed", "-1"), "-1 is not in the range"),
    ],
)
def test_what_is_wrong_with_the_request_is_told_and_nothing_is_started(
    asked: tuple[str, ...], told: str, command: Command, keeper: Keeper, drillbox_home: Path
) -> None:
    ran = command("up", *asked, "--stack", "sim")
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err
    assert not (drillbox_home / "up").exists()


def test_ctrl_c_while_it_comes_up_leaves_nothing(
    command: Command, keeper: Keeper, hosts_end: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(up, "_await_answer", interrupt)
    ran = command("up", "--stack", "sim")
    assert (ran.code, sessions()) == (130, [])
    assert "taking it down" in ran.err


def test_one_that_answers_no_prediction_is_told(
    command: Command, keeper: Keeper, gateway: Gateway, hosts_end: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up, "PATIENCE", 0.3)
    gateway.status = 503
    ran = command("up", "--stack", "sim")
    assert (ran.code, ran.out) == (3, "")
    assert f"no prediction is answered within 0.3 s: {gateway.url} answers 503; end it with: drillbox down monday-rush" in ran.err
    assert command("down").code == 0


def test_a_stack_that_does_not_say_how_to_ask_is_told(
    command: Command, keeper: Keeper, hosts_end: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up, "PATIENCE", 0.1)
    monkeypatch.setattr(Keeper, "standing", lambda _self: [])
    ran = command("up", "--stack", "sim")
    assert (ran.code, ran.out) == (3, "")
    assert "is up, but its stack does not say how to ask for a prediction; end it with: drillbox down monday-rush" in ran.err


def test_one_that_ends_meanwhile_is_told(command: Command, keeper: Keeper, gateway: Gateway, hosts_end: None) -> None:
    gateway.status = 503

    def end() -> None:
        while not gateway.asked:
            pass
        (info,) = sessions()
        with closing(RemoteSession(info)) as session:
            session.abort()

    ending = threading.Thread(target=end)
    ending.start()
    ran = command("up", "--stack", "sim")
    ending.join()
    assert (ran.code, ran.out) == (3, "")
    assert "monday-rush-service-1 was taken down meanwhile; its journal is " in ran.err


def test_what_no_host_tells_of_is_shown_too(command: Command, keeper: Keeper) -> None:
    keeper.dead = [keeper._of("headless", os.getpid()), keeper._of("died", None)]
    shown = command("status").out
    assert "real-headless  drill     monday-rush  sim    -     headless" in shown
    assert "real-died      leftover  monday-rush  sim    -     dead" in shown
    assert "its host is dead; clear up with: drillbox down real-died" in shown
    assert [one["phase"] for one in json.loads(command("status", "--json").out)] == ["headless", "dead"]


@pytest.mark.parametrize("name", ["up", "status"])
def test_help_has_examples(command: Command, name: str) -> None:
    ran = command(name, "--help")
    assert ran.code == 0
    assert f"drillbox {name}" in ran.out.partition("Examples:")[2]


def test_dismissed_after_its_end_a_host_goes_at_once(command: Command, keeper: Keeper, hosts_end: None) -> None:
    assert command("up", "--stack", "sim").code == 0
    (info,) = sessions()
    with closing(RemoteSession(info)) as session:
        session.abort()
        while session.snapshot().phase is not Phase.ENDED:
            pass
    assert command("down", info.name).code == 0
    assert not info.folder.exists()


def test_what_sessions_stand_on_is_neither_a_drill_nor_dead(command: Command, keeper: Keeper, hosts_end: None) -> None:
    nodes = (Part("drillbox-x-control-plane", "running"), Part("drillbox-x-worker", "running"))
    address = Address("kubectl", "export KUBECONFIG=/somewhere")
    assert command("up", "--stack", "sim").code == 0
    (info,) = sessions()
    for host in (None, info.pid):  # the host of the drill that it was made for
        keeper.dead = [Standing("drillbox-x", host, "", None, nodes, (address,), ground="cluster")]
        shown = command("status").out
        assert ["drillbox-x", "cluster", "-", "sim", "-", "up", "-", "-"] in [line.split() for line in shown.splitlines()]
        assert "drillbox-x: 2 nodes; remove it with: drillbox down drillbox-x" in shown
        assert f"{info.name}, as real-{info.name} on the stack sim: since " in shown
        assert {(one["session"], one["kind"], one["phase"]) for one in json.loads(command("status", "--json").out)} >= {
            ("drillbox-x", "cluster", "up")
        }
    assert command("down").code == 0


def test_a_cluster_of_which_nobody_can_tell_is_no_cluster_that_is_gone(command: Command, keeper: Keeper) -> None:
    why = "no container engine answers at unix:///gone"
    keeper.dead = [Standing("drillbox-x", None, "", datetime(2026, 1, 2, tzinfo=UTC), (), (), ground="cluster", trouble=why)]
    shown = command("status", "--stack", "sim").out
    assert ["drillbox-x", "cluster", "-", "sim", "-", "unknown", "-", "-"] in [line.split() for line in shown.splitlines()]
    *_, last = shown.splitlines()
    assert last.startswith("drillbox-x: since ")
    assert last.endswith(f", what runs of it cannot be told: {why}")
    (data,) = json.loads(command("status", "--stack", "sim", "--json").out)
    assert (data["phase"], data["stands"]["trouble"]) == ("unknown", why)
