"""Acting: the menu of actions, and for each a form that is made from its declaration."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.suggester import SuggestFromList
from textual.widgets import Button, Input, Label, Select, Static

from ...sandbox.model.actions import Action
from ...sandbox.model.faults import FAULTS
from ...sandbox.model.params import Kind, Param, ParamError, Value
from ...sandbox.model.scenario import Prices
from ...sandbox.model.service import ServiceSpec, fields_of
from ...sandbox.model.units import format_duration
from ..widgets.dialogs import Confirm, Dialog
from ..widgets.rows import Row, Rows
from ..widgets.styles import MUTED
from . import words
from .picture import Picture
from .words import field

LETTERS: Mapping[str, str] = {
    "acknowledge": "k", "declare": "d", "diagnose": "i", "resolve": "r", "silence": "m",
    "hint": "y", "note": "v",
    "scale": "s", "restart": "t", "set-autoscaler": "o", "shed": "x", "fallback": "f",
    "set-timeout": "w", "set-retries": "e", "roll-back": "b", "stage": "g", "set-canary": "c",
    "promote": "p", "shadow": "h", "quarantine": "u", "release-feature": "l", "pin-feed": "n", "restart-pipeline": "j",
    "retrain": "T", "freeze-retraining": "Z", "resume-retraining": "U", "approve": "A", "reject": "J",
    "abort-canary": "C", "restart-scheduler": "H", "set-retraining": "N",
}  # fmt: skip
"""The letter of each action in the menu; others get one that is free."""
_UNITS = {
    Kind.DURATION: "a duration such as 250ms, 90s or 5m",
    Kind.RATE: "a rate such as 120/s",
    Kind.SHARE: "a share such as 35%",
    Kind.COUNT: "a whole number",
    Kind.FACTOR: "a number",
    Kind.NAME: "a name",
    Kind.TEXT: "what you want to say",
}
_UNCHANGED = "unchanged"


def by_letter(actions: Iterable[Action]) -> dict[str, Action]:
    """The actions by their letters, in order."""
    found: dict[str, Action] = {}
    rest = []
    for action in actions:
        letter = LETTERS.get(action.name)
        if letter is None or letter in found:
            rest.append(action)
        else:
            found[letter] = action
    free = [one for one in string.ascii_lowercase + string.ascii_uppercase + string.digits if one not in LETTERS.values()]
    return found | dict(zip(free, rest, strict=False))


def names_for(param: Param, picture: Picture) -> tuple[str, ...]:
    """The names that a parameter of that kind can have now, as far as they are known."""
    if param.kind is Kind.CHOICE:
        return param.choices
    if param.name == "version":
        return picture.versions
    if param.name == "replica":
        return ("all", *picture.fleet)
    if param.name == "alert":
        firing = dict.fromkeys(alert.name for alert in picture.alerts.values() if alert.firing)
        return (*(("all",) if param.default == "all" else ()), *firing)
    return ()


def what_it_does(action: Action, spec: ServiceSpec | None, prices: Prices | None = None) -> list[str]:
    """Lines: help, when it is in force, the fields that it may change with their present values, and what that costs."""
    lines = [action.help]
    if action.duration > 0:
        lines.append(f"In force {format_duration(action.duration)} after it is accepted.")
    known = dict(fields_of(spec)) if spec else {}
    changes = [f"{path} (now {field(path, known[path])})" if path in known else path for path in action.fields]
    costs = what_it_costs(action, prices) if prices is not None else ""
    return [*lines, *([f"May change {', '.join(changes)}."] if changes else ()), *([costs] if costs else ())]


def what_it_costs(action: Action, prices: Prices) -> str:
    """The prices that an action can make one pay; empty where it has none of its own."""
    touched = " ".join(action.fields)
    parts = []
    if any(word in touched for word in ("replicas", "autoscaler.m", "autoscaler.enabled")):
        parts.append(f"each replica {words.dollars(prices.replica_hour)} an hour")
    if any(word in touched for word in ("shed", "quota")):
        parts.append(f"each refused request {_cents(prices.failed)}")
    if action.name == "retrain":
        parts.append(f"a training run {words.dollars(prices.training_hour)} an hour")
    if action.name == "hint":
        parts.append("no money, but the debrief tells how many were asked for")
    return f"Costs {', '.join(parts)}." if parts else ""


def _cents(value: float) -> str:
    return f"{value * 100:g} cents" if value < 1 else words.dollars(value)


class ActionMenu(Dialog[str]):
    """All actions by component, each with its letter; dismissed with the name of one."""

    DEFAULT_CSS = """
    ActionMenu > .box { width: 100; }
    ActionMenu .note { margin-top: 1; height: 2; }
    """

    def __init__(self, actions: Sequence[Action]) -> None:
        super().__init__()
        self._actions = by_letter(actions)

    def compose(self) -> ComposeResult:
        """A list."""
        with Vertical(classes="box") as box:
            box.border_title = "What to do"
            box.border_subtitle = "letter or enter chooses · esc back"
            yield Rows(lit=True)
            yield Label(classes="note", markup=False)

    def on_mount(self) -> None:
        """Show all."""
        rows = self.query_one(Rows)
        self.watch(rows, "cursor", self._explain, init=False)
        listed = []
        for component in dict.fromkeys(action.component for action in self._actions.values()):
            listed.append(Row(None, Content.styled(component, MUTED)))
            listed += [
                Row(action.name, self._line(letter, action), f"{action.name}: {action.help}")
                for letter, action in self._actions.items()
                if action.component == component
            ]
        rows.show(listed)
        rows.styles.height = max(3, min(len(listed), self.size.height * 94 // 100 - 5))
        rows.focus()
        self._explain()

    def _explain(self) -> None:
        """All that there is to say of the action under the cursor."""
        row = self.query_one(Rows).current
        action = next((one for one in self._actions.values() if row is not None and one.name == row.key), None)
        careful = "▲ asks before it does it. " if action and action.destructive else ""
        self.query_one(".note", Label).update(f"{careful}{action.help}" if action else "")

    def _line(self, letter: str, action: Action) -> Content:
        careful = ("▲ ", "$text-warning") if action.destructive else "  "
        return Content.assemble((f"  {letter}  ", "bold $text-accent"), (f"{action.name:<17}", "bold"), careful, action.help)

    def on_key(self, event: events.Key) -> None:
        """A letter chooses."""
        if event.character and event.character in self._actions:
            event.stop()
            self.dismiss(self._actions[event.character].name)

    @on(Rows.Chosen)
    def _choose(self, chosen: Rows.Chosen) -> None:
        self.dismiss(str(chosen.row.key))


class Field(Vertical):
    """One parameter: what it is, what it may be, what was entered, and what is wrong with that."""

    DEFAULT_CSS = """
    Field {
        height: auto;
        margin-top: 1;
        & Input { background: $boost; }
        & Input:focus { background: $primary 30%; }
        & #meaning { display: none; }
        & SelectCurrent { background: $boost; }
        & Select:focus SelectCurrent { background: $primary 30%; }
        & SelectOverlay, & SelectOverlay:focus {
            border: round $primary !important; background: $surface;
            scrollbar-size-vertical: 1; scrollbar-color: $foreground 40%; scrollbar-background: $surface;
        }
        & .wrong { color: $text-error; text-style: bold; display: none; }
        &.-wrong .wrong { display: block; }
    }
    """

    def __init__(self, param: Param, known: Sequence[str]) -> None:
        super().__init__(id=f"field-{param.name}")
        self.param = param
        self._known = tuple(known)

    def compose(self) -> ComposeResult:
        """Label, input, hint, error."""
        param = self.param
        yield Label(
            Content.assemble((param.name, "bold"), f"  {param.help}", "" if param.required else ("  (optional)", "italic"))
        )
        default = param.format(param.default) if param.default is not None else ""
        if param.kind in (Kind.CHOICE, Kind.SWITCH):
            options = list(param.choices) if param.kind is Kind.CHOICE else ["on", "off"]
            if not param.required and not default:
                options.insert(0, _UNCHANGED)
            first = default or (_UNCHANGED if _UNCHANGED in options else "")
            pairs = [(option, option) for option in options]
            yield (
                Select(pairs, value=first, allow_blank=False, compact=True)
                if first
                else Select(pairs, prompt="choose one", compact=True)
            )
            yield Label("", classes="note", markup=False, id="meaning")
        else:
            yield Input(default, suggester=SuggestFromList(self._known), compact=True)
            yield Label(self._hint(), classes="note", markup=False)
        yield Label("", classes="wrong", markup=False)

    @on(Select.Changed)
    def _explain(self, changed: Select.Changed) -> None:
        """What the chosen cause is, in words."""
        fault = FAULTS.get(str(changed.value))
        self.query_one("#meaning").display = fault is not None
        self.query_one("#meaning", Label).update(fault.help if fault is not None else "")

    def _hint(self) -> str:
        parts = [_UNITS[self.param.kind], self.param.bounds()]
        if self._known:
            parts.append("known: " + ", ".join(self._known[:8]))
        return "; ".join(part for part in parts if part)

    def read(self) -> Value | None:
        """The value in base units; None if none was given and none is needed.

        Raises:
            ParamError: what was entered cannot be.
        """
        text = self._text()
        if not text or text == _UNCHANGED:
            if self.param.required:
                raise ParamError(self.param.name, f"is needed: {self.param.help}")
            return None
        return self.param.parse(text)

    def _text(self) -> str:
        for select in self.query(Select):
            return "" if select.is_blank() else str(select.value)
        return self.query_one(Input).value.strip()

    def complain(self, message: str) -> None:
        """Say what is wrong; nothing if it is empty."""
        self.set_class(bool(message), "-wrong")
        self.query_one(".wrong", Label).update(f"✗ {message}" if message else "")


class ActionForm(Dialog[Mapping[str, Value]]):
    """The parameters of an action, and what it will do; dismissed with the values in base units."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+g", "submit", "Do it", id="form.submit", tooltip="Ask for the action"),
    ]
    DEFAULT_CSS = """
    ActionForm .fields { height: auto; max-height: 66vh; }
    """

    def __init__(self, action: Action, picture: Picture) -> None:
        super().__init__()
        self._action = action
        self._picture = picture

    def compose(self) -> ComposeResult:
        """What it does, the fields, two buttons."""
        action = self._action
        with Vertical(classes="box") as box:
            box.border_title = f"{action.component}: {action.name}"
            box.border_subtitle = "enter or ctrl+g: do it · tab: next field · esc: cancel"
            with VerticalScroll(classes="fields", can_focus=False):
                now = self._picture.snapshot
                does = what_it_does(action, now.spec if now else None, now.prices if now else None)
                yield Static(Content("\n").join([Content(does[0]), *(Content.styled(line, MUTED) for line in does[1:])]))
                for param in action.params:
                    yield Field(param, names_for(param, self._picture))
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="cancel")
                yield Button("Do it", "error" if action.destructive else "primary", id="do")

    def on_mount(self) -> None:
        """Begin with what is to be filled in; without fields with Cancel if it destroys."""
        inputs = self.query("Input, Select")
        if inputs:
            inputs.first().focus()
        else:
            self.query_one("#cancel" if self._action.destructive else "#do").focus()

    @on(Input.Submitted)
    def action_submit(self) -> None:
        """Ask for it, if everything is right; before something destructive ask once more."""
        values: dict[str, Value] = {}
        wrong: list[Field] = []
        for shown in self.query(Field):
            try:
                value = shown.read()
            except ParamError as error:
                shown.complain(str(error))
                wrong.append(shown)
                continue
            shown.complain("")
            if value is not None:
                values[shown.param.name] = value
        if wrong:
            wrong[0].query("Input, Select").first().focus()
        elif self._action.params and not values and not any(param.required for param in self._action.params):
            next(iter(self.query(Field))).complain("nothing is to be changed: fill in at least one field")
        elif self._action.destructive:
            text = f"{self._action.name} {_written(self._action, values)}".rstrip()
            question = Content.assemble((text, "bold"), f"\n\n{self._action.help}")
            self.app.push_screen(Confirm("Are you sure?", question, "Do it"), lambda answer: self._confirmed(answer, values))
        else:
            self.dismiss(values)

    def _confirmed(self, answer: str | None, values: Mapping[str, Value]) -> None:
        if answer == "y":
            self.dismiss(values)

    @on(Button.Pressed, "#do")
    def _do(self) -> None:
        self.action_submit()

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.dismiss(None)


def _written(action: Action, values: Mapping[str, Value]) -> str:
    known = {param.name: param for param in action.params}
    return " ".join(f"{name}={known[name].format(value)}" for name, value in values.items())
