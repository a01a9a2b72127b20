"""How a debrief words what it knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from textual.content import Content

from ...sandbox.model.units import format_clock, format_duration
from ..ports import Debrief, Deed

Part = Content | str | tuple[str, str]
LOW, HIGH = -50.0, 150.0
"""Ends of the impact's bar."""
WHO = ("you", "idle", "reference")
HARMS = {
    "failed": "requests without an answer",
    "slow": "answers too late",
    "predictions": "wrong predictions",
    "replicas": "replica-hours",
    "training": "training-hours",
}
"""What each part of the harm is for."""


def dollars(value: float) -> str:
    """`$1,234`, with cents below 100."""
    sign = "-" if value < 0 else ""
    return f"{sign}${abs(value):,.0f}" if abs(value) >= 100 else f"{sign}${abs(value):,.2f}"


def verdict(debrief: Debrief) -> Content:
    """The verdict, the impact with its bar, and the reasons."""
    mark, style = ("✓ ", "$text-success") if debrief.passed else ("✗ ", "$text-error")
    parts: list[Part] = [(mark + debrief.verdict.upper(), f"bold {style}"), "   "]
    if debrief.impact is None:
        parts.append(("impact n/a: nothing to compare with\n", "$foreground-muted"))
    else:
        parts += [
            ("impact ", "$foreground-muted"),
            (f"{debrief.impact:.0f}", "bold"),
            (f"   {debrief.scale}\n", "$foreground-muted"),
        ]
        parts += gauge(debrief.impact, debrief.least)
    parts += [part for reason in debrief.reasons for part in (("  ✗ ", "$text-error"), f"{reason}\n")]
    return Content.assemble(*parts).rstrip()


