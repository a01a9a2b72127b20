"""What the keys do: read from the bindings of the screens and widgets themselves, so that it can never be out of date."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module

from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import format_key

PLACES = (
    ("Everywhere", "app", "DrillboxApp"),
    ("Library", "library.screen", "LibraryScreen"),
    ("Pickers of the library", "library.choices", "Picker"),
    ("The seed", "library.choices", "SeedPicker"),
    ("Bring-up", "shell.bring_up", "BringUpScreen"),
    ("Cockpit", "cockpit.screen", "CockpitScreen"),
    ("Lists of the cockpit", "widgets.rows", "Rows"),
    ("Gauges of the cockpit", "cockpit.panels", "GaugePanel"),
    ("Drill-downs", "cockpit.detail_screen", "DetailScreen"),
    ("Dialogs", "widgets.dialogs", "Dialog"),
    ("Questions", "widgets.dialogs", "Question"),
    ("Forms of actions", "cockpit.acting", "ActionForm"),
    ("Choosing by name", "widgets.dialogs", "Picker"),
    ("Debrief", "debrief.screen", "DebriefScreen"),
    ("Past drills", "debrief.past", "PastScreen"),
    ("Replay", "debrief.replay", "ReplayScreen"),
    ("The slider of a replay", "debrief.replay", "Slider"),
    ("Settings", "settings.screen", "SettingsScreen"),
    ("Help", "help.screen", "HelpScreen"),
)
"""Where there are keys, in the order in which one meets them: title, module, class."""


@dataclass(frozen=True, slots=True)
class KeyLine:
    """A binding: its id, its keys as a person reads them, and what it does."""

    id: str
    keys: str
    what: str


def classes() -> Iterator[tuple[str, type[DOMNode]]]:
    """The screens and widgets with keys of their own."""
    package = __package__.rpartition(".")[0]
    for title, module, name in PLACES:
        yield title, getattr(import_module(f"{package}.{module}"), name)


def lines(node: type[DOMNode]) -> list[KeyLine]:
    """The bindings of a class, without those that it inherits."""
    return list(_merged(one for one in node.BINDINGS if isinstance(one, Binding)))


def _merged(bindings: Iterable[Binding]) -> Iterator[KeyLine]:
    for one in bindings:
        what = one.tooltip or one.description
        if what:
            yield KeyLine(one.id or "", key_text(one.key), what)


def key_text(keys: str) -> str:
    """Keys as a person reads them: `question_mark,f1` is `? or F1`."""
    return " or ".join(_one_key(key.strip()) for key in keys.split(","))


def _one_key(key: str) -> str:
    *modifiers, last = key.split("+")
    if re.fullmatch(r"f\d+", last):
        last = last.upper()
    elif last not in ("enter", "backspace"):  # others have signs that everybody knows
        last = format_key(last)
    return "+".join((*modifiers, last))


def cheat_sheet() -> str:
    """The page docs/keys.md."""
    parts = [
        "# Keys",
        "",
        "Made from the bindings by `python docs/make_keys.py`. In the application `?` shows those of the place where you are.",
        "Each can be changed in the [settings](settings.md) by its id.",
    ]
    for title, node in classes():
        found = lines(node)
        if found:
            parts += ["", f"## {title}", "", "| key | what it does | id |", "|---|---|---|"]
            parts += [f"| {_cell(one.keys)} | {_cell(one.what)} | `{one.id}` |" for one in found]
    return "\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
