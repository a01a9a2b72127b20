"""Where drills are played: clusters that are kept, by name, and namespaces of clusters that drillbox did not make."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap

sys.path.insert(0, str(Path(__file__).parent))
from api_kit import FakeApi
from kind_kit import FakeEngine, playing, programs

from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.errors import StackError, UsageError
from drillbox.sandbox.model.grounds import Choice
from drillbox.sandbox.model.stack import Progress
from drillbox.stacks.deploy.kubernetes.needs import NEEDS
from drillbox.stacks.deploy.kubernetes.setup import Images, Setup
from drillbox.stacks.kind import settings
from drillbox.stacks.kind.cluster.clusters import Cluster, Clusters
from drillbox.stacks.kind.cluster.making import Wanted
from drillbox.stacks.kind.drill import ground
from drillbox.stacks.kind.drill.deploying import deploy
from drillbox.stacks.kind.drill.ground import ForeignNamespace
from drillbox.stacks.kind.grounds import KindGrounds
from drillbox.stacks.kind.housekeeping import KindHousekeeping
from drillbox.stacks.kind.records.drills import folder_of, write
from drillbox.stacks.kind.settings import Settings
from drillbox.stacks.kind.stack import KindStack

THEIRS = {settings.CONTEXT: "mine", settings.NAMESPACE: "team", settings.NO_SANDBOX: "yes", settings.APP_IMAGE: "r/app:1"}


def silent(_step: str, _done: float) -> None:
    """Nobody is watching."""


@pytest.fixture
def api() -> Iterator[FakeApi]:
    made = FakeApi()
    made.put("", "namespaces", {"metadata": {"name": "team"}})
    yield made
    made.close()


@pytest.fixture
def theirs(api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of somebody else's cluster, that may be used."""
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'none'}:{api.kubeconfig(tmp_path / 'config')}")
    return Settings.read(THEIRS)


# ------------------------------------------------------------------------------------------------------- clusters that are kept


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    made = FakeEngine(tmp_path / "state.json")
    made.put(made.state() | {"images": {"python:3.12-slim": {"Id": "sha256:0"}}})
    return made


@pytest.fixture
def environment(engine: FakeEngine, api: FakeApi, tmp_path: Path) -> dict[str, str]:
    return programs(tmp_path / "bin", engine.path, api=api.kubeconfig(tmp_path / "config"))


