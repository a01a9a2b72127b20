"""The page about the loop quotes real drills and flights, and names every fault, action, trigger and bound as it is."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from drillbox.sandbox.control import canary, gate
from drillbox.sandbox.control.retraining import Trigger
from drillbox.sandbox.learning.evaluation import HELD_OUT_HOURS
from drillbox.sandbox.learning.training import FEWEST
from drillbox.sandbox.learning.windows import Spans
from drillbox.sandbox.model.faults import FAULTS
from drillbox.sandbox.model.retraining import RETRAINING
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.service import Retraining
from drillbox.stacks.control_plane import canary as real_canary
from drillbox.stacks.control_plane import retraining as real_retraining
from drillbox.stacks.control_plane import training_run

DOCS = Path(__file__).parents[3] / "docs"
HASH = re.compile(r"`[0-9a-f]{12}`")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


@pytest.fixture(scope="session")
def maker(june: Scenario) -> ModuleType:
    """The script, once there is a state folder to play in."""
    spec = importlib.util.spec_from_file_location("drillbox_docs_retraining", DOCS / "make_retraining.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def page() -> str:
    return (DOCS / "retraining.md").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def recoveries(maker: ModuleType) -> list:
    return maker.recoveries()


def table(page: str, name: str) -> str:
    """What the page has in the place of a table."""
    found = re.search(rf"<!-- {name}: made by make_retraining.py -->\n\n(.*?)\n<!-- end of {name} -->", page, re.DOTALL)
    assert found is not None
    return found[1]


def assert_same(kept: str, fresh: str, within: float = 0.02) -> None:
    """The same words and hashes, and numbers within 2%: another processor may round the last digit of a sum differently."""
    assert HASH.findall(kept) == HASH.findall(fresh)
    kept, fresh = (HASH.sub("", text) for text in (kept, fresh))
    assert NUMBER.sub("0", kept) == NUMBER.sub("0", fresh)
    pairs = zip(NUMBER.findall(kept), NUMBER.findall(fresh), strict=True)
    for a, b in pairs:
        assert float(a.replace(",", "")) == pytest.approx(float(b.replace(",", "")), rel=within), (a, b)


def test_in_june_a_gated_retrain_recovers_quality_for_five_seeds(recoveries: list) -> None:
    assert [one.seed for one in recoveries] == [1, 2, 3, 4, 5]
    for one in recoveries:
        assert one.before.flights == one.after.flights > 500
        assert one.after.auc > one.before.auc + 0.1
        assert one.after.brier < one.before.brier - 0.1
        assert one.seen[1] < one.seen[0] - 0.08
        assert one.saved > 0.1 * one.idle
        assert one.version.why == "run-1, by hand: trained"


def test_the_page_has_the_figures_of_the_june_drill(maker: ModuleType, page: str, recoveries: list) -> None:
    assert_same(table(page, "june"), maker.june_table(recoveries))


def test_the_page_has_what_the_gate_says(maker: ModuleType, page: str) -> None:
    assert_same(table(page, "gate"), maker.gate_table())


def test_the_page_has_the_lineage_of_the_drill(maker: ModuleType, page: str) -> None:
    assert_same(table(page, "lineage"), maker.lineage_table(maker.play(maker.june(), 1), maker.june()))


def test_a_page_without_a_place_for_a_table_is_no_page(maker: ModuleType) -> None:
    with pytest.raises(ValueError, match="retraining.md has no place for the table 'june'"):
        maker.with_tables("# Nothing\n", {"june": "| |"})


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("When a run begins", {trigger.value for trigger in Trigger}),
        ("How it goes wrong", {name for name in FAULTS if name.startswith("retraining.")} | {"release.swapped"}),
        ("What can be done", {action.name for action in RETRAINING} | {"promote", "roll-back"}),
    ],
)
def test_a_table_names_all_there_are(page: str, heading: str, names: set[str]) -> None:
    section = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("|")][2:]
    found = {re.sub(r"\[.*\]", "", name).strip(" `") for cell in cells for name in cell.split(", ")}
    assert found == names


def test_bounds_are_those_of_the_code(page: str) -> None:
    loop, prose = Retraining(), " ".join(page.split())
    spans = Spans()
    shares, step = real_canary.FULL.shares, real_canary.FULL.step
    for quoted in (
        f"Every {real_retraining.PERIOD:g} seconds without one the scheduler asks",
        f"The *cooldown* ({loop.cooldown:g} h)",
        f"the last `days` days ({loop.days})",
        f"Its end is {spans.maturity_hours + HELD_OUT_HOURS:g} hours ago, in whole hours: {spans.maturity_hours:g} until",
        f"and {HELD_OUT_HOURS:g} that are held out",
        f"at least {gate.LEAST_ROWS:.0%} of the usual number of rows",
        f"with {gate.NULL_EXCESS:.0%} more missing values or with over {gate.OUT_OF_RANGE:.0%} out of its range",
        f"At least {gate.FEWEST} are needed",
        f"lower by `margin` ({loop.margin:g})",
        f"with {gate.FEWEST_IN_SLICE} flights higher by {gate.SLICE_TOLERANCE:g}",
        f"gets {shares[0]:.0%} of the requests for {step:g} seconds, then {shares[1]:.0%}",
        f"Fisher's exact test at {canary.LEVEL:g}",
        f"more than {canary.LARGEST_SKEW:g} from what the same model says offline",
        f"With fewer than {canary.MIN_REQUESTS} requests between two decisions",
        f"fewer than {FEWEST:,} flights",
    ):
        assert quoted in prose, quoted
    steps = page.partition("```\n")[2].partition("```")[0].splitlines()[1]
    times = [
        training_run.SNAPSHOT_TIME,
        training_run.VALIDATION_TIME,
        60.0,
        training_run.EVALUATION_TIME,
        25.0,
        2.0,
        step,
    ]
    assert [float(number) for number in NUMBER.findall(steps)] == times
