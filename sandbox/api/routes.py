"""The HTTP routes: one per method of a session."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from ..journal import encode
from ..logbook import ChangeEntry
from ..model.errors import UsageError
from ..model.events import Command, Logged
from ..model.views import Table
from ..session import Range, Snapshot
from . import wire
from .hosted import Caller, Served

_REFUSALS = {
    400: "The request is no valid HTTP or JSON",
    403: "The token is not the facilitator's",
    409: "The drill is over",
    422: "Something in the request is wrong; the message says what",
}
router = APIRouter(
    prefix=wire.PREFIX, responses={code: {"model": wire.ErrorOut, "description": what} for code, what in _REFUSALS.items()}
)
Text = Annotated[str, Query(max_length=wire.LONGEST)]
Limit = Annotated[int, Query(ge=1, le=wire.MOST_LINES)]
Number = Annotated[int, Query(ge=-1, le=2**53)]
Second = Annotated[float, Query(ge=-1e6, le=1e6, allow_inf_nan=False)]
Step = Annotated[float, Query(gt=0, le=1e6, allow_inf_nan=False)]


@router.get("/snapshot")
def snapshot(hosted: Served) -> Snapshot:
    """The present state, as an on-call may see it."""
    return hosted.session.snapshot()


@router.get("/events")
def events(
    hosted: Served, caller: Caller, after: Number = -1, limit: Annotated[int, Query(ge=1, le=wire.MOST_EVENTS)] = wire.MOST_EVENTS
) -> wire.EventsOut:
    """Events with a number above `after` that the caller may see, oldest first."""
    found = hosted.session.events(after, caller)[:limit]
    following = found[-1].number if found else after
    return wire.EventsOut(events=[wire.EventOut.model_validate(encode(one)) for one in found], next=following)


@router.post("/commands", status_code=202)
def commands(hosted: Served, wanted: wire.CommandIn) -> Command:
    """Ask for an action; effective at the next step. What becomes of it is among the events."""
    hosted.refuse_after_the_end()
    return hosted.session.submit(wanted.action, wanted.params, wanted.actor)


@router.get("/query")
def query(
    hosted: Served,
    expr: Annotated[str, Query(min_length=1, max_length=wire.LONGEST)],
    start: Second,
    end: Second,
    step: Step = 5.0,
) -> Range:
    """A metric, or an expression over metrics, at drill seconds from start to end."""
    if start > end:
        raise UsageError(f"a query goes from start to end; {start:g} is after {end:g}")
    if (end - start) / step > wire.MOST_POINTS - 1:
        raise UsageError(f"a query has at most {wire.MOST_POINTS} points; choose a larger step")
    return hosted.session.query(expr, start, end, step)


@router.get("/logs")
def logs(
    hosted: Served, component: Text = "", text: Text = "", severity: Text = "", limit: Limit = wire.MOST_LINES
) -> list[Logged]:
    """The latest log lines of components whose name begins so, that hold a text, of a severity or a graver one."""
    return list(hosted.session.logs(component, text, severity))[-limit:]


@router.get("/changes")
def changes(hosted: Served, field: Text = "", by: Text = "", limit: Limit = wire.MOST_LINES) -> list[ChangeEntry]:
    """The latest changes of the desired state: of fields whose name begins so, by somebody."""
    return list(hosted.session.changes(field, by))[-limit:]


@router.get("/views/{view}")
def look(hosted: Served, view: Annotated[str, Path(max_length=wire.LONGEST)], of: Text = "") -> Table:
    """What a view shows now: feature (of one), rows, freshness, slices, version (of one)."""
    return hosted.session.look(view, of)


@router.get("/catalogue")
def catalogue(hosted: Served, caller: Caller) -> wire.CatalogueOut:
    """Actions and metrics; for a facilitator the faults, too."""
    return wire.CatalogueOut.of(hosted.session.catalogue(caller))


@router.put("/control")
def control(hosted: Served, wanted: wire.ControlIn) -> Snapshot:
    """Pause, go on, change the speed."""
    hosted.refuse_after_the_end()
    (hosted.driver or hosted.session).control(pause=wanted.pause, speed=wanted.speed)
    return hosted.session.snapshot()


@router.post("/down", status_code=202)
def down(hosted: Served) -> Snapshot:
    """End the drill if it is not over, as aborted, and let the host go at once: it waits for nobody but who is connected."""
    if hosted.driver is None:
        hosted.session.abort()
    else:
        hosted.driver.dismiss()
    return hosted.session.snapshot()


@router.post("/abort", status_code=202)
def abort(hosted: Served, reason: wire.Reason = "aborted") -> Snapshot:
    """Give up: the drill ends."""
    hosted.refuse_after_the_end()
    if hosted.driver is None:
        hosted.session.abort()
    else:
        hosted.driver.end(reason)
    return hosted.session.snapshot()
