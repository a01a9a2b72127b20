"""Every field of the desired state has one home in a cluster, and comes back from there as it went in, whoever changed it."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from objects_kit import Cluster, setup_of

from drillbox.sandbox.model.action import Action
from drillbox.sandbox.model.actions import ACTIONS
from drillbox.sandbox.model.features import ONLINE, listed
from drillbox.sandbox.model.params import Kind, Param, Value
from drillbox.sandbox.model.platform import LABELS
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.service import Change, ServiceSpec, differences, fields_of, with_fields
from drillbox.stacks.deploy.kubernetes.forms import Form
from drillbox.stacks.deploy.kubernetes.seen import Seen
from drillbox.stacks.deploy.kubernetes.table import HOMES, fields_in, patches, patches_of

_TEXTS = st.text("abcdefgh0123456789-.#=;/ ", max_size=30).map(str.strip)
_NAMES = {"features.quarantined": ONLINE, "monitoring.dropped": LABELS, "platform.cordoned": ("node-1", "node-2")}
_STEPS = {"servers.memory": 1024.0, "servers.cpu": 1000.0}  # quantities are exact to KiB and to thousandths of a core


def values_of(path: str, form: Form) -> st.SearchStrategy[Value]:
    """All values that a field can have."""
    if path in _NAMES:
        return st.sets(st.sampled_from(_NAMES[path])).map(listed)
    default = dict(fields_of(ServiceSpec()))[path]
    domain = form.domain
    if domain is None:
        return _TEXTS
    if domain.kind is Kind.SWITCH:
        return st.booleans()
    if domain.choices:
        return st.sampled_from(domain.choices).map(type(default))
    low, high = domain.minimum or 0.0, 1.0 if domain.maximum is None else domain.maximum
    if path in _STEPS:
        return st.integers(round(low * _STEPS[path]), round(min(high, 65536.0) * _STEPS[path])).map(lambda n: n / _STEPS[path])
    return st.integers(int(low), int(high)) if domain.kind is Kind.COUNT else st.floats(low, high)


@st.composite
def whole_specs(draw: st.DrawFn) -> ServiceSpec:
    return with_fields(ServiceSpec(), {path: draw(values_of(path, home.form)) for path, home in HOMES.items()})


def test_every_field_has_exactly_one_home_and_no_two_fields_share_one() -> None:
    assert set(HOMES) == {path for path, _ in fields_of(ServiceSpec())}
    places = [home.place for home in HOMES.values()]
    assert len(set(places)) == len(places)


def test_the_fields_of_every_action_have_homes() -> None:
    assert {path for action in ACTIONS.values() for path in action.fields} <= set(HOMES)


@settings(max_examples=12, phases=(Phase.generate,))  # to shrink states of 50 fields takes minutes
@given(spec=whole_specs())
def test_a_whole_state_comes_back_from_the_objects_that_it_was_rendered_into(slow_afternoon: Scenario, spec: ServiceSpec) -> None:
    cluster = Cluster.of(setup_of(slow_afternoon, spec))
    cluster.take(patches({"platform.cordoned": spec.platform.cordoned}, cluster.seen))
    found = fields_in(cluster.seen)
    assert found.problems == ()
    assert found.fields == dict(fields_of(spec))
    assert {path: type(value) for path, value in found.fields.items()} == {path: type(value) for path, value in fields_of(spec)}


@pytest.mark.parametrize("path", HOMES)
def test_a_patch_of_a_field_changes_that_field_and_no_other(cluster: Cluster, path: str) -> None:
    before = fields_in(cluster.seen).fields

    @settings(max_examples=6)
    @given(value=values_of(path, HOMES[path].form))
    def changes(value: Value) -> None:
        cluster.take(patches({path: value}, cluster.seen))
        after = fields_in(cluster.seen)
        assert after.problems == ()
        assert after.fields == {**before, path: value}

    changes()


def some_value(param: Param, choice: int) -> Value:
    """Some value of a parameter, of choices that one."""
    if param.kind is Kind.SWITCH:
        return True
    if param.choices:
        return param.choices[choice]
    if param.kind in (Kind.NAME, Kind.TEXT):
        return param.default if param.default is not None else "v6"
    value = param.default if param.default is not None else 0.75 if param.kind is Kind.SHARE else param.maximum or 1.0
    return int(value) if param.kind is Kind.COUNT else float(value)


@pytest.mark.parametrize("action", [one for one in ACTIONS.values() if one.plan], ids=lambda one: one.name)
def test_what_an_action_changes_comes_back_from_the_cluster_as_just_these_changes(
    slow_afternoon: Scenario, action: Action
) -> None:
    ready = {
        "candidate.version": "v6", "candidate.replicas": 2, "retraining.frozen": action.name == "resume-retraining",
        "retraining.stage": "" if action.name == "retrain" else "v9: waiting for approval", "champion.previous": "v5",
        "features.quarantined": ONLINE[0], "platform.pushed": "gateway.timeout=0.5",
    }  # fmt: skip
    spec = with_fields(slow_afternoon.service, ready)
    if action.name == "uncordon":
        spec = with_fields(spec, {"platform.cordoned": "node-1"})
    assert action.plan is not None
    plans = (action.plan(spec, {one.name: some_value(one, choice) for one in action.params}, 7) for choice in (0, -1))
    wanted = next(one for one in plans if one != spec)
    cluster = Cluster.of(setup_of(slow_afternoon, spec))
    cluster.take(patches({"platform.cordoned": spec.platform.cordoned}, cluster.seen))
    cluster.take(patches_of(differences(spec, wanted, "operator"), cluster.seen))
    after = with_fields(spec, dict(fields_in(cluster.seen).fields))
    assert differences(spec, after, "operator") == differences(spec, wanted, "operator") != ()


def test_one_patch_for_each_object() -> None:
    found = patches({"champion.version": "v8", "champion.previous": "v7", "champion.replicas": 3, "gateway.shed": 0.25})
    assert [(one.kind.__name__, one.name) for one in found] == [("Deployment", "model-champion"), ("ConfigMap", "gateway")]
    assert found[0].body == {
        "metadata": {"annotations": {"drillbox.dev/previous-version": "v7"}},
        "spec": {
            "replicas": 3,
            "template": {"spec": {"containers": [{"name": "model-server", "env": [{"name": "MODEL_VERSION", "value": "v8"}]}]}},
        },
    }
    assert found[1].body == {"data": {"shed": "25%"}}


def test_of_several_changes_of_a_field_the_last_counts(cluster: Cluster) -> None:
    changes = [Change("gateway.timeout", 1.0, value, "somebody") for value in (0.7, 0.9)]
    cluster.take(patches_of(changes, cluster.seen))
    assert cluster.documents["ConfigMap", "gateway"]["data"]["timeout"] == "900ms"


def test_limits_are_those_of_all_model_servers_and_requests_stay_below_them(cluster: Cluster) -> None:
    cluster.take(patches({"servers.memory": 128.0, "servers.cpu": 0.01}))
    for pool in ("model-champion", "model-candidate", "model-shadow"):
        assert resources(cluster, pool) == ({"memory": "128Mi", "cpu": "10m"}, {"memory": "128Mi", "cpu": "10m"})
    cluster.take(patches({"servers.memory": 2048.0, "servers.cpu": 0.0}))
    assert resources(cluster, "model-champion") == ({"memory": "2048Mi"}, {"memory": "192Mi", "cpu": "50m"})


def resources(cluster: Cluster, pool: str) -> tuple[dict[str, str], dict[str, str]]:
    """Limits and requests."""
    found = cluster.seen.container(pool, "model-server").resources
    assert found is not None
    return found.limits, found.requests


def test_a_node_that_the_cluster_does_not_have_cannot_be_cordoned(cluster: Cluster) -> None:
    with pytest.raises(ValueError, match="there is no node node-4 to cordon in this cluster; it has node-1, node-2"):
        patches({"platform.cordoned": "node-1,node-4"}, cluster.seen)
    with pytest.raises(ValueError, match="it has no node"):
        patches({"platform.cordoned": "node-1"}, Seen())


def test_a_field_that_does_not_exist_has_no_patch() -> None:
    with pytest.raises(KeyError, match="gateway.colour"):
        patches({"gateway.colour": "red"})
