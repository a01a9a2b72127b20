"""A real Envoy does what `ServiceSpec` says, live, and its own measurements have the names of the monitor's catalogue."""

from __future__ import annotations

import math
import re
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from drillbox.sandbox.model.errors import StackError
from drillbox.sandbox.model.service import Gateway
from drillbox.sandbox.model.slis import LATENCY_BUCKETS
from drillbox.sandbox.monitor.catalogue import BUCKETS, MEASURES, bucket_label
from drillbox.stacks.control_plane.gateway_faults import Injected
from drillbox.stacks.deploy.envoy.bootstrap import Listen
from drillbox.stacks.deploy.envoy.policy import Policy
from drillbox.stacks.deploy.envoy.program import find_envoy

sys.path.insert(0, str(Path(__file__).parent))
from envoy_kit import INFER, Replica, Running, free_address, until

try:
    find_envoy()
except StackError as missing:
    pytest.skip(str(missing), allow_module_level=True)

USUAL = Gateway(timeout=5.0, retries=0)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("gateway") / "files").up(Policy(USUAL)) as running:
        yield running


@pytest.fixture
def replicas() -> Iterator[SimpleNamespace]:
    made = SimpleNamespace(champion=Replica(), candidate=Replica(), shadow=Replica())
    yield made
    for replica in vars(made).values():
        replica.close()


def pools(replicas: SimpleNamespace, *names: str) -> dict[str, tuple[Any, ...]]:
    return {f"model-{name}": (getattr(replicas, name).address,) for name in names}


def test_each_request_counts_in_its_class_and_in_the_buckets_of_its_time(gateway: Running, replicas: SimpleNamespace) -> None:
    gateway.put(Policy(USUAL, pools(replicas, "champion")))
    before, below = gateway.counts(), {le: gateway.count("2xx", le) for le in ("100", "1000")}
    shed = gateway.total("envoy_gateway_rq_shed")
    assert [gateway.ask(), gateway.ask(), gateway.ask(x_do="sleep:0.15"), gateway.ask(x_do="status:503")] == [200, 200, 200, 503]
    with pytest.raises(httpx.ReadTimeout):
        gateway.client.post(INFER, headers={"x-do": "hold"}, timeout=0.1)
    gateway.put(Policy(Gateway(shed=1.0), pools(replicas, "champion")))
    assert gateway.ask() == 429
    expected = {"2xx": 3, "4xx": 1, "5xx": 1, "0": 1}
    assert gateway.counts() == {kind: before[kind] + number for kind, number in expected.items()}
    assert gateway.count("2xx", "100") == below["100"] + 2
    assert gateway.count("2xx", "1000") == below["1000"] + 3
    assert gateway.total("envoy_gateway_rq_shed") == shed + 1


def test_all_series_of_the_catalogue_exist_before_the_first_request(tmp_path: Path) -> None:
    with Running(tmp_path / "files").up(Policy(USUAL)) as fresh:
        until(lambda: fresh.count("0") == 1.0)  # of the request that made it exist, once for all
        series = fresh.metrics()
    for kind in ("2xx", "4xx", "5xx", "0"):
        for le in (*map(bucket_label, LATENCY_BUCKETS), "+Inf"):
            assert f'{BUCKETS}{{response_code_class="{kind}",le="{le}"}}' in series
    names = {name.partition("{")[0] for name in series}
    wanted = {text for measure in MEASURES.values() for text in str(measure.expr()).split("(") if text.startswith("envoy_")}
    assert {text.partition("[")[0].partition("{")[0] for text in wanted} <= names
    assert {"envoy_gateway_rq_no_healthy_upstream", "envoy_gateway_rq_retry_overflow"} <= names


def test_the_number_in_the_header_chooses_between_candidate_and_champion(gateway: Running, replicas: SimpleNamespace) -> None:
    gateway.put(Policy(Gateway(timeout=5.0, canary_weight=0.25), pools(replicas, "champion", "candidate")))
    for luck in (0, 249_999, 250_000, 999_999):
        assert gateway.ask(x_route_luck=str(luck)) == 200
    assert [seen["x-route-luck"] for seen in replicas.candidate.seen] == ["0", "249999"]
    assert [seen["x-route-luck"] for seen in replicas.champion.seen] == ["250000", "999999"]


def test_first_attempts_are_mirrored_to_the_shadow_and_repeats_are_not(gateway: Running, replicas: SimpleNamespace) -> None:
    gateway.put(Policy(Gateway(timeout=5.0, shadow_share=1.0), pools(replicas, "champion", "shadow")))
    before = gateway.counts()["2xx"]
    assert gateway.ask(x_client_attempt="1") == 200
    assert gateway.ask() == 200
    until(lambda: len(replicas.shadow.seen) == 1)
    assert "x-client-attempt" not in replicas.shadow.seen[0]
    assert gateway.counts()["2xx"] == before + 2  # nobody waits for the shadow: it is not counted


