"""Where the things of a session of the local stack are: written down by its host, for whoever looks what stands."""

from __future__ import annotations

from pathlib import Path

from ...sandbox.model.housekeeping import Address, Trial
from ..real.machine.processes import LOGS
from ..real.machine.where import Where


def write_where(session: Path, scenario: str, gateway: str, prometheus: str, alerting: str, trial: Trial) -> None:
    """Write down where things are, once they are there.

    Args:
        session: its folder.
        scenario: id of what is played.
        gateway: host:port.
        prometheus: URL of the Prometheus of the drill; empty if it has none.
        alerting: who evaluates alerts, in words.
        trial: a prediction to ask for.

    Raises:
        UsageError: the folder cannot be written.
    """
    watching = Address("prometheus", prometheus) if prometheus else Address("alerts", alerting)
    addresses = (Address("gateway", f"http://{gateway}"), watching, Address("logs", str(session / LOGS)))
    Where(scenario, addresses, trial).write(session)
