"""The contracts of import-linter hold, look through the links, and catch what they are there to catch."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

Contracts = dict[str, dict[str, object]]

PURE = ("model", "engine", "monitor", "control", "scoring")

VIOLATIONS = [
    ("one-name", "sandbox/engine.py", "from sandbox.model import units"),
    ("one-name", "stacks/sim/stack.py", "import sandbox"),
    ("sandbox", "sandbox/session.py", "from ..stacks import sim"),
    ("sandbox", "sandbox/cli/__init__.py", "from ... import stacks"),
    ("sandbox", "sandbox/cli/__init__.py", "def late() -> None:\n    import drillbox.tui"),
    ("sandbox", "sandbox/cli/__init__.py", "from ...future_wiring import run_drill"),
    ("pure", "sandbox/engine.py", "from .session import Session"),
    ("pure", "sandbox/model/units.py", "from ..future_part import thing"),
    ("pure", "sandbox/scoring/__init__.py", "from ..world import flights"),
    ("pure-external", "sandbox/control/__init__.py", "import pandas"),
    ("pure-external", "sandbox/model/scenario.py", "from pydantic import BaseModel"),
    ("world-learning", "sandbox/world/__init__.py", "from ..loading import loader"),
    ("world-learning", "sandbox/learning/__init__.py", "from .. import engine"),
    ("stacks", "stacks/sim/stack.py", "from ...sandbox import engine"),
    ("stacks", "stacks/sim/__init__.py", "from ...sandbox.scoring import harm"),
    ("stacks", "stacks/__init__.py", "from .. import tui"),
    ("stacks", "stacks/__init__.py", "from ..sandbox.future_part import thing"),
    ("services", "stacks/services/__init__.py", "from ..kind import stack"),
    ("services", "stacks/deploy/__init__.py", "from ..real import controls"),
    ("real", "stacks/kind/stack.py", "from ..local import fleet"),
    ("real", "stacks/local/stack.py", "from ..kind import stack"),
    ("real", "stacks/real/stack.py", "from ..local import fleet"),
    ("machine", "stacks/real/machine/files.py", "from ..controls import Controls"),
    ("kind", "stacks/kind/drill/ways.py", "from ..faults import shelter"),
    ("kind", "stacks/kind/cluster/engine.py", "from ..drill.place import Place"),
    ("kind", "stacks/kind/records/drills.py", "from ..cluster import engine"),
    ("kind", "stacks/kind/faults/shelter.py", "from .. import housekeeping"),
    ("tui", "tui/__init__.py", "from ..sandbox import journal"),
    ("tui", "tui/__init__.py", "from ..stacks.sim import stack"),
    ("tui", "tui/__init__.py", "from ..sandbox.control import autoscaler"),
    ("time-and-luck", "sandbox/engine.py", "import time"),
    ("time-and-luck", "stacks/sim/fleet.py", "from random import random"),
]
"""A contract, and a line that it must catch at the end of a module. Modules named `future_...` are made for the test: what is
new is forbidden until it is allowed."""


def lint_imports(folder: Path) -> tuple[int, str, set[str]]:
    """Exit code, output without colours, and names of the broken contracts of a checkout."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache"]
    environment = {"PYTHONPATH": str(folder), "COLUMNS": "200", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    output = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    return done.returncode, output, set(re.findall(r"^(.+?) BROKEN", output, flags=re.MULTILINE))


@pytest.fixture(scope="session")
def contracts(root: Path) -> Contracts:
    """The contracts, by id."""
    config = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return {contract["id"]: contract for contract in config["tool"]["importlinter"]["contracts"]}


def test_the_tree_keeps_its_contracts(pristine: Path) -> None:
    code, output, _ = lint_imports(pristine)
    assert code == 0, output


def test_planted_violations_are_caught(checkout: Path, contracts: Contracts) -> None:
    (checkout / "sandbox" / "future_part.py").write_text("thing = 1\n", encoding="utf-8")
    (checkout / "drillbox" / "future_wiring.py").write_text("run_drill = 1\n", encoding="utf-8")
    _, _, broken_before = lint_imports(checkout)
    assert broken_before == set(), "new modules alone break nothing"
    lines: dict[str, int] = {}
    for number, (_, module, statement) in enumerate(VIOLATIONS):
        path = checkout / module
        text = f"{path.read_text(encoding='utf-8')}\n{statement}\n"
        path.write_text(text, encoding="utf-8")
        lines[str(number)] = len(text.splitlines())
    code, output, broken = lint_imports(checkout)
    assert code == 1, output
    assert broken == {str(contract["name"]) for contract in contracts.values()}
    for number, (contract, module, statement) in enumerate(VIOLATIONS):
        section = report(output, str(contracts[contract]["name"]))
        name = "drillbox." + module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        pattern = rf"{re.escape(name)} -> [\w.]+ \((?:l\.\d+, )*l\.{lines[str(number)]}\b"
        assert re.search(pattern, section), f"{contract} missed {statement!r} in {module}\n{section}"


def report(output: str, contract: str) -> str:
    """What import-linter says about one broken contract."""
    _, _, rest = output.partition("Broken contracts")
    _, _, rest = rest.partition(f"\n{contract}\n---")
    return re.split(r"\n-{5,}\n\n", rest.partition("\n")[2], maxsplit=1)[0]


def test_pure_parts_use_only_the_standard_library_numpy_and_each_other(contracts: Contracts) -> None:
    graph = grimp.build_graph("drillbox", include_external_packages=True, cache_dir=None)
    pure = tuple(f"drillbox.sandbox.{part}" for part in PURE)
    allowed = sys.stdlib_module_names | {"numpy"}
    wrong = [
        f"{module} -> {imported}"
        for module in sorted(graph.modules)
        if module.startswith(pure)
        for imported in sorted(graph.find_modules_directly_imported_by(module))
        if not imported.startswith(pure) and imported not in allowed
    ]
    assert wrong == []
    used = {name for name in graph.modules if not name.startswith("drillbox")} - allowed
    forbidden = contracts["pure-external"]["forbidden_modules"]
    assert isinstance(forbidden, list)
    missing = used - set(forbidden)
    assert missing == set(), "forbid these packages to the pure parts (pyproject.toml)"


@pytest.mark.parametrize("statement", ["import sandbox", "from stacks.sim import stack", "import tui.app", "import scenarios"])
@pytest.mark.parametrize("place", ["tests/unit/test_x.py", "benchmarks/x.py", "drillbox/x.py"])
def test_ruff_bans_rooms_under_another_name(root: Path, statement: str, place: str) -> None:
    command = [sys.executable, "-m", "ruff", "check", "--select=TID251", "--no-cache", f"--stdin-filename={place}", "-"]
    done = subprocess.run(command, cwd=root, input=statement + "\n", capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "TID251" in done.stdout
