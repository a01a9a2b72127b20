"""Plans of the actions on versions: what is deployed, to whom it answers, and the way back."""

from __future__ import annotations

from .action import InapplicableError
from .params import Params
from .service import ServiceSpec, with_fields


def deploy(spec: ServiceSpec, version: str) -> ServiceSpec:
    """The champion becomes another version; the one before is kept as the way back."""
    if version == spec.champion.version:
        return spec
    return with_fields(spec, {"champion.version": version, "champion.previous": spec.champion.version})


def roll_back(spec: ServiceSpec, _params: Params, _number: int) -> ServiceSpec:
    """The champion's previous version, and no canary traffic."""
    if not spec.champion.previous:
        raise InapplicableError(f"there is no version before {spec.champion.version} to roll back to")
    return with_fields(deploy(spec, spec.champion.previous), {"gateway.canary_weight": 0.0})


def stage(spec: ServiceSpec, params: Params, _number: int) -> ServiceSpec:
    """Replicas of a candidate, without traffic."""
    values = {"candidate.version": params["version"], "candidate.replicas": params["replicas"]}
    return with_fields(_like_champion(spec, "candidate"), values)


def set_canary(spec: ServiceSpec, params: Params, _number: int) -> ServiceSpec:
    """The candidate's share of the traffic."""
    if float(params["weight"]) > 0 and not spec.candidate.replicas:
        raise InapplicableError("there is no candidate to send traffic to; start one with stage")
    return with_fields(spec, {"gateway.canary_weight": params["weight"]})


def promote(spec: ServiceSpec, _params: Params, _number: int) -> ServiceSpec:
    """The candidate's version becomes the champion's, by a rolling update; the candidate goes."""
    if not spec.candidate.replicas:
        raise InapplicableError("there is no candidate to promote; start one with stage")
    return with_fields(deploy(spec, spec.candidate.version), {"candidate.replicas": 0, "gateway.canary_weight": 0.0})


def shadow(spec: ServiceSpec, params: Params, _number: int) -> ServiceSpec:
    """A version that gets copies of requests and answers nobody; 0% ends it."""
    share = float(params["share"])
    values = {"shadow.version": params["version"], "shadow.replicas": 1 if share > 0 else 0, "gateway.shadow_share": share}
    return with_fields(_like_champion(spec, "shadow"), values)


def _like_champion(spec: ServiceSpec, part: str) -> ServiceSpec:
    """Another workload with the champion's capacity per replica."""
    return with_fields(spec, {f"{part}.concurrency": spec.champion.concurrency, f"{part}.queue": spec.champion.queue})