def test_the_timeout_covers_all_tries(gateway: Running, replicas: SimpleNamespace) -> None:
    gateway.put(Policy(Gateway(timeout=0.3, retries=3), pools(replicas, "champion")))
    replicas.champion.failing = ["status:503", "status:503"]
    begin = time.monotonic()
    assert gateway.ask(x_do="hold") == 504
    assert 0.25 < time.monotonic() - begin < 2.0
    assert len(replicas.champion.seen) == 3


@pytest.mark.parametrize("trouble", ["status:503", "break"])
def test_a_503_and_a_broken_connection_are_tried_again(gateway: Running, replicas: SimpleNamespace, trouble: str) -> None:
    retried = gateway.total("envoy_gateway_rq_retry")
    gateway.put(Policy(Gateway(timeout=5.0, retries=1), pools(replicas, "champion")))
    replicas.champion.failing = [trouble]
    assert gateway.ask() == 200
    replicas.champion.failing = [trouble, trouble]
    assert gateway.ask() == 503
    until(lambda: gateway.total("envoy_gateway_rq_retry") == retried + 2)
    gateway.put(Policy(USUAL, pools(replicas, "champion")))
    replicas.champion.failing = [trouble]
    assert gateway.ask() == 503


def test_other_errors_are_not_tried_again(gateway: Running, replicas: SimpleNamespace) -> None:
    gateway.put(Policy(Gateway(timeout=5.0, retries=3), pools(replicas, "champion")))
    assert [gateway.ask(x_do="status:500"), gateway.ask(x_do="status:400")] == [500, 400]
    assert len(replicas.champion.seen) == 2


def test_repeats_of_clients_beyond_the_retry_budget_are_refused_at_once(gateway: Running, replicas: SimpleNamespace) -> None:
    overflow = gateway.total("envoy_gateway_rq_retry_overflow")
    gateway.put(Policy(Gateway(timeout=5.0, retries=0, retry_budget=0.2), pools(replicas, "champion")))
    assert gateway.envoy.limit_repeats()["model-champion"] == 3
    held = [threading.Thread(target=gateway.ask, kwargs={"x_do": "hold", "x_client_attempt": "1"}) for _ in range(3)]
    for thread in held:
        thread.start()
    until(lambda: len(replicas.champion.seen) == 3)
    assert gateway.ask(x_client_attempt="2") == 503
    assert gateway.ask() == 200  # first attempts are free
    assert gateway.total("envoy_gateway_rq_retry_overflow") == overflow + 1
    gateway.put(Policy(USUAL, pools(replicas, "champion")))
    assert gateway.envoy.limit_repeats() == {}
    assert gateway.ask(x_client_attempt="2") == 200
    replicas.champion.let_go()
    for thread in held:
        thread.join(10.0)


def test_retries_beyond_the_budget_are_refused_and_counted_once(gateway: Running, replicas: SimpleNamespace) -> None:
    overflow = gateway.total("envoy_gateway_rq_retry_overflow")
    gateway.put(Policy(Gateway(timeout=5.0, retries=1, retry_budget=0.0), pools(replicas, "champion")))
    held = [threading.Thread(target=gateway.ask, kwargs={"x_do": "hold"}) for _ in range(3)]
    for number, thread in enumerate(held, start=1):
        replicas.champion.failing = ["status:503"]
        thread.start()
        until(lambda seen=2 * number: len(replicas.champion.seen) == seen)  # its retry is held: as many as always may be
    assert gateway.ask(x_do="status:503") == 503
    assert len(replicas.champion.seen) == 7
    assert gateway.total("envoy_gateway_rq_retry_overflow") == overflow + 1
    replicas.champion.let_go()
    for thread in held:
        thread.join(10.0)


def test_the_limit_of_repeats_grows_with_the_requests_in_flight(gateway: Running, replicas: SimpleNamespace) -> None:
    gateway.put(Policy(Gateway(timeout=5.0, retries=0, retry_budget=0.5), pools(replicas, "champion")))
    held = [threading.Thread(target=gateway.ask, kwargs={"x_do": "hold"}) for _ in range(10)]
    for thread in held:
        thread.start()
    until(lambda: len(replicas.champion.seen) == 10)
    assert gateway.envoy.limit_repeats()["model-champion"] == 5
    replicas.champion.let_go()
    for thread in held:
        thread.join(10.0)


def test_a_replica_that_is_not_ready_gets_nothing_until_it_is(gateway: Running, replicas: SimpleNamespace) -> None:
    nobody = gateway.total("envoy_gateway_rq_no_healthy_upstream")
    gateway.put(Policy(USUAL, pools(replicas, "champion")))
    replicas.champion.ready = False
    until(lambda: gateway.envoy.healthy()["model-champion"] == 0)
    assert gateway.ask() == 503
    assert replicas.champion.seen == []
    assert gateway.total("envoy_gateway_rq_no_healthy_upstream") == nobody + 1
    replicas.champion.ready = True
    until(lambda: gateway.envoy.healthy()["model-champion"] == 1)
    assert gateway.ask() == 200


