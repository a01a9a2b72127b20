"""The objects of every scenario: valid in all versions of Kubernetes, restricted, and what the services in them understand."""

from __future__ import annotations

import functools
import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import kubernetes_validate
import pytest
from kubernetes_validate import utils as schemas
from objects_kit import Cluster, Doc, containers, of_kind, setup_of

from drillbox.sandbox.loading.library import Library
from drillbox.sandbox.model.faults import FAULTS
from drillbox.sandbox.model.scenario import Scenario
from drillbox.stacks.deploy.envoy.names import EVERYWHERE
from drillbox.stacks.deploy.kubernetes.access import METRICS
from drillbox.stacks.deploy.kubernetes.config import catalogued
from drillbox.stacks.deploy.kubernetes.needs import NEEDS
from drillbox.stacks.deploy.kubernetes.objects import document, objects_of
from drillbox.stacks.deploy.kubernetes.pods import CONTROL_PLANE
from drillbox.stacks.deploy.kubernetes.seen import MissingError
from drillbox.stacks.deploy.kubernetes.setup import Images
from drillbox.stacks.services.common.scenarios import load_scenario
from drillbox.stacks.services.common.settings import Settings, read
from drillbox.stacks.services.controller.settings import ControllerSettings, FolderSettings
from drillbox.stacks.services.feature_store.settings import StoreSettings
from drillbox.stacks.services.load.settings import LoadSettings
from drillbox.stacks.services.model_server.settings import ModelSettings
from drillbox.stacks.services.pipeline.settings import PipelineSettings
from drillbox.stacks.services.registry.settings import RegistrySettings
from drillbox.stacks.services.training.settings import TrainingSettings
from drillbox.stacks.sim.pod_faults import LIVENESS

OLDEST = "1.25"
"""The oldest version of Kubernetes whose schemas the package has."""
SERVED_BY_1_20 = {
    "v1": {"Namespace", "ServiceAccount", "Secret", "ConfigMap", "PersistentVolumeClaim", "Service"},
    "apps/v1": {"Deployment"},
    "batch/v1": {"Job"},
    "rbac.authorization.k8s.io/v1": {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"},
}
"""Of what we use; all have been there since 1.9 (Kubernetes' API reference and deprecation guide)."""
SETTINGS: Mapping[str, type[Settings]] = {
    "model_server": ModelSettings,
    "controller": ControllerSettings,
    "controller.envoy": FolderSettings,
    "feature_store": StoreSettings,
    "load": LoadSettings,
    "pipeline": PipelineSettings,
    "registry": RegistrySettings,
    "training": TrainingSettings,
}
INFRASTRUCTURE = {"gateway", "feature-store", "pipeline", "load", "registry", "prometheus", "grafana", "training"}

# ------------------------------------------------------------------------------------------------------------------------ schemas


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
def test_objects_are_valid_in_the_oldest_and_in_the_newest_version(
    docs: list[Doc], job: Doc, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schemas, "schema_contents", functools.cache(schemas.schema_contents))  # megabytes, for each object
    for one in [*docs, job]:
        kubernetes_validate.validate(one, version, strict=True)


def test_a_wrong_object_is_found(docs: list[Doc]) -> None:
    wrong = json.loads(json.dumps(of_kind(docs, "Service")["gateway"]))
    wrong["spec"]["prots"] = wrong["spec"].pop("ports")
    with pytest.raises(kubernetes_validate.ValidationError, match="prots"):
        kubernetes_validate.validate(wrong, OLDEST, strict=True)


def test_all_kinds_are_served_by_kubernetes_1_20_too(docs: list[Doc], job: Doc) -> None:
    used: dict[str, set[str]] = {}
    for one in [*docs, job]:
        used.setdefault(one["apiVersion"], set()).add(one["kind"])
    assert used == SERVED_BY_1_20


def test_names_are_unique_and_everything_is_labelled_and_in_the_namespace(docs: list[Doc]) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in docs]
    assert len(set(names)) == len(names)
    for one in docs:
        meta = one["metadata"]
        assert meta["labels"]["app.kubernetes.io/managed-by"] == "drillbox"
        assert meta["labels"]["drillbox.dev/drill"] == "monday-3"
        if one["kind"] not in {"Namespace", "ClusterRole", "ClusterRoleBinding"}:
            assert meta["namespace"] == "drill-monday-3"
        if one["kind"] == "Deployment":
            labels, pod = one["spec"]["selector"]["matchLabels"], one["spec"]["template"]["metadata"]["labels"]
            assert labels.items() <= pod.items()
            assert pod.items() <= meta["labels"].items()


