"""Shape, word and colour of states: never one of them alone."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content

from ..widgets.styles import MUTED


@dataclass(frozen=True, slots=True)
class Mark:
    """How a state looks."""

    shape: str
    word: str
    style: str

    @property
    def text(self) -> Content:
        """Shape and word."""
        return Content.styled(f"{self.shape} {self.word}", self.style)


MET = Mark("✓", "met", "$text-success")
BROKEN = Mark("✗", "missed", "bold $text-error")
UNKNOWN = Mark("?", "no data", "$text-warning")

PAGE = Mark("▲", "PAGE", "bold $text-error")
TICKET = Mark("◆", "ticket", "$text-warning")
PENDING = Mark("◌", "pending", MUTED)
RESOLVED = Mark("✓", "resolved", "$text-success")

RUNNING = Mark("●", "RUNNING", "bold $text-success")
PAUSED = Mark("‖", "PAUSED", "bold $text-warning")
ENDED = Mark("■", "OVER", "bold $text-accent")
COMING = Mark("◔", "COMING UP", "bold $text-accent")

OK = Mark("✓", "ok", "$text-success")
WARNS = Mark("▲", "warns", "$text-warning")
FAILS = Mark("✗", "fails", "bold $text-error")


def of_goal(met: bool | None) -> Mark:  # a verdict, not a switch
    """Of an objective."""
    return UNKNOWN if met is None else MET if met else BROKEN