def test_a_pool_without_replicas_answers_503_and_takes_new_ones(gateway: Running, replicas: SimpleNamespace) -> None:
    gateway.put(Policy(USUAL))
    assert gateway.ask() == 503
    gateway.put(Policy(USUAL, {"model-champion": (replicas.champion.address, replicas.candidate.address)}))
    assert {gateway.ask() for _ in range(20)} == {200}
    gateway.put(Policy(USUAL, pools(replicas, "candidate")))
    assert gateway.ask() == 503


def test_a_disturbance_is_injected_and_taken_back(gateway: Running, replicas: SimpleNamespace) -> None:
    serving = pools(replicas, "champion")
    gateway.put(Policy(USUAL, serving, Injected(aborted=1.0, status=502)))
    assert gateway.ask() == 502
    gateway.put(Policy(USUAL, serving, Injected(delay=0.2, delayed=1.0)))
    begin = time.monotonic()
    assert gateway.ask() == 200
    assert time.monotonic() - begin >= 0.19  # its timers count whole milliseconds
    gateway.put(Policy(USUAL, serving))
    assert gateway.ask() == 200
    assert len(replicas.champion.seen) == 2


def test_delays_and_aborts_come_before_the_routes_and_leave_no_trace_of_who_made_them(
    gateway: Running, replicas: SimpleNamespace
) -> None:
    policy = Gateway(timeout=0.3, retries=3, shed=1.0)
    serving = pools(replicas, "champion")
    before = gateway.counts()
    shed, retried = gateway.total("envoy_gateway_rq_shed"), gateway.total("envoy_gateway_rq_retry")
    gateway.put(Policy(policy, serving, Injected(aborted=1.0)))
    answer = gateway.client.post(INFER, content=b"{}")
    assert answer.status_code == 503
    assert gateway.total("envoy_gateway_rq_shed") == shed, "an abort comes before what sheds load"
    assert gateway.total("envoy_gateway_rq_retry") == retried, "and is not tried again"
    gateway.put(Policy(replace(policy, shed=0.0), serving, Injected(delay=0.6, delayed=1.0)))
    assert gateway.ask(x_do="sleep:0.1") == 200, "the timeout begins after the delay"
    gateway.put(Policy(replace(policy, shed=0.0), serving, Injected(delay=0.3, delayed=1.0, aborted=1.0)))
    begin = time.monotonic()
    assert gateway.ask() == 503
    assert time.monotonic() - begin >= 0.29, "a delay may be followed by an abort"
    with pytest.raises(httpx.ReadTimeout):
        gateway.client.post(INFER, timeout=0.1)
    gateway.put(Policy(USUAL, serving))
    assert gateway.counts() == {kind: before[kind] + number for kind, number in {"2xx": 1, "4xx": 0, "5xx": 2, "0": 1}.items()}
    assert len(replicas.champion.seen) == 1, "who hung up and who was refused never came that far"
    told = "\n".join([*gateway.metrics(), answer.text, *map(str, answer.headers.items()), gateway.log.read_text()])
    assert not re.search("fault|inject|delay|abort", told)


def test_a_share_of_the_requests_is_aborted(gateway: Running, replicas: SimpleNamespace) -> None:
    gateway.put(Policy(USUAL, pools(replicas, "champion"), Injected(aborted=0.25)))
    number, share = 400, 0.25
    aborted = sum(gateway.ask() == 503 for _ in range(number))
    assert abs(aborted - number * share) < 5.0 * math.sqrt(number * share * (1.0 - share))
    assert len(replicas.champion.seen) == number - aborted


def test_what_is_no_inference_and_what_is_too_large_gets_a_4xx(gateway: Running, replicas: SimpleNamespace) -> None:
    gateway.put(Policy(USUAL, pools(replicas, "champion")))
    assert gateway.client.get("/admin").status_code == 404
    assert gateway.client.post(INFER, content=b"x" * (2 << 20)).status_code == 413
    assert gateway.client.get("/readyz").status_code == 404
    assert replicas.champion.seen == []


def test_the_metrics_listener_shows_nothing_else_of_the_admin_interface(gateway: Running) -> None:
    base = f"http://{gateway.listen.metrics}"
    answers = {
        path: httpx.get(base + path).status_code for path in ("/metrics", "/readyz", "/healthz", "/config_dump", "/quitquitquit")
    }
    assert answers == {"/metrics": 200, "/readyz": 200, "/healthz": 200, "/config_dump": 404, "/quitquitquit": 404}


def test_unchanged_files_are_not_written_again(gateway: Running, replicas: SimpleNamespace) -> None:
    policy = Policy(USUAL, pools(replicas, "champion"))
    gateway.put(policy)
    before = {path.name: path.stat().st_ino for path in gateway.envoy.folder.iterdir()}
    gateway.put(policy)
    assert {path.name: path.stat().st_ino for path in gateway.envoy.folder.iterdir()} == before


def test_a_taken_port_is_named(tmp_path: Path, gateway: Running) -> None:
    taken = Listen(gateway.listen.requests, free_address(), free_address())
    with (
        pytest.raises(StackError, match=f"the address {gateway.listen.requests} is taken"),
        Running(tmp_path / "f", taken).up(Policy(USUAL)),
    ):
        pass
