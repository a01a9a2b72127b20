"""Packs of scenarios: from the setting and from entry points, below a name of their own; nothing in them is ever executed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from drillbox.sandbox.loading import Library, find_scenario, load_scenario
from drillbox.sandbox.model.errors import InvalidScenarioError, UsageError

Shelf = Callable[..., Path]


@pytest.fixture
def pack(tmp_path: Path, valid: str) -> Shelf:
    """`pack("acme", "slow-lane")` makes a folder with these scenarios."""

    def make(name: str, *ids: str) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        for one in ids:
            (folder / f"{one}.yaml").write_text(valid.replace("quiet-hours", one), encoding="utf-8")
        return folder

    return make


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Library]:
    def use(*parts: object) -> Library:
        monkeypatch.setenv("DRILLBOX_SCENARIOS", ":".join(map(str, parts)))
        return Library.installed()

    return use


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Something that is installed and announces packs; the folder that is on the path."""
    site = tmp_path / "site"

    def install(entry_points: str) -> Path:
        about = site / "acme_drills-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-drills\nVersion: 1.0\n", encoding="utf-8")
        (about / "entry_points.txt").write_text(f"[drillbox.scenarios]\n{entry_points}\n", encoding="utf-8")
        monkeypatch.syspath_prepend(str(site))
        return site

    return install


def ids(library: Library) -> set[str]:
    return {entry.id for entry in library.entries() if "/" in entry.id}


def test_a_folder_of_the_setting_has_its_own_name_or_a_given_one(pack: Shelf, setting: Callable[..., Library]) -> None:
    library = setting(pack("Acme_Drills", "slow-lane"), f"ops={pack('other', 'slow-lane', 'fast-lane')}")
    assert ids(library) == {"acme-drills/slow-lane", "ops/slow-lane", "ops/fast-lane"}
    assert len(library.entries()) == len(Library.packaged().entries()) + 3
    path = find_scenario("ops/slow-lane", library)
    assert path == pack("other") / "slow-lane.yaml"
    assert load_scenario(path).id == "slow-lane"
    assert library.load(path).id == "ops/slow-lane"
    assert library.load(path).digest != load_scenario(path).digest
    assert library.load(path, "short").stem == "ops-slow-lane"


def test_home_and_variables_are_understood(pack: Shelf, setting: Callable[..., Library], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pack("acme", "slow-lane")
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("DRILLS", str(folder))
    assert ids(setting("~/acme")) == ids(setting("acme=$DRILLS")) == {"acme/slow-lane"}


def test_a_packaged_scenario_of_the_same_id_is_another_one(pack: Shelf, setting: Callable[..., Library]) -> None:
    library = setting(pack("acme", "monday-rush"))
    assert library.find("monday-rush") == Library.packaged().find("monday-rush")
    assert library.find("acme/monday-rush") != library.find("monday-rush")


def test_an_installed_distribution_announces_a_pack_and_is_not_imported(
    distribution: Callable[[str], Path], pack: Shelf, valid: str
) -> None:
    site = distribution("acme = acme_drills.incidents")
    folder = site / "acme_drills" / "incidents"
    folder.mkdir(parents=True)
    for init in (folder / "__init__.py", folder.parent / "__init__.py"):
        init.write_text("raise SystemExit('imported')\n", encoding="utf-8")
    (folder / "slow-lane.yaml").write_text(valid.replace("quiet-hours", "slow-lane"), encoding="utf-8")
    library = Library.installed()
    assert ids(library) == {"acme/slow-lane"}
    assert load_scenario(library.find("acme/slow-lane")).id == "slow-lane"
    assert not any(name.startswith("acme_drills") for name in sys.modules)


@pytest.mark.parametrize("value", ["no_such_package", "acme_drills.gone", "acme_drills:function", "os", "..", "sys"])
def test_entry_points_that_lead_nowhere_are_left_out_and_told(distribution: Callable[[str], Path], value: str) -> None:
    (distribution(f"acme = {value}") / "acme_drills").mkdir()
    library = Library.installed()
    assert ids(library) == set()
    assert any("acme-drills (acme = " in problem.place.file for problem in library.listing().problems)
    with pytest.raises(UsageError, match="no pack 'acme'; left out: acme-drills"):
        library.find("acme/slow-lane")


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("acme=/no/such/folder", "/no/such/folder: no such folder of scenarios"),
        ("Acme!={folder}", "'Acme!' is no name for a pack: write small letters and digits, joined by hyphens"),
        ("={folder}", "'' is no name for a pack"),
        ("acme={folder}:acme={folder}", "'acme' is the name of the pack of DRILLBOX_SCENARIOS"),
    ],
)
def test_what_is_wrong_with_the_setting_is_told_and_keeps_nobody_from_playing(
    pack: Shelf, setting: Callable[..., Library], part: str, message: str
) -> None:
    library = setting(part.format(folder=pack("folder", "slow-lane")))
    (problem,) = library.listing().problems
    assert message in str(problem)
    assert str(problem).startswith("DRILLBOX_SCENARIOS (")
    assert library.find("monday-rush").is_file()


def test_what_is_wrong_in_a_pack_is_left_out_and_told(pack: Shelf, setting: Callable[..., Library]) -> None:
    folder = pack("acme", "slow-lane", "broken", "twin")
    (folder / "broken.yaml").write_text("id: [", encoding="utf-8")
    (folder / "twins.yaml").write_bytes((folder / "twin.yaml").read_bytes())
    library = setting(folder)
    assert ids(library) == {"acme/slow-lane", "acme/twin"}
    told = [str(problem) for problem in library.listing().problems]
    assert len(told) == 2
    assert "not valid YAML" in told[0]
    assert f"'twin' is the id of {folder / 'twin.yaml'} already" in told[1]
    with pytest.raises(InvalidScenarioError, match="not valid YAML"):
        library.find("acme/broken")


def test_names_that_lead_nowhere(pack: Shelf, setting: Callable[..., Library]) -> None:
    library = setting(pack("acme", "slow-lane"))
    with pytest.raises(UsageError, match="unknown scenario 'acme/slow-lain'; did you mean 'acme/slow-lane'"):
        find_scenario("acme/slow-lain", library)
    with pytest.raises(UsageError, match="unknown scenario 'acne/slow-lane': there is no pack 'acne'; did you mean 'acme'"):
        find_scenario("acne/slow-lane", library)
    with pytest.raises(UsageError, match="did you mean 'acme/slow-lane'"):
        find_scenario("slow-lane", library)


def test_a_path_stays_a_path(pack: Shelf, setting: Callable[..., Library], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pack("acme", "slow-lane")
    monkeypatch.chdir(folder.parent)
    library = setting(f"acme={pack('other', 'slow-lane')}")
    assert find_scenario("acme/slow-lane.yaml", library) == Path("acme/slow-lane.yaml")
    assert find_scenario("./acme/slow-lane.yaml", library) == Path("acme/slow-lane.yaml")
    assert find_scenario("acme/slow-lane", library) == folder.parent / "other" / "slow-lane.yaml"
    (folder / "link").symlink_to("slow-lane.yaml")
    assert find_scenario("x/acme/link", library) == Path("x/acme/link")
    assert find_scenario(Path("acme/slow-lane"), library) == Path("acme/slow-lane")
