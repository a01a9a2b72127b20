"""`drillbox export`: what other tools read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from ..observing import burn_windows
from .completion import PROFILES, SCENARIOS
from .output import say
from .playing import find

if TYPE_CHECKING:
    from .wiring import SessionMaker


@click.group("export")
def export_group() -> None:
    """Print what other tools read, on stdout."""


@export_group.command("prometheus-rules")
@click.argument("scenario", shell_complete=SCENARIOS)
@click.option("--profile", default="", shell_complete=PROFILES, help="A profile of the scenario, such as short.")
@click.pass_obj
def rules_command(wiring: SessionMaker, scenario: str, profile: str) -> None:
    """The recording and alerting rules of a scenario's objectives, as a Prometheus rule file.

    \b
    Example:
      drillbox export prometheus-rules monday-rush > rules.yml && promtool check rules rules.yml
    """
    from ..monitor.export import prometheus_rules
    from ..monitor.thresholds import threshold_alerts

    found = find(wiring, scenario, profile)
    say(prometheus_rules(found.objectives, threshold_alerts(), burn_windows(found)), nl=False)


@export_group.command("metrics")
def metrics_command() -> None:
    """The catalogue of SLIs and alerts, as the page docs/metrics.md.

    \b
    Example:
      drillbox export metrics > docs/metrics.md
    """
    from ..monitor.export import metrics_page
    from ..monitor.thresholds import threshold_alerts

    say(metrics_page(threshold_alerts()), nl=False)


@export_group.command("openapi")
def openapi_command() -> None:
    """The HTTP API of a session host, as OpenAPI in JSON; docs/session-host.md tells how to reach it.

    \b
    Example:
      drillbox export openapi > session.json
    """
    from ..api.app import openapi

    say(json.dumps(openapi(), indent=2))


@export_group.command("schema")
@click.argument("kind", type=click.Choice(["scenario", "runbook"]), default="scenario")
def schema_command(kind: str) -> None:
    """The format of scenario files, or of runbook files, as JSON Schema: editors complete and check with it while you type.

    \b
    Examples:
      drillbox export schema > scenario.schema.json
      # and as the first line of a scenario, for editors with yaml-language-server:
      # yaml-language-server: $schema=scenario.schema.json
    """
    from ..loading.json_schema import json_schema

    say(json.dumps(json_schema(kind), indent=2))
