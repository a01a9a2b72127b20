"""Names that the parts of the gateway's configuration share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

TYPE = "type.googleapis.com/envoy"
POOLS = ("model-champion", "model-candidate", "model-shadow")
"""The clusters of model servers, by deployment."""

CHAMPION, CANDIDATE, SHADOW = POOLS
ROUTES = "gateway"
"""Name of the route configuration."""

POLICY = "policy"
"""Name of the runtime layer."""

REPEAT = "x-client-attempt"
"""Header by which clients mark a repeat, with its number from 1."""

LUCK = "x-route-luck"
"""Header with a whole number from 0 to `WHOLE` - 1 that chooses between champion and candidate; without it Envoy draws."""

WHOLE = 1_000_000
"""Shares are in millionths."""

UNLIMITED = 65_536
"""Of connections and requests: queues and their bounds are the model servers' own."""

EVERYWHERE = "0.0.0.0"  # noqa: S104  # in a pod: whom it is open to, the cluster decides
"""All addresses of a machine or pod."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where something listens."""

    host: str
    port: int

    @property
    def json(self) -> Json:
        """In Envoy's form."""
        return {"socket_address": {"address": self.host, "port_value": self.port}}

    @property
    def near(self) -> Address:
        """Where a program on the same machine, or in the same pod, finds what listens on it."""
        return Address("127.0.0.1", self.port) if self.host == EVERYWHERE else self

    def __str__(self) -> str:
        """As in a URL."""
        return f"{self.host}:{self.port}"


def millionths(share: float) -> int:
    """A share of 1 in millionths."""
    return min(WHOLE, max(0, round(share * WHOLE)))


def fraction(share: float) -> Json:
    """A share of 1 as Envoy's fractional percent."""
    return {"numerator": millionths(share), "denominator": "MILLION"}


def typed(kind: str, **fields: Any) -> Json:
    """A message of an extension or a resource, with its type."""
    return {"@type": f"{TYPE}.{kind}", **fields}
