"""The settings file: TOML, read as a whole; whatever is wrong in it is told with its key and the nearest valid choice."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from ...sandbox.model.errors import UsageError, nearest
from .themes import ABOUT, DEFAULT

SPEEDS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Speeds that the library offers; any from 1 to 600 may be set."""
MOST_SEED = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person has set. `keys` are keys by the id of a binding, `speed` is drill seconds per wall second."""

    theme: str = DEFAULT
    speed: float = 10.0
    stack: str = "sim"
    seed: int = 1
    profile: str = ""
    mouse: bool = True
    animation: bool = True
    keys: Mapping[str, str] = field(default_factory=dict)


def read_settings(path: Path) -> Settings:
    """The settings of a file; the usual ones if there is none.

    Raises:
        UsageError: it cannot be read, or something in it is not valid.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the settings {path}: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None
    try:
        return parse_settings(text)
    except SettingsError as error:
        raise UsageError(f"{path}: {error}") from None


class SettingsError(ValueError):
    """Something in the settings is not valid; the message names the key and the nearest valid choice."""


def parse_settings(text: str) -> Settings:
    """Settings from TOML.

    Raises:
        SettingsError: something in it is not valid.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"this is not TOML: {error}") from None
    known = [one.name for one in fields(Settings)]
    values: dict[str, object] = {}
    for name, value in data.items():
        if name not in known:
            raise SettingsError(f"unknown setting {name!r}; {nearest(name, known)}")
        values[name] = _READERS[name](name, value)
    return replace(Settings(), **values)  # type: ignore[arg-type]  # each was read as what it has to be


def save_setting(path: Path, name: str, value: str) -> None:
    """Change one setting that is a text, and nothing else in the file: comments stay."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = ""
    line = f'{name} = "{value}"'
    head, table, rest = _split(text)
    changed, count = re.subn(rf"(?m)^\s*{name}\s*=.*$", line, head, count=1)
    if not count:
        changed = f"{head.rstrip()}\n{line}\n".lstrip() + ("\n" if table else "")
    parse_settings(changed + rest)  # never write what could not be read again
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(changed + rest, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write the settings {path}: {error.strerror}") from None


def _split(text: str) -> tuple[str, bool, str]:
    """What stands before the first table, whether there is one, and it with all that follows."""
    found = re.search(r"(?m)^\s*\[", text)
    return (text, False, "") if found is None else (text[: found.start()], True, text[found.start() :])


def _theme(name: str, value: object) -> str:
    if value not in ABOUT:
        raise SettingsError(f"{name}: unknown theme {value!r}; {nearest(str(value), ABOUT)}")
    return str(value)


def _speed(name: str, value: object) -> float:
    try:
        speed = float(str(value).strip().lower().removesuffix("x"))
    except ValueError:
        speed = 0.0
    if isinstance(value, bool) or not 1.0 <= speed <= SPEEDS[-1]:
        raise SettingsError(f'{name}: {value!r} is not a speed; write "1x" to "600x"')
    return speed


def _seed(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_SEED:
        raise SettingsError(f"{name}: {value!r} is not a seed; write a whole number from 0 to {MOST_SEED}")
    return value


def _switch(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise SettingsError(f"{name}: {value!r} is neither true nor false")
    return value


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise SettingsError(f"{name}: {value!r} is not a text; put it in quotes")
    return value


def _keys(name: str, value: object) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise SettingsError(f"{name}: this is a table; write [keys] and below it lines such as {_EXAMPLE}")
    from .keymap import checked_keymap  # imports every screen: only for those who have keys of their own

    return checked_keymap(name, value)


_EXAMPLE = '"library.filter" = "slash,f3"'
_READERS: Mapping[str, Callable[[str, object], object]] = {
    "theme": _theme,
    "speed": _speed,
    "stack": _text,
    "seed": _seed,
    "profile": _text,
    "mouse": _switch,
    "animation": _switch,
    "keys": _keys,
}