def gauge(impact: float, least: float, width: int = 50) -> Iterator[Part]:
    """A bar from -50 to 150 with a mark where a pass begins."""

    def place(value: float) -> int:
        return round((max(LOW, min(HIGH, value)) - LOW) / (HIGH - LOW) * (width - 1))

    here, none, reference, line = place(impact), place(0.0), place(100.0), place(least)
    style = "$text-success" if impact >= least else "$text-error"
    for column in range(width):
        if column == here:
            yield "●", f"bold {style}"
        elif column == line:
            yield "┃", "$text-warning"
        elif column in (none, reference):
            yield "│", "$foreground"
        else:
            yield ("━", style) if none <= column < here or here < column <= none else ("─", "$foreground-muted")
    yield "\n", ""
    row = [" "] * width
    for at, text in ((none, "0"), (line, f"pass {least:.0f}"), (reference, "100")):
        begin = max(0, min(width - len(text), at - len(text) // 2))
        if all(char == " " for char in row[begin : begin + len(text)]):
            row[begin : begin + len(text)] = text
    yield "".join(row) + "\n", "$foreground-muted"


def goals(debrief: Debrief) -> Content:
    """The objectives over the verdict window."""
    window = f"over the last {format_duration(debrief.window)}"
    rows = [("objective", window, "wanted"), *((one.id, one.value, one.wanted) for one in debrief.goals)]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    parts: list[Part] = []
    for place, row in enumerate(rows):
        met = place and debrief.goals[place - 1].met
        mark, style = ("  ", "") if not place else ("✓ ", "$text-success") if met else ("✗ ", "$text-error")
        parts += [
            (mark, style),
            (f"{row[0]:{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]}\n", "" if place else "$foreground-muted"),
        ]
    return Content.assemble(*parts).rstrip()


def moments(debrief: Debrief) -> Content:
    """When it was detected, diagnosed, mitigated."""
    parts: list[Part] = []
    for one in debrief.moments:
        at = "never" if one.at is None else format_clock(one.at)
        style = "bold" if one.at is not None else "bold $text-warning"
        parts += [(f"{one.name:10} ", "$foreground-muted"), (f"{at:>7}  ", style), f"{one.note}\n"]
    return Content.assemble(*parts).rstrip()


def about_notes(debrief: Debrief) -> str:
    """The title of the notes, with the number of hints."""
    return "notes" if not debrief.hints else f"notes; {debrief.hints} hint{'s' if debrief.hints > 1 else ''} asked for"


def notes(debrief: Debrief) -> Content:
    """Notes that were taken, and hints that were asked for."""
    parts: list[Part] = []
    for at, who, text in debrief.notes:
        parts += [(f"{format_clock(at):>6} ", "$foreground-muted"), (f"{who}: ", "bold"), f"{text}\n"]
    return Content.assemble(*parts).rstrip()


def harms(debrief: Debrief) -> Content:
    """What it cost, by part: a column for you, idle and reference."""
    who = [name for name in WHO if name in debrief.harms]
    if not who:
        return Content.styled("nothing was measured", "$foreground-muted")
    known = [part for part in HARMS if any(debrief.harms[name].get(part) for name in who)]
    head = f"{'':28}" + "".join(f"{name:>14}" for name in who) + "\n"
    parts: list[Part] = [(head, "$foreground-muted")]
    parts += [f"{HARMS[part]:28}" + "".join(f"{dollars(debrief.harms[name][part]):>14}" for name in who) + "\n" for part in known]
    total = {name: sum(debrief.harms[name].values()) for name in who}
    parts.append((f"{'all harm':28}" + "".join(f"{dollars(total[name]):>14}" for name in who) + "\n", "bold"))
    return Content.assemble(*parts).rstrip()


def deeds(debrief: Debrief) -> Content:
    """Each action and what it saved or cost."""
    if not debrief.deeds:
        return Content.styled("nothing was done\n", "$foreground-muted")
    parts: list[Part] = []
    most = max((abs(one.saved) for one in debrief.deeds if one.saved is not None), default=0.0)
    for number, one in enumerate(debrief.deeds, 1):
        refused = one.outcome in ("rejected", "failed")
        parts += [(f"{number:>3} {format_clock(one.at):>6} ", "$foreground-muted"), *_worth(one, most)]
        outcome = f"\n{'':11}{_outcome(one)}" if refused else f"  {_outcome(one)}".rstrip()
        parts += [" ", (one.what, "strike" if refused else ""), (f"{outcome}\n", "$text-error" if refused else "")]
    note = (
        "saved or cost, against the same drill without the one action"
        if debrief.explained
        else "what each was worth is not known"
    )
    return Content.assemble((f"{note}\n", "$foreground-muted"), *parts).rstrip()


def _outcome(one: Deed) -> str:
    if one.outcome == "completed":
        return ""
    return one.outcome + (f": {one.reason}" if one.reason else "")


def _worth(one: Deed, most: float) -> Iterator[Part]:
    """A word, an amount and a bar."""
    if one.saved is None:
        yield f"{'-':>22}", "$foreground-muted"
        return
    if abs(one.saved) < 0.5:  # cents are noise
        yield f"{'$0':>22}", "$foreground-muted"
        return
    word, style = ("saved", "$text-success") if one.saved > 0 else ("cost", "$text-error")
    filled = max(1, round(6 * abs(one.saved) / most))
    yield f"{word:>6} {dollars(abs(one.saved)):>8} ", style
    yield f"{('▪' * filled):6}", style


def lesson(debrief: Debrief) -> Content:
    """What it was, how to see it sooner, what was tempting, where to read more."""
    parts: list[Part] = [
        ("What it was\n", "bold $primary"),
        ("cause ", "$foreground-muted"),
        (debrief.cause, "bold"),
        ("  component ", "$foreground-muted"),
        (f"{debrief.component}\n\n", "bold"),
        *_paragraphs(debrief.story),
    ]
    if debrief.sooner:
        parts += [("\nHow to see it sooner\n", "bold $primary"), *_paragraphs(debrief.sooner)]
    if debrief.tempting:
        parts.append(("\nTempting, and wrong\n", "bold $primary"))
        for name, why in debrief.tempting:
            parts += [("✗ ", "$text-error"), (f"{name}: ", "bold"), f"{why}\n"]
    if debrief.sources:
        parts += [("\nSources\n", "bold $primary"), *(f"· {source}\n" for source in debrief.sources)]
    return Content.assemble(*parts)


def _paragraphs(text: str) -> Iterator[Part]:
    paragraphs = [" ".join(one.split()) for one in text.split("\n\n")]
    yield "\n\n".join(one for one in paragraphs if one) + "\n"


def lanes_of(debrief: Debrief, width: int, names: int, *, reveal: bool) -> Content:
    """Your actions, the alerts and, revealed, the fault: a row each on the drill's time."""
    inner = max(10, width - names - 1)
    rows: list[Part] = []
    for lane in sorted(debrief.lanes, key=lambda one: _ORDER[one.kind]):
        if lane.kind == "fault" and not reveal:
            continue
        char, style = _LANES[lane.kind]
        label = "FAULT" if lane.kind == "fault" else lane.name
        cells = [" "] * inner
        for start, end in lane.spans:
            first, last = (_column(at, debrief.duration, inner) for at in (start, end))
            cells[first : last + 1] = [char] * (last + 1 - first)
        rows += [(f"{_fit(label, names):>{names}}", style), ("▏", "$foreground-muted"), ("".join(cells) + "\n", style)]
    marks = [" "] * inner
    for number, deed in enumerate(debrief.deeds, 1):
        text = str(number)
        place = min(_column(deed.at, debrief.duration, inner), inner - len(text))
        while place < inner - len(text) and any(char != " " for char in marks[place : place + len(text)]):
            place += 1
        marks[place : place + len(text)] = text
    rows += [(f"{'your actions':>{names}}", "$text-primary"), ("▏", "$foreground-muted"), ("".join(marks), "bold $text-primary")]
    return Content.assemble(*rows)


LEGEND = "▆ page  ▂ ticket  1 2 3 what you did, as numbered under actions"
_LANES: Mapping[str, tuple[str, str]] = {
    "fault": ("█", "$text-error"),
    "page": ("▆", "$text-warning"),
    "ticket": ("▂", "$text-warning"),
}
_ORDER = {"page": 0, "ticket": 1, "fault": 2}


def _column(at: float, duration: float, width: int) -> int:
    return min(width - 1, max(0, int(at / max(1e-9, duration) * width)))


def _fit(text: str, width: int) -> str:
    """The window behind an alert's name, which tells it from its like, is never cut."""
    name, gap, window = text.partition(" ")
    room = width - len(gap + window)
    return text if len(text) <= width else f"{name[: max(1, room - 1)]}…{gap}{window}"


def dashed(points: Sequence[tuple[float, float | None]], period: float, share: float) -> list[tuple[float, float | None]]:
    """A curve with gaps, so that it is told from others by its shape, too."""
    return [(at, value if at % period < share * period else None) for at, value in points]
