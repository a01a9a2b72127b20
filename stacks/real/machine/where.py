"""Where the things of a session are: written down by its host once they are there, looked up by anybody."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ....sandbox.model.housekeeping import Address, Trial
from .files import put

WHERE = "where.json"


@dataclass(frozen=True, slots=True)
class Where:
    """See `Standing`, which has the same; all of it is empty while a session is brought up."""

    scenario: str = ""
    addresses: tuple[Address, ...] = ()
    trial: Trial | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def write(self, session: Path) -> None:
        """Write it down in a session's folder.

        Raises:
            UsageError: the folder cannot be written.
        """
        put(session / WHERE, _FORM.dump_json(self).decode(), durable=False)

    @classmethod
    def of(cls, session: Path) -> Where:
        """What the host has written down."""
        with suppress(OSError, ValidationError):
            return _FORM.validate_json((session / WHERE).read_bytes())
        return cls()


_FORM = TypeAdapter(Where)
