"""What the command needs of the other rooms; `drillbox.wiring` provides it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..loading import Library
    from ..model.calibration import Timings
    from ..model.grounds import Grounds
    from ..model.housekeeping import Housekeeping
    from ..model.scenario import Scenario, WorldConfig
    from ..model.stack import Capabilities, Progress
    from ..session import DrillSession, Sink
    from .playing import Request


class SessionMaker(Protocol):
    """Makes sessions, and knows the world behind them."""

    def library(self) -> Library:
        """The scenarios."""

    def stacks(self) -> Mapping[str, Capabilities]:
        """What each stack can realise."""

    def housekeeping(self) -> Mapping[str, Housekeeping]:
        """What clears up after the stacks that leave anything on the machine, by the stack's name."""

    def grounds(self) -> Mapping[str, Grounds]:
        """The clusters that outlive drills, by the stack's name; stacks without any are left out."""

    def session(self, scenario: Scenario, seed: int, stack: str, sinks: Iterable[Sink] = ()) -> DrillSession:
        """A session on a new stack, not yet started."""

    def data_hash(self, progress: Callable[[str, float], None]) -> str:
        """The hash of the world's data, read and cached the first time."""

    def measure(self, config: WorldConfig, progress: Progress) -> Timings:
        """What real model servers and a training of that world's model take on this machine."""

    def code_hash(self) -> str:
        """A hash of the code on which the course of a simulated drill depends."""

    def cockpit(
        self, request: Request | None = None, speed: float = 10.0, metrics_port: int | None = None, attach: str = ""
    ) -> int:
        """Open the terminal UI, at a drill that somebody asks for, at a running one, or at the library; gives the exit code."""

    def check_world(self, scenario: Scenario) -> None:
        """Raise a UsageError for what only the data can tell."""