@pytest.fixture
def grounds(engine: FakeEngine, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KindGrounds:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return KindGrounds(tmp_path / "home" / "kind", lambda: engine, environment)


def test_a_cluster_is_kept_by_name_with_the_image_on_its_nodes(grounds: KindGrounds, engine: FakeEngine, tmp_path: Path) -> None:
    steps: list[str] = []
    made = grounds.up("lab", 1, None, lambda step, _done: steps.append(step))
    assert (made.name, made.ready, made.session, made.drills) == ("drillbox-lab", True, "", ())
    assert [node.name for node in made.nodes] == ["drillbox-lab-control-plane", "drillbox-lab-worker"]
    assert {where for where, _ in engine.state()["loaded"]} == {node.name for node in made.nodes}
    assert any(step.startswith("kind: ") for step in steps)
    assert grounds.clusters() == [made]
    assert grounds.up("drillbox-lab", None, None, silent) == made
    with pytest.raises(StackError, match="workers: 1 there, 2 wanted"):
        grounds.up("lab", 2, None, silent)
    keeper = KindHousekeeping(tmp_path / "home" / "kind", lambda _base: [], lambda: engine)
    assert [one.kept for one in keeper.leftovers()] == [True]
    assert keeper.down(["drillbox-lab"], lambda _text: None) == []
    assert (grounds.clusters(), grounds.names()) == ([], [])


def test_one_that_was_made_for_a_drill_stays_once_somebody_asks_for_it(grounds: KindGrounds, engine: FakeEngine) -> None:
    wanted = ground.wanted_of(ground.Clusters(grounds._base, engine), Settings.read({}), "x-1")
    clusters = ground.Clusters(grounds._base, engine)
    clusters.ensure(wanted, silent)
    assert [one.session for one in grounds.clusters()] == ["x-1"]
    assert [one.session for one in [grounds.up("", None, None, silent)]] == [""]
    assert not clusters.release(wanted.name, "x-1", silent)
    assert grounds.names() == [wanted.name]


def test_drills_take_a_cluster_that_is_there_as_it_is(grounds: KindGrounds, engine: FakeEngine) -> None:
    grounds.up("lab", 1, None, silent)
    clusters = ground.Clusters(grounds._base, engine)
    wanted = ground.wanted_of(clusters, Settings.read({settings.CLUSTER: "drillbox-lab", settings.WORKERS: "3"}), "x-1")
    assert (wanted.name, wanted.workers, wanted.session) == ("drillbox-lab", 1, "x-1")
    assert not clusters.ensure(wanted, silent).made


def test_a_build_that_fails_ends_the_cluster_too(grounds: KindGrounds, engine: FakeEngine) -> None:
    engine.told = [{"stream": "Step 1/9 : FROM base"}, {"error": "The command returned a non-zero code: 7"}]
    with pytest.raises(StackError, match="application image: the build failed at 'FROM base': exit code 7"):
        grounds.up("lab", 0, None, silent)
    assert engine.state()["containers"] == []
    assert grounds.names() == []


def test_a_cluster_that_cannot_have_the_image_does_not_stay(grounds: KindGrounds, engine: FakeEngine, tmp_path: Path) -> None:
    programs(tmp_path / "bin", engine.path, "full", api=tmp_path / "config")
    with pytest.raises(StackError, match="no space left on device"):
        grounds.up("lab", 0, None, silent)
    assert engine.state()["containers"] == []
    assert grounds.names() == []


def full(engine: FakeEngine, tmp_path: Path) -> None:
    """Nodes take no image any more."""
    programs(tmp_path / "bin", engine.path, "full", api=tmp_path / "config")


def test_a_cluster_of_a_drill_is_its_own_again_if_it_cannot_be_kept(
    grounds: KindGrounds, engine: FakeEngine, tmp_path: Path
) -> None:
    clusters = ground.Clusters(grounds._base, engine)
    full(engine, tmp_path)
    with playing(grounds._base, "x-1", "drillbox-lab"):
        clusters.ensure(Wanted("drillbox-lab", 0, session="x-1"), silent)
        with pytest.raises(StackError, match="no space left on device"):
            grounds.up("lab", 0, None, silent)
        assert [(one.ready, one.session, len(one.nodes)) for one in grounds.clusters()] == [(True, "x-1", 1)]
    assert clusters.release("drillbox-lab", "x-1", silent)


def test_a_new_cluster_on_which_a_drill_has_begun_goes_with_that(
    grounds: KindGrounds, engine: FakeEngine, tmp_path: Path
) -> None:
    full(engine, tmp_path)
    with playing(grounds._base, "x-1", "drillbox-lab"):
        with pytest.raises(StackError, match="no space left on device"):
            grounds.up("lab", 0, None, silent)
        assert [one.session for one in grounds.clusters()] == ["x-1"]


def test_a_cluster_that_somebody_else_makes_is_not_removed(
    grounds: KindGrounds, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    clusters = ground.Clusters(grounds._base, engine)
    begin = Clusters.begin

    def late(_self: Clusters, wanted: Wanted, _progress: Progress) -> Cluster:
        """The lock is not to be had: a drill makes the cluster, and has it a moment later."""
        begin(clusters, Wanted(wanted.name, 0, session="x-1"), silent)
        raise StackError("another process makes or removes it at this moment")

    monkeypatch.setattr(Clusters, "begin", late)
    with pytest.raises(StackError, match="another process makes"):
        grounds.up("lab", 0, None, silent)
    assert [(one.ready, one.session, len(one.nodes)) for one in grounds.clusters()] == [(True, "x-1", 1)]


def test_a_cluster_stays_from_when_somebody_asks_for_it(grounds: KindGrounds, engine: FakeEngine) -> None:
    clusters = ground.Clusters(grounds._base, engine)
    clusters.ensure(Wanted("drillbox-lab", 0, session="x-1"), silent)
    gone: list[bool] = []

    def progress(step: str, _done: float) -> None:
        if step == "loading the image" and not gone:
            gone.append(clusters.release("drillbox-lab", "x-1", silent))

    made = grounds.up("lab", 0, None, progress)
    assert gone == [False]
    assert (made.ready, made.session, len(made.nodes)) == (True, "", 1)


# ----------------------------------------------------------------------------------------------------------------- the choice


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({settings.CONTEXT: "mine"}, "drillbox did not make the cluster of the context mine: .*--i-know-this-is-not-a-sandbox"),
        ({settings.CONTEXT: "mine", settings.NAMESPACE: "team"}, "breaks its own service in the namespace team on purpose"),
        ({settings.NAMESPACE: "team"}, "the namespace team: name the context"),
        ({settings.CONTEXT: "mine", settings.NO_SANDBOX: "yes"}, "the context mine: name a namespace"),
        (THEIRS | {settings.NAMESPACE: "Team_"}, "'Team_': a name is made of"),
    ],
)
def test_somebody_elses_cluster_is_refused_until_it_is_meant(environment: Mapping[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Settings.read(environment)


def test_a_choice_holds_for_what_is_started_from_then_on(tmp_path: Path, theirs: Settings) -> None:
    environment = {settings.APP_IMAGE: "r/app:1"}
    one = KindGrounds(tmp_path, environment=environment)
    with pytest.raises(UsageError, match="i-know-this-is-not-a-sandbox"):
        one.choose(Choice(context="mine", namespace="team"))
    with pytest.raises(UsageError, match="no context 'mime' in .*; did you mean 'mine'"):
        one.choose(Choice(context="mime", namespace="team", confirmed=True))
    assert environment == {settings.APP_IMAGE: "r/app:1"}
    one.choose(Choice(context="mine", namespace="team", confirmed=True))
    assert Settings.read(environment) == theirs
    one.choose(Choice(cluster="lab"))
    assert (Settings.read(environment).cluster, Settings.read(environment).context) == ("drillbox-lab", "")
    with pytest.raises(UsageError, match="begins with drillbox-"):
        one.choose(Choice(cluster="Lab_"))


def test_an_image_of_this_machine_is_no_use_to_somebody_elses_cluster(theirs: Settings) -> None:
    from dataclasses import replace

    with pytest.raises(UsageError, match="push the application image to a registry .* DRILLBOX_KIND_APP_IMAGE"):
        ForeignNamespace("x-1", replace(theirs, app_image=""))


def test_nodes_of_somebody_elses_cluster_are_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = KindStack(tmp_path)
    assert {"nodes.loss", "pods.hang"} <= stack.capabilities.faults
    for name, value in THEIRS.items():
        monkeypatch.setenv(name, value)
    able = stack.capabilities
    assert not {"nodes.loss", "nodes.cpu_limit", "pods.hang"} & able.faults
    assert not {"cordon", "uncordon", "drain"} & able.actions
    assert "drillbox did not make this cluster" in able.why("cordon")


# ----------------------------------------------------------------------------------------------------- a namespace of theirs


def played(api: FakeApi, theirs: Settings, label: str, **images: str) -> ForeignNamespace:
    """A drill whose objects have been made there."""
    one = ForeignNamespace(label, theirs)
    image = one.prepare(silent)
    scenario = load_scenario(Library.packaged().find("slow-afternoon"), "short")
    artifacts = dict.fromkeys(scenario.deployable, "m")
    with one.place.client() as client:
        setup = Setup(label, scenario, 1, "t", Images(image, **images), artifacts, one.namespace, own_cluster=one.own)
        deploy(client, setup, silent)
    return one


def test_model_servers_are_placed_once_all_nodes_are_ready(api: FakeApi, theirs: Settings) -> None:
    one = ForeignNamespace("x-1", theirs)
    scenario = load_scenario(Library.packaged().find("slow-afternoon"), "short")
    setup = Setup("x-1", scenario, 1, "t", Images("r/app:1"), dict.fromkeys(scenario.deployable, "m"), one.namespace)
    there: list[set[str]] = []
    steps: list[tuple[str, float]] = []
    with one.place.client() as client:
        deploy(client, setup, lambda *step: steps.append(step), lambda: there.append(api.names("team")))
    assert [name for name, done in steps if done == 1.0] == ["objects", "model servers"]
    (then,) = there
    assert {"deployments/gateway", "deployments/registry", "services/gateway", "roles/controller"} <= then
    assert {name for name in api.names("team") - then if name.startswith("deployments/")} >= {"deployments/model-champion"}
    assert not [name for name in then if name.startswith("deployments/model-")]


def test_a_drill_in_their_namespace_leaves_only_what_was_there(api: FakeApi, theirs: Settings) -> None:
    api.put("team", "configmaps", {"metadata": {"name": "other"}})
    before = dict(api.objects)
    one = played(api, theirs, "x-1")
    assert {"deployments/model-champion", "deployments/gateway", "roles/controller"} <= api.names("team")
    assert {plural for (space, plural, _) in api.objects if not space} == {"namespaces", "nodes"}
    assert not any("nodes" in asked or "cluster" in asked for asked in api.asked)
    images = {
        container["image"]
        for (_, plural, _), found in api.objects.items()
        if plural == "deployments"
        for container in found["spec"]["template"]["spec"]["containers"]
    }
    assert images == {"r/app:1"}
    with pytest.raises(StackError, match=r"namespace team of the context mine has a Deployment .* of the drill x-1: use another"):
        ForeignNamespace("x-2", theirs).prepare(silent)
    one.leave(silent)
    assert api.objects == before
    one.leave(silent)


VERBS = {"PATCH": {"patch", "create"}, "DELETE": {"delete"}}


def test_the_administrator_of_a_namespace_may_play_there_without_a_metrics_api(api: FakeApi, theirs: Settings) -> None:
    api.held = NEEDS
    one = played(api, theirs, "x-1")
    assert {"roles/controller", "rolebindings/controller", "roles/pipeline"} <= api.names("team")
    assert not {"roles/controller-metrics", "rolebindings/controller-metrics"} & api.names("team")
    one.leave(silent)
    assert api.names("team") == set()


def test_where_it_is_served_the_metrics_api_is_granted(api: FakeApi, theirs: Settings) -> None:
    api.held = {**NEEDS, "metrics.k8s.io": {"pods": ("get", "list", "watch")}}
    played(api, theirs, "x-1")
    assert {"roles/controller-metrics", "rolebindings/controller-metrics"} <= api.names("team")


def test_another_right_that_is_missing_is_told(api: FakeApi, theirs: Settings) -> None:
    api.held = {**NEEDS, "batch": {}}
    with pytest.raises(
        StackError, match="Role pipeline: the cluster's API says: attempting to grant .* not currently held: batch jobs"
    ):
        played(api, theirs, "x-1")


def test_the_rights_that_are_told_are_those_that_are_asked_for(api: FakeApi, theirs: Settings) -> None:
    told = {resource: set(verbs) for resources in NEEDS.values() for resource, verbs in resources.items()}
    one = played(api, theirs, "x-1")
    one.leave(silent)
    asked = {(plural, verb) for line in api.asked for method, plural in [line.split()] for verb in VERBS.get(method, {"list"})}
    asked.discard(("namespaces", "list"))  # whether it is there, if that may be asked
    for plural, verb in asked:
        assert verb in told[plural], f"{verb} {plural}"
    watched = {"deployments", "configmaps", "pods"}  # by `Watch`
    assert all({"list", "watch"} <= told[plural] for plural in watched)
    made_elsewhere = {"jobs", "pods"}  # by the pipeline, and by Deployments
    assert {plural for plural in told if "create" in told[plural] and "/" not in plural} - made_elsewhere == {
        plural for plural, verb in asked if verb == "create"
    }


def test_the_rights_are_those_of_the_documentation() -> None:
    text = (Path(__file__).parents[3] / "docs" / "kind-cluster.md").read_text(encoding="utf-8")
    rows = [
        f"| {f'`{group}`' if group else 'core'} | {', '.join(f'`{one}`' for one in names)} | {', '.join(verbs)} |"
        for group, verbs, names in rights()
    ]
    table = "\n".join(["| API group | resources | verbs |", "|---|---|---|", *rows]) + "\n"
    assert table in text, f"put this into kind-cluster.md:\n{table}"


def rights() -> Iterator[tuple[str, tuple[str, ...], list[str]]]:
    """Group, verbs, and the resources for which these are needed."""
    for group, resources in NEEDS.items():
        for verbs in dict.fromkeys(resources.values()):
            yield group, verbs, [name for name, wanted in resources.items() if wanted == verbs]


def test_objects_of_somebody_else_are_never_taken_over(api: FakeApi, theirs: Settings) -> None:
    """Of whatever kind: an account of a CI system, say, that has a name which a drill has, too."""
    one = played(api, theirs, "x-1", prometheus="r/prometheus:1", grafana="r/grafana:1")
    made = {(plural, name): found for (space, plural, name), found in api.objects.items() if space == "team"}
    assert {plural for plural, _ in made} > {"serviceaccounts", "roles", "rolebindings", "configmaps", "secrets"}
    one.leave(silent)
    for (plural, name), found in made.items():
        api.put("team", plural, {**found, "metadata": {"name": name}})
        theirs_too = ForeignNamespace("x-1", theirs)
        with pytest.raises(StackError, match=rf"the context mine has a \w+ {name} of somebody else: use another namespace"):
            theirs_too.prepare(silent)
        theirs_too.leave(silent)
        assert api.names("team") == {f"{plural}/{name}"}
        del api.objects["team", plural, name]


def test_a_namespace_that_is_not_there_is_not_made(api: FakeApi, theirs: Settings) -> None:
    del api.objects["", "namespaces", "team"]
    with pytest.raises(StackError, match="is not there: kubectl create namespace team"):
        ForeignNamespace("x-1", theirs).prepare(silent)


def abandoned(api: FakeApi, theirs: Settings, base: Path) -> Path:
    """The folder of a drill `x-1` in their namespace whose host has died."""
    folder = folder_of(base, "x-1")
    write(folder, played(api, theirs, "x-1").record("slow-afternoon", None))
    (folder / "lock").touch()
    return folder


def test_down_forgets_by_force_a_drill_to_whose_cluster_nobody_can_log_in(api: FakeApi, theirs: Settings, tmp_path: Path) -> None:
    base = tmp_path / "kind"
    folder = abandoned(api, theirs, base)
    whole = yaml.safe_load((tmp_path / "config").read_text())
    login = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "sh", "args": ["-c", "echo expired >&2; exit 1"]}
    whole["users"][0]["user"] = {"exec": login}
    (tmp_path / "config").write_text(yaml.safe_dump(whole))
    keeper, told = KindHousekeeping(base, lambda _base: []), list[str]()
    (left,) = keeper.down(["x-1"], told.append)
    assert left.session == "x-1"
    assert "the cluster's API does not answer: Exec sh returned 1: expired" in told[-2]
    assert told[-1] == "x-1: if that cluster is gone for good: drillbox down --force x-1"
    assert keeper.down(["x-1"], told.append, force=True) == []
    assert not folder.exists()


def test_down_removes_a_drill_from_their_namespace_in_a_new_process(api: FakeApi, theirs: Settings, tmp_path: Path) -> None:
    base = tmp_path / "kind"
    abandoned(api, theirs, base)

    def unreachable() -> FakeEngine:
        raise StackError("no container engine answers at unix:///fake.sock: start it")

    keeper = KindHousekeeping(base, lambda _base: [], unreachable)
    (left,) = keeper.leftovers()
    assert left.things[0] == "objects x-1 in the namespace team of the context mine"
    api.refused["deployments"] = 403
    told: list[str] = []
    assert [found.session for found in keeper.down(["x-1"], told.append)] == ["x-1"]
    assert any("drillbox down --force x-1" in line for line in told)
    api.refused.clear()
    assert keeper.down(["x-1"], told.append) == []
    assert api.names("team") == set()
    assert ("", "namespaces", "team") in api.objects
    assert keeper.leftovers() == []


def test_what_cannot_be_deleted_is_named(api: FakeApi, theirs: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from drillbox.stacks.kind.drill.leaving import remove_objects

    one = ForeignNamespace("x-1", theirs)
    one.prepare(silent)
    with one.place.client() as client:
        labels = {"app.kubernetes.io/managed-by": "drillbox", "drillbox.dev/drill": "x-1"}
        client.apply(ConfigMap(metadata=ObjectMeta(name="gateway", namespace="team", labels=labels)), force=True)
    api.stuck.add("configmaps")
    with pytest.raises(StackError, match="still in the namespace team after 0 s: ConfigMap gateway"):
        remove_objects(one.place, silent, patience=0.0)
