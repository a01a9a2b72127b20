"""Every action has a key, an entry of the palette and a form; what is wrong is said; what destroys is asked."""

from __future__ import annotations

import asyncio

import pytest
from textual.binding import Binding
from textual.widgets import Button, Input, Select

from drillbox.sandbox.model.actions import ACTIONS
from drillbox.sandbox.model.events import Accepted, Rejected
from drillbox.sandbox.session import DrillSession, Phase
from drillbox.tui.cockpit.acting import LETTERS, ActionForm, ActionMenu, Field, by_letter, what_it_costs, what_it_does
from drillbox.tui.cockpit.commands import CockpitCommands
from drillbox.tui.cockpit.detail_screen import DetailScreen
from drillbox.tui.cockpit.panels import GaugePanel
from drillbox.tui.cockpit.screen import CockpitScreen
from drillbox.tui.widgets.dialogs import Confirm, Picker, Question
from drillbox.tui.widgets.rows import Rows

from .conftest import SMALL, Stage, perform


def asked(session: DrillSession) -> list[tuple[str, dict[str, object]]]:
    """What the session was asked for and took."""
    return [(event.body.action, dict(event.body.params)) for event in session.events() if isinstance(event.body, Accepted)]


def test_a_form_tells_what_its_action_costs(rush: DrillSession) -> None:
    prices = rush.scenario.world.prices
    assert what_it_costs(ACTIONS["scale"], prices) == f"Costs each replica ${prices.replica_hour:.2f} an hour."
    assert what_it_costs(ACTIONS["shed"], prices) == f"Costs each refused request {prices.failed * 100:g} cents."
    assert what_it_costs(ACTIONS["retrain"], prices) == f"Costs a training run ${prices.training_hour:.2f} an hour."
    assert "how many were asked for" in what_it_costs(ACTIONS["hint"], prices)
    assert what_it_costs(ACTIONS["set-timeout"], prices) == ""


