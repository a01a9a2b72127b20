"""How the library words what it knows of an incident: never more than the on-call may know."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content

from ...sandbox.model.units import format_clock
from ..ports import Attempts, Incident, Running

STARS = 5
NEVER = Attempts()


def stars(difficulty: int) -> str:
    """Difficulty as a shape: `★★☆☆☆`."""
    return "★" * difficulty + "☆" * (STARS - difficulty)


def minutes(value: float) -> str:
    """`20 min`."""
    return f"{value:g} min"


def best(attempts: Attempts, speed: float) -> str:
    """What past drills came to, short: the best at a speed, where there is one."""
    if not attempts.count:
        return "new"
    mark = "✓" if attempts.passed else "✗"
    return (
        f"{mark} best {attempts.bests[speed]:.0f} at {speed:g}x" if speed in attempts.bests else f"{mark} played {attempts.count}"
    )


def entry(incident: Incident, attempts: Attempts, speed: float) -> Content:
    """Two lines of the list."""
    able = any(choice.able for choice in incident.stacks)
    style = "$text-success" if attempts.passed else "$foreground-muted"
    return Content.assemble(
        (incident.title, "bold" if able else "$foreground-disabled"),
        "\n",
        (stars(incident.difficulty), "$accent"),
        (f"  {minutes(incident.minutes)}  ", "$foreground-muted"),
        (best(attempts, speed), style),
    )


def running_entry(drill: Running) -> Content:
    """Two lines of the list, for a drill that goes on."""
    where = {"silent": "does not answer", "new": "is being brought up"}.get(
        drill.phase, f"{format_clock(max(0.0, drill.now))} of {format_clock(drill.duration)}, {drill.phase} at {drill.speed:g}x"
    )
    return Content.assemble(("▶ ", "$success"), (drill.title, "bold"), "\n", (f"  {where}", "$foreground-muted"))


def head(incident: Incident) -> Content:
    """What it is called, how hard it is, how long it takes."""
    about = f"  difficulty {incident.difficulty} of {STARS}, {minutes(incident.minutes)} of drill time"
    return Content.assemble(
        (incident.title, "bold $primary"),
        (f"   {incident.id}\n", "$foreground-muted"),
        (stars(incident.difficulty), "$accent"),
        (about, "$foreground-muted"),
    )


def pager(incident: Incident) -> Content:
    """The page that the on-call gets."""
    first, _, rest = incident.pager.strip().partition("\n")
    return Content.assemble((first, "bold"), f"\n{rest}" if rest else "")


def rest(incident: Incident, attempts: Attempts, stack: str, profile: str) -> Content:
    """Skills, stacks, and what came of it so far."""
    parts: list[Content | str | tuple[str, str]] = [("Skills\n", "bold"), *(f"  · {skill}\n" for skill in incident.skills)]
    parts += [("\nStacks\n", "bold"), *_stacks(incident, stack)]
    parts += [("\nYou\n", "bold"), f"  {_record(attempts)}\n"]
    if profile:
        parts.append((f"  the profile {profile} is shorter; its scores are kept apart\n", "$foreground-muted"))
    return Content.assemble(*parts)


def _stacks(incident: Incident, chosen: str) -> Iterable[Content | str | tuple[str, str]]:
    for choice in incident.stacks:
        yield ("  ✓ ", "$text-success") if choice.able else ("  ✗ ", "$text-error")
        yield (choice.name, "bold" if choice.name == chosen else "")
        told = f"  takes {choice.needs}" if choice.able and choice.needs else f"  {choice.why_not}"
        yield (told.rstrip() + "\n", "$foreground-muted")


def _record(attempts: Attempts) -> str:
    if not attempts.count:
        return "not played yet"
    times = "once" if attempts.count == 1 else f"{attempts.count} times"
    played = f"played {times}, passed {attempts.passed}"
    if not attempts.bests:
        return f"{played}\n  no best yet: one is kept for each speed, of drills without a pause"
    bests = ", ".join(f"{impact:.0f} at {speed:g}x" for speed, impact in attempts.bests.items())
    return f"{played}\n  best impact without a pause: {bests} (100 is the reference)"
