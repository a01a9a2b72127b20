"""The only place that wires the rooms together: which stacks there are, and how a session on one is made."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from .sandbox.cli.playing import Request
    from .sandbox.cli.wiring import SessionMaker
    from .sandbox.drill import Result
    from .sandbox.loading import Library
    from .sandbox.model.calibration import Timings
    from .sandbox.model.grounds import Grounds
    from .sandbox.model.housekeeping import Check, Housekeeping
    from .sandbox.model.scenario import Scenario, WorldConfig
    from .sandbox.model.stack import Capabilities, Progress, Stack
    from .sandbox.session import DrillSession, Sink


def _sim() -> Stack:
    from .stacks.sim.stack import SimStack

    return SimStack()


def _local() -> Stack:
    from .sandbox.paths import home
    from .stacks.local.stack import LocalStack

    return LocalStack(home() / "local")


def _kind() -> Stack:
    from .sandbox.paths import home
    from .stacks.kind.stack import KindStack

    return KindStack(home() / "kind")


def _local_checks(base: Path) -> Sequence[Check]:
    from .stacks.local.doctor import checks

    return checks(base)


def _kind_checks(base: Path) -> Sequence[Check]:
    from .stacks.kind.doctor import checks

    return checks(base)


STACKS: Mapping[str, Callable[[], Stack]] = {"sim": _sim, "local": _local, "kind": _kind}
"""The stacks of this project by name; each is made for one drill."""
GROUP = "drillbox.stacks"
"""Entry points of this group name stacks of other distributions: a class, or a function, that makes one."""


def all_stacks() -> Mapping[str, Callable[[], Stack]]:
    """Those of this project, and those of installed distributions; none of theirs takes the place of ours."""
    from importlib.metadata import entry_points

    return {**{point.name: _installed(point) for point in entry_points(group=GROUP)}, **STACKS}


def _installed(point: EntryPoint) -> Callable[[], Stack]:
    def make() -> Stack:
        from .sandbox.model.errors import StackError

        try:
            made: Stack = point.load()()
        except Exception as error:
            raise StackError(f"the stack {point.name!r} of {point.value} cannot be made: {error}") from error
        return made

    return make


class Wiring:
    """What the command needs of the other rooms. Everything is imported when it is asked for."""

    def library(self) -> Library:
        """The scenarios that come with the package, and those of packs."""
        from .sandbox.loading import Library

        return Library.installed()

    def stacks(self) -> Mapping[str, Capabilities]:
        """What each stack can realise; one of somebody else's that cannot be made is left out."""
        from .sandbox.model.errors import StackError

        found = {}
        for name, make in all_stacks().items():
            with suppress(StackError):
                found[name] = make().capabilities
        return found

    def housekeeping(self) -> Mapping[str, Housekeeping]:
        """What clears up after the stacks that leave anything on the machine."""
        from .sandbox.paths import home
        from .stacks.kind.housekeeping import KindHousekeeping
        from .stacks.local.housekeeping import LocalHousekeeping

        return {
            "local": LocalHousekeeping(home() / "local", _local_checks),
            "kind": KindHousekeeping(home() / "kind", _kind_checks),
        }

    def grounds(self) -> Mapping[str, Grounds]:
        """The clusters of the stacks that have any."""
        from .sandbox.paths import home
        from .stacks.kind.grounds import KindGrounds

        return {"kind": KindGrounds(home() / "kind")}

    def session(self, scenario: Scenario, seed: int, stack: str, sinks: Iterable[Sink] = ()) -> DrillSession:
        """A session on a new stack, not yet started.

        Raises:
            UsageError: there is no such stack.
        """
        from .sandbox.model.errors import UsageError, nearest
        from .sandbox.observing import BuiltInMonitor
        from .sandbox.session import DrillSession

        stacks = all_stacks()
        if stack not in stacks:
            raise UsageError(f"unknown stack {stack!r}; {nearest(stack, stacks)}")
        return DrillSession(scenario, seed, stacks[stack](), BuiltInMonitor(scenario), sinks)

    def data_hash(self, progress: Callable[[str, float], None]) -> str:
        """The hash of the world's data, which is read and cached the first time.

        Raises:
            UsageError: the data cannot be read or cached.
        """
        from .sandbox.world.cache import load_data

        return load_data(progress).data_hash

    def measure(self, config: WorldConfig, progress: Progress) -> Timings:
        """What real model servers and a training of that world's model take on this machine.

        Raises:
            StackError: a model server does not come up.
            UsageError: the data, the model or the state folder cannot be read or written.
        """
        from .sandbox.paths import home
        from .stacks.local.calibration import measure

        return measure(config, home() / "local" / "calibrate", progress)

    def code_hash(self) -> str:
        """A hash of the code on which the course of a simulated drill depends."""
        from .sandbox.provenance import hash_of_code

        rooms = Path(__file__).parent
        return hash_of_code(rooms / "sandbox", rooms / "stacks" / "control_plane", rooms / "stacks" / "sim")

    def cockpit(
        self, request: Request | None = None, speed: float = 10.0, metrics_port: int | None = None, attach: str = ""
    ) -> int:
        """Open the terminal UI, at a drill that somebody asks for, at the running one of that name, or at the library.

        Returns:
            The exit code: that of the drill that was asked for, if it came to its end.

        Raises:
            UsageError: the settings cannot be read.
        """
        from .cockpit import open_cockpit

        return open_cockpit(self, request, speed, metrics_port, attach)

    def check_world(self, scenario: Scenario) -> None:
        """What only the data can tell: calendar and prices.

        Raises:
            UsageError: the calendar leaves the data, or the prices make no sense for it.
        """
        from .sandbox.world.flights import open_world

        open_world(scenario.world, scenario.duration, scenario.warmup, 0).validate_prices()


def run_drill(
    scenario: str | Path,
    operator: str = "reference",
    seed: int = 1,
    *,
    profile: str = "",
    stack: str = "sim",
    out: Path | None = None,
) -> Result:
    """Play a drill headless and judge it.

    Args:
        scenario: id, or path of a scenario file.
        operator: `idle`, `reference`, another runbook of the scenario, or the path of a runbook file.
        seed: of the random streams.
        profile: of the scenario; empty for the full drill.
        stack: where it runs.
        out: folder for the journal; the state folder's `drills` if not given.

    Raises:
        DrillboxError: something about the request or the stack is wrong; the message says what.
    """
    from .sandbox.cli.playing import Request, play_headless

    wiring: SessionMaker = Wiring()
    return play_headless(wiring, Request(str(scenario), operator, seed, profile, stack, out))


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    from .sandbox.cli.main import run

    sys.exit(run(sys.argv[1:] if argv is None else argv, Wiring()))
