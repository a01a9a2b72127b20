"""docs/metrics.md is what the command writes, and names everything that drills have."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from drillbox.sandbox.cli.export import export_group
from drillbox.sandbox.model.slis import SLIS
from drillbox.sandbox.monitor.thresholds import threshold_alerts
from drillbox.wiring import Wiring

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


def test_the_page_is_up_to_date() -> None:
    result = CliRunner().invoke(export_group, ["metrics"], obj=Wiring())
    assert result.exit_code == 0
    assert PAGE.read_text(encoding="utf-8") == result.stdout, "run: drillbox export metrics > docs/metrics.md"


def test_it_names_every_sli_and_alert() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = [line.split("|")[1].strip(" `") for line in page.splitlines() if line.startswith("| `")]
    assert rows == [*SLIS, *(rule.name for rule in threshold_alerts())]
