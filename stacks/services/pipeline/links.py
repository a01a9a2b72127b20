"""What a control plane has beyond its own process: where predictions come from, where models are, and who trains them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ...control_plane.trainer import InProcess, Trainer
from .inbox import Inbox
from .remote import Remote
from .tails import Tails


class Lines(Protocol):
    """Where lines of prediction logs come from."""

    def read(self) -> Iterable[bytes]:
        """Those that have come since the last call."""


@dataclass(frozen=True, slots=True)
class Links:
    """What a control plane has beyond its own process.

    Attributes:
        predictions: folder of prediction logs.
        inbox: of predictions that are posted.
        remote: the registry service.
        trainer: who trains models.
    """

    predictions: Path | None = None
    inbox: Inbox | None = None
    remote: Remote | None = None
    trainer: Trainer = field(default_factory=InProcess)

    def readers(self) -> tuple[Lines, ...]:
        """Where predictions come from."""
        tails = (Tails(self.predictions, "*.jsonl"),) if self.predictions else ()
        return (*tails, *((self.inbox,) if self.inbox else ()))
