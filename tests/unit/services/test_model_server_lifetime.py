"""Settings that end the process of a model server a while after it is ready, until they are taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from drillbox.stacks.services.model_server import lifetime
from drillbox.stacks.services.model_server.lifetime import EXIT, Lifetime
from drillbox.stacks.services.model_server.settings import Live


class Loop:
    """An event loop's clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        self.timers.append(Timer(when, callback))
        return self.timers[-1]

    def go(self, seconds: float) -> None:
        self.now += seconds
        for timer in [one for one in self.timers if one.when <= self.now and not one.cancelled]:
            timer.cancel()
            timer.callback()


class Timer:
    def __init__(self, when: float, callback: Callable[[], object]) -> None:
        self.when, self.callback, self.cancelled = when, callback, False

    def cancel(self) -> None:
        self.cancelled = True


@pytest.fixture
def loop() -> Any:
    return Loop()


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    codes: list[int] = []
    monkeypatch.setattr(lifetime.os, "_exit", codes.append)
    return codes


def test_it_ends_so_long_after_it_was_ready(loop: Any, exits: list[int]) -> None:
    told: list[tuple[str, str]] = []
    Lifetime(loop, lambda *line: told.append(line), Live(revision="revision-2", exit_after=5.0))  # type: ignore[arg-type]
    loop.go(4.9)
    assert exits == []
    loop.go(0.2)
    assert exits == [EXIT]
    assert told == [("error", "settings revision-2: thread pool is exhausted")]


def test_the_time_of_new_settings_begins_with_them_and_that_of_others_does_not_begin_anew(loop: Any, exits: list[int]) -> None:
    one = Lifetime(loop, lambda *_line: None, Live())  # type: ignore[arg-type]
    loop.go(60.0)
    one.change(Live(revision="revision-2", exit_after=5.0))
    loop.go(3.0)
    one.change(Live(revision="revision-2", exit_after=5.0, queue=7))
    assert exits == []
    loop.go(2.0)
    assert exits == [EXIT]


def test_a_roll_back_spares_it(loop: Any, exits: list[int]) -> None:
    one = Lifetime(loop, lambda *_line: None, Live(revision="revision-2", exit_after=5.0))  # type: ignore[arg-type]
    loop.go(4.0)
    one.change(Live())
    loop.go(1000.0)
    assert exits == []


@pytest.mark.parametrize("given", [{"exit_after": -1.0}, {"exit_after": float("nan")}, {"revision": ""}, {"revision": "a b"}])
def test_what_is_no_setting_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Live(**given)


def test_a_real_process_exits_and_says_why(start: Any) -> None:
    service = start(MODEL_REVISION="revision-2", MODEL_EXIT_AFTER="0.2")
    assert service.process.wait(120.0) == EXIT
    service.wait_for("loaded, ready")
    service.wait_for("settings revision-2: thread pool is exhausted")
