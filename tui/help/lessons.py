"""The tutorial: its steps, each with what to do and how one sees that it was done. Keys are named by their bindings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...sandbox.session import Phase, Snapshot
from ..cockpit.picture import Picture
from ..ports import Wanted

DRILL = Wanted("monday-rush", speed=2.0, profile="short")
"""The drill of the tutorial: the first incident, in its short form."""
SPEEDY = 60.0
"""Drill seconds per wall second for the rest, when there is nothing more to do."""
BUSY = 0.9
"""Saturation from which on the incident shows."""
ENOUGH = 6
"""Replicas that are enough for the tutorial's crowd."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the steps look at: the drill, and the gauge of the big chart."""

    picture: Picture
    gauge: str = ""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One step. In the text `{id}` stands for the key of a binding; with `still` the clock stands until it is done."""

    title: str
    text: str
    done: Callable[[Seen], bool]
    still: bool = False


def _now(seen: Seen) -> Snapshot | None:
    return seen.picture.snapshot


def _running(seen: Seen) -> bool:
    now = _now(seen)
    return now is not None and now.phase is Phase.RUNNING


def _asked(action: str) -> Callable[[Seen], bool]:
    """Whether an action was accepted."""
    return lambda seen: any(one.action == action and one.state in ("accepted", "completed") for one in seen.picture.orders)


def _paged(seen: Seen) -> bool:
    return any(alert.firing and alert.severity == "page" for alert in seen.picture.alerts.values())


def _sheds(seen: Seen) -> bool:
    now = _now(seen)
    return now is not None and now.spec.gateway.shed > 0


def _has_room(seen: Seen) -> bool:
    now = _now(seen)
    return now is not None and now.spec.autoscaler.minimum >= ENOUGH


def _is_open_again(seen: Seen) -> bool:
    now = _now(seen)
    return now is not None and now.spec.gateway.shed == 0 and now.slis.get("replicas", 0.0) >= ENOUGH


def _over(seen: Seen) -> bool:
    now = _now(seen)
    return now is not None and now.phase is Phase.ENDED


LESSONS = (
    Lesson(
        "This is the cockpit",
        "You are on call for a service that predicts whether a flight will be late. 1 shows what it promises, 2 what is firing, "
        "3 its parts, 4 and 5 what is measured, 6 what happens. Digits go there. Press {cockpit.pause} to let the clock run.",
        _running,
        still=True,
    ),
    Lesson(
        "All is well, for a moment",
        "Every request is answered in time. Watch the chart and the alerts: the pager will call soon.",
        _paged,
    ),
    Lesson(
        "A page",
        "Too many requests fail, and the error budget burns. Press {cockpit.declare} to declare the incident, so that "
        "everybody knows that somebody is on it. How soon you do counts.",
        _asked("declare"),
    ),
    Lesson(
        "Where does it hurt?",
        "Press {cockpit.chart-next} until the chart shows Saturation: the share of the slots that are busy.",
        lambda seen: seen.gauge == "saturation",
    ),
    Lesson(
        "Protect what can be served",
        "More requests come than the replicas can answer, so nearly all are late. Press {cockpit.shed}, type 35%, enter, and "
        "confirm with tab and enter: Cancel is the default for what does harm. The rest is answered in time.",
        _sheds,
    ),
    Lesson(
        "Make room",
        "Now capacity. The autoscaler stands at its maximum of 4. Press {cockpit.act}, choose set-autoscaler, and set minimum 8 "
        "and maximum 10.",
        _has_room,
    ),
    Lesson(
        "Open the door again",
        "New replicas start and load the model. When 3 shows 8 ready, end the shedding: {cockpit.shed} and 0%. From then on "
        "every refused request is harm that you do yourself.",
        _is_open_again,
    ),
    Lesson(
        "Name the cause",
        "Nothing of yours changed but the request rate. Press {cockpit.diagnose}: component clients, cause traffic.spike.",
        _asked("diagnose"),
    ),
    Lesson(
        "That is all there is to it",
        "See the page resolve. The clock is fast now; at the end press enter for the debrief: what you saved, against doing "
        "nothing and against the reference. This was the first incident; the others are yours. {app.help} tells all keys.",
        _over,
    ),
)
"""In their order."""