def test_in_somebody_elses_namespace_nothing_is_outside_of_it_and_there_is_no_grafana_without_an_image(
    slow_afternoon: Scenario,
) -> None:
    setup = setup_of(slow_afternoon, namespace="team-a", own_cluster=False, images=Images("app:1"))
    docs = [document(one) for one in objects_of(setup)]
    assert {one["metadata"].get("namespace") for one in docs} == {"team-a"}
    assert "grafana" not in json.dumps(docs)
    wishes = [one["spec"]["template"]["spec"].get("affinity", {}) for one in docs if one["kind"] == "Deployment"]
    assert {kind for one in wishes if one for kind in one["nodeAffinity"]} == {"preferredDuringSchedulingIgnoredDuringExecution"}


def test_selectors_of_services_find_the_pods_and_ports_that_they_are_for(docs: list[Doc]) -> None:
    deployments = of_kind(docs, "Deployment")
    for name, service in of_kind(docs, "Service").items():
        labels = deployments[name]["spec"]["template"]["metadata"]["labels"]
        assert service["spec"]["selector"].items() <= labels.items()
        offered = {
            port["name"]: port["containerPort"]
            for one in deployments[name]["spec"]["template"]["spec"]["containers"]
            for port in one["ports"]
        }
        assert {port["targetPort"]: port["port"] for port in service["spec"]["ports"]}.items() <= offered.items()


def test_ports_name_their_protocol(docs: list[Doc], pods: dict[str, Doc]) -> None:
    """Kubernetes 1.20 refuses to merge those that do not: server-side apply has the protocol among the keys of the list."""
    listed = [one.get("ports", ()) for _, one in containers(pods)]
    listed += [service["spec"]["ports"] for service in of_kind(docs, "Service").values()]
    assert {port["protocol"] for ports in listed for port in ports} == {"TCP"}


