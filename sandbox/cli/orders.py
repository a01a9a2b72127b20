"""What a person types during a drill: `scale 6`, `scale replicas=6`, `shed 50%`, `pause`, `help`."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..model.actions import Action
from ..model.errors import nearest
from ..model.params import ParamError, parse_params

WORDS = {
    "help": "this list; help ACTION tells more",
    "status": "the last observation once more",
    "alerts": "what is firing",
    "logs": "the last log lines; logs TEXT filters",
    "changes": "what was changed, by whom",
    "look": "look into: feature NAME, rows, freshness, slices, version NAME",
    "pause": "stop the clock",
    "resume": "let it run again",
    "speed": "change the pace: speed 30x",
    "detach": "leave; the drill goes on",
    "quit": "give up: the drill ends as aborted",
}


class OrderError(ValueError):
    """A typed line that means nothing; the message names the nearest valid choice."""


@dataclass(frozen=True, slots=True)
class Order:
    """An action with its raw parameters, or one of `WORDS`; `text` is its argument or what to print."""

    action: str = ""
    params: Mapping[str, object] = field(default_factory=dict)
    word: str = ""
    text: str = ""


def parse_order(line: str, actions: Sequence[Action]) -> Order:
    """What a typed line asks for.

    Raises:
        OrderError: unknown word, or parameters that the action does not take.
    """
    words = line.split()
    if not words:
        return Order(word="nothing")
    known = {action.name: action for action in actions}
    name, rest = words[0].lower(), words[1:]
    if name == "help":
        return Order(word="help", text=_help(rest, known))
    if name in WORDS:
        return Order(word=name, text=" ".join(rest))
    if name not in known:
        raise OrderError(f"unknown command {name!r}; {nearest(name, [*known, *WORDS])}")
    action = known[name]
    params = _params(action, rest)
    try:
        parse_params(action.params, params)
    except ParamError as error:
        raise OrderError(f"{error}. {usage(action)}") from None
    return Order(action=name, params=params)


def usage(action: Action) -> str:
    """How to type an action."""
    parts = []
    for param in action.params:
        text = f"{param.name}={param.bounds() or param.kind.value}"
        parts.append(text if param.required else f"[{text}]")
    return f"usage: {action.name} {' '.join(parts)}".rstrip()


def _params(action: Action, words: Sequence[str]) -> dict[str, object]:
    """`name=value` pairs; bare words go to the parameters in their order."""
    params: dict[str, object] = {}
    names = [param.name for param in action.params]
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            free = [one for one in names if one not in params]
            if not free:
                raise OrderError(f"{word!r} is one too many. {usage(action)}")
            name, value = free[0], word
        params[name] = value
    return params


def _help(words: Sequence[str], known: Mapping[str, Action]) -> str:
    if words:
        if words[0] in WORDS:
            return f"  {words[0]}: {WORDS[words[0]]}"
        if words[0] not in known:
            raise OrderError(f"unknown command {words[0]!r}; {nearest(words[0], [*known, *WORDS])}")
        action = known[words[0]]
        lines = [f"  {action.help}", f"  {usage(action)}"]
        return "\n".join(lines + [f"    {param.name}: {param.help}" for param in action.params])
    width = max(map(len, (*known, *WORDS)))
    rows = [(name, action.help) for name, action in known.items()] + [("", "")] + list(WORDS.items())
    columns = shutil.get_terminal_size((100, 30)).columns
    return "\n".join(_entry(name, text, width, columns) for name, text in rows)


def _entry(name: str, text: str, width: int, columns: int) -> str:
    """A name and its help, wrapped beside it."""
    return textwrap.fill(text, columns, initial_indent=f"  {name:{width}}  ", subsequent_indent=" " * (width + 4)) or ""