def test_a_diagnosis_tells_what_the_chosen_cause_is(rush: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        await stage.press("i", "tab", "enter", "down", "enter")
        await stage.until(lambda: "Many more clients call at once" in stage.screen())

    perform(rush, script)


def test_every_action_has_a_letter_of_its_own() -> None:
    letters = by_letter(ACTIONS.values())
    assert sorted(action.name for action in letters.values()) == sorted(ACTIONS)
    assert set(LETTERS) <= set(ACTIONS)
    assert len(set(LETTERS.values())) == len(LETTERS)
    assert all(len(letter) == 1 and letter.isascii() and letter.isalnum() for letter in letters)


def test_no_two_bindings_clash() -> None:
    for screen in (CockpitScreen, DetailScreen, ActionForm, ActionMenu, Picker, Question):
        keys = [
            key
            for owner in (*screen.__mro__, *((Rows, GaugePanel) if screen is CockpitScreen else ()))
            for binding in getattr(owner, "__dict__", {}).get("BINDINGS", [])
            if owner.__module__.startswith("drillbox") and isinstance(binding, Binding)
            for key in binding.key.split(",")
        ]
        shared = (
            {"up", "down", "enter"} if screen is CockpitScreen else {"escape"}
        )  # rows and gauges never have the focus at once
        twice = {key for key in keys if keys.count(key) > 1} - shared
        assert not twice, f"{screen.__name__}: {twice}"


def test_all_keys_are_such_that_terminals_pass_through() -> None:
    """Printable ASCII, arrows and the like, and control letters that no terminal takes for itself."""
    plain = {"up", "down", "left", "right", "home", "end", "pageup", "pagedown", "enter", "escape", "space", "tab"}
    named = {"slash", "colon", "plus", "minus", "equals_sign", "left_square_bracket", "right_square_bracket"}
    for screen in (CockpitScreen, DetailScreen, ActionForm, Question, Picker, Rows, GaugePanel):
        for binding in screen.BINDINGS:
            assert isinstance(binding, Binding)
            assert binding.id, binding
            assert binding.tooltip, binding
            for key in binding.key.split(","):
                assert key in plain | named | {"ctrl+g"} or (len(key) == 1 and key.isascii()), key


def test_the_menu_leads_to_the_form_of_every_action(rush: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        actions = {action.name: action for action in rush.catalogue().actions}
        assert set(stage.cockpit.actions) == set(actions)
        await stage.press("a")
        menu = stage.app.screen
        assert isinstance(menu, ActionMenu)
        letters = by_letter(actions.values())
        listed = {row.key: row.text.plain.split()[0] for row in menu.query_one(Rows).rows if row.key is not None}
        assert listed == {action.name: letter for letter, action in letters.items()}
        await stage.press("w")
        assert isinstance(stage.app.screen, ActionForm)
        await stage.press("escape")
        each = {tuple(param.kind for param in action.params): action for action in actions.values() if action.params}
        for action in each.values():  # one for each sort of form
            stage.cockpit.action_act(action.name)
            await stage.until(lambda: isinstance(stage.app.screen, ActionForm) and stage.app.screen.query(Button))
            await asyncio.sleep(0.02)
            form = stage.app.screen
            told = stage.screen()
            assert f"{action.component}: {action.name}" in told
            assert [field.param for field in form.query(Field)] == list(action.params)
            for param in action.params:
                assert param.bounds()[:20] in told or param.choices
            form.dismiss(None)
            await stage.until(lambda: stage.app.screen is stage.cockpit)
        assert not asked(rush)

    perform(rush, script, (120, 60))


def test_the_palette_has_every_action(rush: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        provider = CockpitCommands(stage.cockpit)
        names = [str(hit.display) async for hit in provider.discover()]
        for action in rush.catalogue().actions:
            assert f"{action.name} ({action.component})" in names
        hits = [hit async for hit in provider.search("roll back")]
        assert any(str(hit.match_display).startswith("roll-back") for hit in hits)

    perform(rush, script)


def test_what_it_does_tells_duration_and_the_fields_with_their_values(rush: DrillSession) -> None:
    told = "\n".join(what_it_does(ACTIONS["pin-feed"], rush.snapshot().spec))
    assert "In force 1m after" in told
    assert "features.feed (now latest)" in told
    assert "gateway.shed (now 0%)" in "\n".join(what_it_does(ACTIONS["shed"], rush.snapshot().spec))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("", "is needed"), ("30", "is not a share"), ("130%", "is not a share"), ("x", "is not a share")],
)
def test_what_is_wrong_in_a_form_is_said_at_the_field(rush: DrillSession, text: str, wrong: str) -> None:
    async def script(stage: Stage) -> None:
        await stage.press("x")
        await stage.type(text)
        await stage.press("enter")
        assert isinstance(stage.app.screen, ActionForm)
        assert f"{wrong}" in stage.screen()
        assert isinstance(stage.app.focused, Input)
        assert not asked(rush)

    perform(rush, script)


def test_a_form_with_nothing_filled_in_says_so(rush: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        await stage.press("a", "o", "ctrl+g")
        assert "fill in at least one field" in stage.screen()

    perform(rush, script, SMALL)


def test_what_destroys_is_asked_and_cancel_is_the_default(short: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        await stage.press("x")
        await stage.type("30%")
        await stage.press("enter")
        assert isinstance(stage.app.screen, Confirm)
        assert "shed share=30%" in stage.screen()
        assert isinstance(stage.app.focused, Button)
        assert str(stage.app.focused.label) == "Cancel"
        await stage.press("enter")
        assert isinstance(stage.app.screen, ActionForm)
        await stage.press("enter", "y")
        await stage.play(short.now + 2)
        assert asked(short) == [("shed", {"share": 0.3})]
        assert "● action   you: shed share=30%" in stage.panel("events")
        assert "± change   gateway.shed 0% → 30% by you" in stage.panel("events")
        await stage.press("8")
        assert "gateway.shed 0% → 30% by you" in stage.panel("changes")
        assert "sheds 30% of the requests" in stage.panel("service")

    perform(short, script)


def test_what_was_refused_is_told_with_the_reason(short: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        await stage.press("s")
        await stage.type("9")
        await stage.press("enter")
        await stage.play(short.now + 1)
        assert isinstance(next(event.body for event in short.events() if isinstance(event.body, Rejected)), Rejected)
        assert "REJECTED: the autoscaler keeps between 3 and 4" in stage.panel("events")
        (notice,) = stage.app._notifications
        assert "set-autoscaler" in notice.message

    perform(short, script)


def test_declare_diagnose_acknowledge_and_resolve(short: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        await stage.press("d")
        await stage.play(100)
        await stage.press("k", "enter")
        await stage.press("i")
        component, cause = stage.app.screen.query(Select)
        component.value, cause.value = "clients", "traffic.spike"
        await stage.press("ctrl+g", "r")
        await stage.play(102)
        assert [action for action, _ in asked(short)] == ["declare", "acknowledge", "diagnose", "resolve"]
        assert asked(short)[2] == ("diagnose", {"component": "clients", "cause": "traffic.spike"})
        assert "ack" in stage.panel("alerts")

    perform(short, script)


def test_pause_and_speed_are_asked_for(short: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        short.control(speed=10.0)
        await stage.show()
        await stage.press("space")
        assert short.snapshot().phase is Phase.PAUSED
        await stage.show()
        assert "‖ PAUSED" in stage.screen()
        await stage.press("plus")
        assert short.speed == 20.0
        await stage.show()
        await stage.press("minus", "p")
        await stage.show()
        assert (short.speed, short.snapshot().phase) == (10.0, Phase.RUNNING)

    perform(short, script)


def test_keys_that_follow_quickly_are_taken_one_by_one(short: DrillSession) -> None:
    """The cockpit does not look in between: it counts from what was asked for last."""

    async def script(stage: Stage) -> None:
        short.control(speed=1.0)
        await stage.show()
        for _ in range(4):
            stage.cockpit.action_speed(1)
        for _ in range(3):
            stage.cockpit.action_pause()
        for name in ("declare", "resolve", "declare"):
            stage.cockpit.submit(name, {})
        await stage.until(lambda: all(one.is_finished for one in stage.app.workers if one.group == "asking"))
        assert (short.speed, short.snapshot().phase) == (20.0, Phase.PAUSED)
        short.control(pause=False)
        await stage.play(short.now + 1)
        assert [action for action, _ in asked(short)] == ["declare", "resolve", "declare"]

    perform(short, script)


def test_a_paced_drill_says_why_it_cannot_be_paused(short: DrillSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DrillSession, "paced", property(lambda _: True))

    async def script(stage: Stage) -> None:
        await stage.press("space")
        (notice,) = stage.app._notifications
        assert "runs on the wall clock" in notice.message

    perform(short, script)


def test_a_slow_session_never_holds_the_keys_up(short: DrillSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that takes as long as it likes is made in a thread: meanwhile everything can be looked at."""
    import threading

    gate = threading.Event()
    submit = DrillSession.submit

    def slow(self: DrillSession, *args: object, **more: object) -> object:
        gate.wait(10)
        return submit(self, *args, **more)  # type: ignore[arg-type]  # passed on as they are

    monkeypatch.setattr(DrillSession, "submit", slow)

    async def script(stage: Stage) -> None:
        try:
            await stage.pilot.press("d", "7", "colon")
            assert isinstance(stage.app.screen, Picker)
        finally:
            gate.set()
        await stage.until(lambda: all(one.is_finished for one in stage.app.workers if one.group == "asking"))
        await asyncio.sleep(0)
        await stage.play(short.now + 1)
        assert asked(short) == [("declare", {})]

    perform(short, script)
