"""Faults that a service itself realises: PUT begins, DELETE ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from ...sandbox.model.params import Params, Value


class Taker(Protocol):
    """Takes orders to services, as `Controls` do.

    Raises:
        StackError: a service does not take one.
    """

    def put(self, url: str, body: Mapping[str, object], /) -> object:
        """Something begins."""

    def delete(self, url: str, /) -> None:
        """It ends."""


@dataclass(frozen=True, slots=True)
class Order:
    """A fault as an order to a service.

    Attributes:
        controls: of the services.
        url: of the order, with `{beat}` for the beat's name.
        whole: whether the order names the fault and has its parameters in an object of their own.
    """

    controls: Taker
    url: str
    whole: bool = True

    def begin(self, beat: str, fault: str, params: Params) -> None:
        """As `Mechanism`."""
        given: dict[str, object] = {name: plain(value) for name, value in params.items()}
        self.controls.put(self.at(beat), {"fault": fault, "params": given} if self.whole else given)

    def end(self, beat: str) -> None:
        """As `Mechanism`."""
        self.controls.delete(self.at(beat))

    def at(self, beat: str) -> str:
        """The URL of the order of a beat."""
        return self.url.format(beat=quote(beat, safe=""))


def plain(value: Value) -> object:
    """A value as JSON has it: enumerations by their text."""
    return value.value if hasattr(value, "value") else value
