"""Pods meet the level "restricted" of the Pod Security Standards: one test for each of its controls, those of "baseline" included.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

import json

from objects_kit import Doc, containers, of_kind

from drillbox.stacks.deploy.kubernetes.pods import USER

ALLOWED_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def test_no_pod_shares_a_namespace_of_the_host(pods: dict[str, Doc]) -> None:
    for pod in pods.values():
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & set(pod)
        assert "windowsOptions" not in json.dumps(pod)


def test_no_container_is_privileged_or_keeps_a_capability(pods: dict[str, Doc]) -> None:
    for _, one in containers(pods):
        assert not one["securityContext"].get("privileged")
        assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_volumes_are_of_the_allowed_types_only(pods: dict[str, Doc]) -> None:
    for pod in pods.values():
        for volume in pod["volumes"]:
            assert set(volume) - {"name"} <= ALLOWED_VOLUMES


def test_no_container_takes_a_port_of_the_host(pods: dict[str, Doc]) -> None:
    for _, one in containers(pods):
        assert all("hostPort" not in port and "hostIP" not in port for port in one.get("ports", ()))
        assert "host" not in json.dumps([one.get("livenessProbe"), one.get("readinessProbe"), one.get("lifecycle")])


def test_security_modules_mounts_of_proc_and_sysctls_stay_as_the_runtime_has_them(docs: list[Doc], pods: dict[str, Doc]) -> None:
    for pod in pods.values():
        assert not {"seLinuxOptions", "sysctls", "appArmorProfile"} & set(pod["securityContext"])
    for _, one in containers(pods):
        assert not {"seLinuxOptions", "procMount", "appArmorProfile"} & set(one["securityContext"])
    for one in of_kind(docs, "Deployment").values():
        assert not one["spec"]["template"]["metadata"].get("annotations")


def test_privileges_cannot_grow(pods: dict[str, Doc]) -> None:
    for _, one in containers(pods):
        assert one["securityContext"]["allowPrivilegeEscalation"] is False


def test_nobody_runs_as_root(pods: dict[str, Doc]) -> None:
    for pod in pods.values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["runAsGroup"] == USER != 0
    for _, one in containers(pods):
        assert one["securityContext"]["runAsNonRoot"] is True
        assert "runAsUser" not in one["securityContext"]


def test_system_calls_are_filtered_by_the_runtimes_profile(pods: dict[str, Doc]) -> None:
    for pod in pods.values():
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for _, one in containers(pods):
        assert "seccompProfile" not in one["securityContext"]


def test_the_namespace_asks_the_cluster_to_enforce_all_that(docs: list[Doc]) -> None:
    labels = of_kind(docs, "Namespace")["drill-monday-3"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