def test_every_volume_is_mounted_and_every_mount_has_a_volume_and_its_source(docs: list[Doc]) -> None:
    maps, claims = of_kind(docs, "ConfigMap"), of_kind(docs, "PersistentVolumeClaim")
    for one in of_kind(docs, "Deployment").values():
        pod = one["spec"]["template"]["spec"]
        mounted = {mount["name"] for each in pod["containers"] for mount in each["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
        for volume in pod["volumes"]:
            assert volume.get("configMap", {"name": "ml"})["name"] in maps
            assert volume.get("persistentVolumeClaim", {"claimName": "registry"})["claimName"] in claims


# ---------------------------------------------------------------------------------------------------------------- beyond the standard


def test_root_file_systems_are_read_only_and_links_to_services_are_off(pods: dict[str, Doc]) -> None:
    for _, one in containers(pods):
        assert one["securityContext"]["readOnlyRootFilesystem"] is True
    assert all(pod["enableServiceLinks"] is False for pod in pods.values())


def test_every_container_has_requests_limits_and_probes(pods: dict[str, Doc]) -> None:
    for name, one in containers(pods):
        assert one["resources"]["requests"].keys() >= {"memory", "cpu"}, name
        wanted = {"memory"} if one["name"] == "model-server" else {"memory", "cpu"}  # a model server's are the desired state's
        assert one["resources"]["limits"].keys() == wanted, name
        if name != "training/training":  # it ends by itself, or at its deadline
            assert {"readinessProbe", "livenessProbe"} <= one.keys(), name
        names = {port["name"] for port in one.get("ports", ())}
        assert all(one[kind]["httpGet"]["port"] in names for kind in one if kind.endswith("Probe"))


def test_a_model_server_that_hangs_is_found_as_in_the_simulation_and_all_else_is_given_time(pods: dict[str, Doc]) -> None:
    for name, one in containers(pods):
        if one.get("livenessProbe"):
            probe = one["livenessProbe"]
            seconds = probe["periodSeconds"] * probe["failureThreshold"]
            assert seconds == LIVENESS if one["name"] == "model-server" else seconds > LIVENESS, name


def test_pods_leave_a_lost_node_after_half_a_minute(pods: dict[str, Doc]) -> None:
    for pod in pods.values():
        lost = {one["key"]: one["tolerationSeconds"] for one in pod["tolerations"] if one["effect"] == "NoExecute"}
        assert lost == {"node.kubernetes.io/not-ready": 30, "node.kubernetes.io/unreachable": 30}


def test_infrastructure_goes_to_the_control_plane_and_model_servers_do_not(pods: dict[str, Doc]) -> None:
    for name, pod in pods.items():
        accepted = {one["key"] for one in pod["tolerations"] if one["effect"] == "NoSchedule"}
        assert accepted == (set(CONTROL_PLANE) if name in INFRASTRUCTURE else set())
        assert ("affinity" in pod) == (name in INFRASTRUCTURE)
        if "affinity" in pod:
            wanted = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
            assert {one["key"] for term in wanted for one in term["matchExpressions"]} == set(CONTROL_PLANE)
            assert len(wanted) == len(CONTROL_PLANE), "either label will do"
    assert set(pods) > INFRASTRUCTURE


def test_accounts_may_do_what_they_need_and_no_more(docs: list[Doc], pods: dict[str, Doc]) -> None:
    rules = {
        name: {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
        for name, role in of_kind(docs, "Role", "ClusterRole").items()
    }
    look = {"get", "list", "watch"}
    assert rules == {
        "controller": {(what, verb) for what in ("pods", "configmaps", "deployments") for verb in look},
        "pipeline": {("jobs", verb) for verb in look | {"create", "delete"}}
        | {(what, verb) for what in ("pods", "pods/log") for verb in look},
        "controller-metrics": {("pods", "get"), ("pods", "list")},
        "prometheus": {("pods", verb) for verb in look},
        "drill-monday-3-nodes": {("nodes", verb) for verb in look} | {("nodes/proxy", "get")},
    }
    assert "*" not in json.dumps(of_kind(docs, "Role", "ClusterRole"))
    with_token = {name: pod.get("serviceAccountName") for name, pod in pods.items() if pod["automountServiceAccountToken"]}
    assert with_token == {"gateway": "controller", "pipeline": "pipeline", "prometheus": "prometheus"}


def test_envoys_own_image_waits_for_its_files_and_then_becomes_envoy(pods: dict[str, Doc], tmp_path: Path) -> None:
    (envoy, controller) = pods["gateway"]["containers"]
    assert (envoy["image"], controller["image"]) == ("envoyproxy/envoy:v1.39.0", "drillbox-app:0123456789ab")
    assert envoy["command"][4:7] == ["envoy", "-c", "/run/gateway/bootstrap.json"]
    assert "/run/gateway" in {one["mountPath"] for one in envoy["volumeMounts"]}
    folder, words = str(tmp_path), [one.replace("/run/gateway", str(tmp_path)) for one in envoy["command"]]
    words[4] = "echo"
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as waiting:
        (tmp_path / "bootstrap.json").touch()
        told, _ = waiting.communicate(timeout=60.0)
    assert told.startswith(f"-c {folder}/bootstrap.json --concurrency 1")


def test_roles_of_the_namespace_grant_only_what_whoever_plays_needs_anyway(docs: list[Doc]) -> None:
    for name, role in of_kind(docs, "Role").items():
        for rule in role["rules"]:
            for group, resource in ((group, one) for group in rule["apiGroups"] for one in rule["resources"]):
                assert name == METRICS or set(rule["verbs"]) <= set(NEEDS[group][resource]), f"{name}: {resource}"


def test_bindings_bind_accounts_that_there_are_to_roles_that_there_are(docs: list[Doc]) -> None:
    accounts, roles = of_kind(docs, "ServiceAccount"), of_kind(docs, "Role", "ClusterRole")
    for one in of_kind(docs, "RoleBinding", "ClusterRoleBinding").values():
        assert one["roleRef"]["name"] in roles
        assert all(subject["name"] in accounts and subject["namespace"] == "drill-monday-3" for subject in one["subjects"])


# --------------------------------------------------------------------------------------------------------------------- environments


def environment(one: Doc, docs: list[Doc]) -> dict[str, str]:
    """A container's variables, as the kubelet makes them."""
    maps, secrets = of_kind(docs, "ConfigMap"), of_kind(docs, "Secret")
    found: dict[str, str] = {}
    for variable in one.get("env", ()):
        source = variable.get("valueFrom", {})
        if "secretKeyRef" in source:
            value = secrets[source["secretKeyRef"]["name"]]["stringData"][source["secretKeyRef"]["key"]]
        elif "configMapKeyRef" in source:
            value = maps[source["configMapKeyRef"]["name"]]["data"].get(source["configMapKeyRef"]["key"])
        elif "fieldRef" in source:
            value = {"metadata.name": "a-pod", "metadata.namespace": "drill-monday-3"}[source["fieldRef"]["fieldPath"]]
        else:
            value = re.sub(r"\$\((\w+)\)", lambda name: found.get(name[1], name[0]), variable.get("value", ""))
        if value is not None:
            found[variable["name"]] = value
    return found


@pytest.mark.parametrize("path", Library.packaged().paths(), ids=lambda path: path.stem)
def test_every_service_understands_its_environment_in_every_scenario(path: Path) -> None:
    drill = Library.packaged().load(path)
    docs = [document(one) for one in objects_of(setup_of(drill, images=Images("app:1")))]
    job = json.loads(of_kind(docs, "ConfigMap")["training"]["data"]["job.yaml"])
    pods = {name: one["spec"]["template"]["spec"] for name, one in of_kind([*docs, job], "Deployment", "Job").items()}
    seen = set()
    for name, one in containers(pods):
        if one.get("command", [""])[0] == "python":
            module = one["command"][2].removeprefix("drillbox.stacks.services.")
            variables = environment(one, docs)
            if name in {"model-candidate/model-server", "model-shadow/model-server"}:  # have none, and no replica
                variables["MODEL_VERSION"] = "v1"
            if module == "training":
                variables |= {"TRAINING_FROM": "2013-01-01", "TRAINING_UNTIL": "2013-02-01", "TRAINING_THRESHOLD": "0.3"}
            settings = read(SETTINGS[module], variables)
            assert (settings.host == EVERYWHERE) == (module not in {"controller.envoy", "training"})
            assert settings.component or module == "controller.envoy"
            unknown = set(variables) - {field.alias for field in SETTINGS[module].model_fields.values()}
            assert unknown <= {"DRILLBOX_HOME", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "DRILL_SEED", "DRILL_EPOCH",
                               "ARTIFACT_SOURCE", "CONTROL_TOKEN"}, name  # fmt: skip
            seen.add(module)
    assert seen == set(SETTINGS)


def test_model_servers_load_from_where_the_desired_state_says(docs: list[Doc]) -> None:
    server = of_kind(docs, "Deployment")["model-champion"]["spec"]["template"]["spec"]["containers"][0]
    assert environment(server, docs)["MODEL_STORE_URL"] == "http://registry:8080/origin"
    changed = json.loads(json.dumps(docs))
    of_kind(changed, "ConfigMap")["ml"]["data"]["servers.artifacts"] = "mirror"
    assert environment(server, changed)["MODEL_STORE_URL"] == "http://registry:8080/mirror"


def test_a_version_that_was_trained_in_the_drill_is_in_the_catalogue_of_servers_that_start_from_then_on(cluster: Cluster) -> None:
    cluster.take([catalogued(cluster.seen, "v8", "flights-20130301-1f0c9a2b")])
    docs = list(cluster.documents.values())
    server = of_kind(docs, "Deployment")["model-champion"]["spec"]["template"]["spec"]["containers"][0]
    known = read(ModelSettings, environment(server, docs)).catalogue
    assert known["v8"] == "flights-20130301-1f0c9a2b"
    assert known["v7"] == "v7-0123456789ab"
    del cluster.documents["ConfigMap", "versions"]
    with pytest.raises(MissingError, match="there is no ConfigMap versions"):
        catalogued(cluster.seen, "v9", "other")


# ----------------------------------------------------------------------------------------------------------------------- no spoilers


def test_nobody_learns_from_the_objects_what_will_happen(slow_afternoon: Scenario, docs: list[Doc]) -> None:
    text = json.dumps(docs)
    told = [*slow_afternoon.hints, slow_afternoon.debrief.story, slow_afternoon.pager, slow_afternoon.title]
    assert not [one for one in told if json.dumps(one)[1:30] in text]
    assert not [name for name in FAULTS if name in text]
    kept = load_scenario(of_kind(docs, "ConfigMap")["scenario"]["data"]["scenario.json"])
    assert (kept.world, kept.service, kept.runtime, kept.objectives, kept.versions) == (
        slow_afternoon.world, slow_afternoon.service, slow_afternoon.runtime, slow_afternoon.objectives, slow_afternoon.versions,
    )  # fmt: skip
    assert kept.timeline == ()
