"""Keys of a person's own: checked against the bindings that there are and the keys that a terminal can send."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import KEY_NAME_REPLACEMENTS, Keys, _character_to_key
from textual.screen import ModalScreen

from ...sandbox.model.errors import nearest
from ..help.sheet import classes
from .settings import SettingsError

MODIFIERS = ("ctrl", "shift", "alt")


def checked_keymap(name: str, table: Mapping[str, object]) -> Mapping[str, str]:
    """Keys by the id of a binding.

    Raises:
        SettingsError: there is no such binding or key, or two bindings of one screen would have the same.
    """
    known = {binding.id: binding for _, node in classes() for binding in bound(node) if binding.id}
    found: dict[str, str] = {}
    for identity, keys in table.items():
        place = f"{name}.{identity}"
        if identity not in known:
            raise SettingsError(f"{place}: there is no such binding; {nearest(identity, known)}")
        if not isinstance(keys, str) or not keys.strip():
            raise SettingsError(f"{place}: {keys!r} is not a text with one key or more, such as {known[identity].key!r}")
        found[identity] = ",".join(_key(place, key.strip()) for key in keys.split(","))
    for title, node in classes():
        _check_clashes(name, title, node, found)
    return found


def bound(node: type[DOMNode]) -> Iterator[Binding]:
    """The bindings of a class with all that it inherits from classes of ours, but one for each id."""
    seen: set[str] = set()
    for base in node.__mro__:
        if not base.__module__.startswith(__package__.split(".", maxsplit=1)[0]):
            continue
        for one in base.__dict__.get("BINDINGS", ()):
            if isinstance(one, Binding) and one.id not in seen:
                seen.add(one.id or "")
                yield one


def together(node: type[DOMNode]) -> Iterator[Binding]:
    """The bindings that hold where a class is: its own and those of the application, which a modal screen shuts out."""
    everywhere = next(node for title, node in classes() if title == "Everywhere")
    yield from bound(node)
    if node is not everywhere and not issubclass(node, ModalScreen):
        yield from bound(everywhere)


def clashes(bindings: Iterable[Binding], keymap: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Keys that two of the bindings have: (key, id, id)."""
    owner: dict[str, str] = {}
    found = []
    for one in bindings:
        for key in keymap.get(one.id or "", one.key).split(","):
            first = owner.setdefault(_normal(key.strip()), one.id or one.action)
            if first != (one.id or one.action):
                found.append((key.strip(), first, one.id or one.action))
    return found


def _check_clashes(name: str, title: str, node: type[DOMNode], keymap: Mapping[str, str]) -> None:
    for key, one, other in clashes(together(node), keymap):
        if one in keymap or other in keymap:
            mine, theirs = (one, other) if one in keymap else (other, one)
            raise SettingsError(f"{name}.{mine}: {key!r} is the key of {theirs} already ({title})")


def _key(place: str, key: str) -> str:
    *modifiers, last = key.split("+") if key != "+" else [key]
    for one in modifiers:
        if one not in MODIFIERS:
            raise SettingsError(f"{place}: unknown modifier {one!r}; {nearest(one, MODIFIERS)}")
    if len(last) == 1:
        return "+".join((*modifiers, _normal(last)))
    named = {str(one.value) for one in Keys if not str(one.value).startswith("<")} | set(KEY_NAME_REPLACEMENTS.values()) | _NAMES
    if last not in named:
        raise SettingsError(f"{place}: unknown key {last!r}; {nearest(last, named)}")
    return key


_NAMES = {_character_to_key(char) for char in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ "}


def _normal(key: str) -> str:
    return _character_to_key(key) if len(key) == 1 else key
