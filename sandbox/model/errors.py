"""Errors that a user can cause or meet, each with the exit code that the command gives for it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the command."""

    PASSED = 0
    FAILED = 1
    USAGE = 2
    STACK = 3
    ABORTED = 4
    INTERRUPTED = 130

    @classmethod
    def gravest(cls, codes: Iterable[Exit]) -> Exit:
        """The code to give for several runs: 130, 3, 4, 2, 1, then 0."""
        order = [cls.INTERRUPTED, cls.STACK, cls.ABORTED, cls.USAGE, cls.FAILED, cls.PASSED]
        return min(codes, key=order.index, default=cls.PASSED)


class DrillboxError(Exception):
    """Base of all errors whose message is meant for the user, without a traceback."""

    exit_code: Exit = Exit.USAGE


class UsageError(DrillboxError):
    """The user asked for something that cannot be: an unknown name, a wrong value, a file that is not there."""


class StackError(DrillboxError):
    """The stack could not be brought up, or broke."""

    exit_code = Exit.STACK


class AbortedError(DrillboxError):
    """The drill was aborted or ran out of time."""

    exit_code = Exit.ABORTED


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file something stands. Lines and columns count from 1; `key` is a dotted path."""

    file: str
    line: int | None = None
    column: int | None = None
    key: str = ""

    def __str__(self) -> str:
        """`file:line:column: key`, as far as known."""
        where = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return f"{where}: {self.key}" if self.key else where


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a scenario or runbook, and where."""

    place: Place
    message: str

    def __str__(self) -> str:
        """One line for the user."""
        return f"{self.place}: {self.message}"


class InvalidScenarioError(DrillboxError):
    """A scenario or runbook file cannot be used; `problems` says all that was found, in the file's order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def nearest(name: str, options: Iterable[str]) -> str:
    """A hint with the nearest valid choice, or with all of them where none is near."""
    known = sorted(str(option) for option in options)  # str: the members of an enum, too, as their plain values
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"choose one of {', '.join(known)}" if known else "there is none"
