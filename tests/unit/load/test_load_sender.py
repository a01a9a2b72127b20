"""Requests under way: open-loop sends, deadlines, repeats, and a ledger in which each request has exactly one outcome."""

from __future__ import annotations

import asyncio
import csv
import json
import time
from pathlib import Path

import pytest
from load_kit import SEED, Bench, Gateway, answer, until

from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.model.scenario import Clients
from drillbox.sandbox.world.flights import World
from drillbox.stacks.services.load.luck import Luck
from drillbox.stacks.services.load.payloads import prediction
from drillbox.stacks.services.load.records import COLUMNS, Records
from drillbox.stacks.services.model_server.questions import Reader, limits

PATIENT = Clients(timeout=10.0)


def test_an_answer_is_ok_and_costs_what_its_prediction_costs(world: World) -> None:
    async def run() -> None:
        async with Gateway().up() as gateway:
            late = {2: True, 3: True, 4: False, 5: True}
            gateway.reply = lambda headers, _nth: (200, answer(late=late[int(headers["x-request-id"])]))
            bench = Bench(world, gateway.port, PATIENT)
            for index in late:
                bench.sender.send(index, -1.0 if index == 2 else 0.0, index * 10, 7)  # the first is of the warm-up: not counted
            assert await bench.all_decided() == (0, 0, 3)
            expected = sum(bench.ledger.costs[int(late[index]), index * 10] for index in (3, 4, 5))
            assert bench.ledger.counts().prediction_cost == pytest.approx(expected)
            assert sum(bench.ledger.decided.values()) == 4

    asyncio.run(run())


def test_costs_are_those_of_the_world(world: World) -> None:
    bench = Bench(world, 1, PATIENT)
    scores = world.rule_scores
    chosen = bench.ledger.costs[(scores >= 0.5).astype(int), range(len(scores))]
    assert chosen.tolist() == world.rule_costs().tolist()


def test_a_request_is_one_that_the_model_server_understands(world: World) -> None:
    async def run() -> None:
        async with Gateway().up() as gateway:
            bench = Bench(world, gateway.port, PATIENT)
            bench.sender.send(17, 0.0, 42, 123_456)
            await bench.all_decided()
            line, headers, body = gateway.seen[0]
        assert line == "POST /v2/models/flights/infer HTTP/1.1"
        assert headers["x-route-luck"] == "123456"
        assert headers["x-request-id"] == "17"
        assert "x-client-attempt" not in headers
        data = world.data
        question = Reader(limits(len(data.carriers), len(data.origins), len(data.dests))).read(body, None)
        assert question.matrix[0, :6].tolist() == world.examples.features[42, :6].tolist()
        assert json.loads(body)["parameters"] == {"flight_row": [int(world.examples.rows[42])]}

    asyncio.run(run())


def test_requests_never_wait_for_answers(world: World) -> None:
    async def run() -> None:
        async with Gateway().up() as gateway:
            gateway.hold = asyncio.Event()
            bench = Bench(world, gateway.port, PATIENT)
            for index in range(50):
                bench.sender.send(index, 0.0, 0, 0)
            await until(lambda: len(gateway.seen) == 50)  # none of them was answered
            assert bench.ledger.in_flight == 50
            gateway.hold.set()
            assert await bench.all_decided() == (0, 0, 50)
            assert bench.pool.open == 0

    asyncio.run(run())


def test_latency_runs_from_the_intended_time(world: World) -> None:
    async def run() -> None:
        async with Gateway().up() as gateway:
            bench = Bench(world, gateway.port, PATIENT, slow=5.0)
            bench.sender.origin = time.monotonic() - 6.0
            bench.sender.send(0, 0.0, 0, 0)  # six seconds too late, because we could not send it sooner
            bench.sender.send(1, 5.9, 0, 0)
            assert await bench.all_decided() == (0, 1, 1)

    asyncio.run(run())


@pytest.mark.parametrize(("status", "attempts"), [(503, 3), (500, 3), (504, 3), (400, 3), (429, 1)])
def test_a_failure_is_tried_again_and_a_refusal_is_not(world: World, status: int, attempts: int) -> None:
    async def run() -> None:
        async with Gateway().up() as gateway:
            gateway.reply = lambda _headers, _nth: (status, b"")
            bench = Bench(world, gateway.port, Clients(timeout=10.0, retries=2, backoff=0.001))
            bench.sender.send(0, 0.0, 0, 0)
            assert await bench.all_decided() == (1, 0, 0)
            repeats = [headers.get("x-client-attempt") for _, headers, _ in gateway.seen]
            assert repeats == [None, "1", "2"][:attempts]

    asyncio.run(run())


def test_the_back_off_is_keyed_luck(world: World) -> None:
    async def run() -> None:
        async with Gateway().up() as gateway:
            gateway.reply = lambda _headers, _nth: (503, b"")
            bench = Bench(world, gateway.port, Clients(timeout=10.0, retries=2, backoff=0.1, backoff_limit=0.15))
            bench.sender.send(8, 0.0, 0, 0)
            await bench.all_decided()
            waited = bench.sender.now()
        luck = Luck(SEED)
        assert waited >= 0.1 * luck.backoff(8, 0) + 0.15 * luck.backoff(8, 1) - 0.005  # timers may be early by a tick

    asyncio.run(run())


def test_a_client_hangs_up_at_its_timeout_and_comes_back(world: World) -> None:
    async def run() -> None:
        async with Gateway().up() as gateway:
            gateway.hold = asyncio.Event()
            bench = Bench(world, gateway.port, Clients(timeout=0.05, retries=1, backoff=0.001))
            bench.sender.send(0, 0.0, 0, 0)
            assert await bench.all_decided() == (1, 0, 0)
            assert bench.ledger.attempts["timeout"] == 2
            gateway.hold.set()
            await until(lambda: gateway.hung_up == 2)

    asyncio.run(run())


def test_broken_connections_and_nonsense_are_failures_that_are_told(world: World) -> None:
    async def run() -> None:
        async with Gateway().up() as gateway:
            replies = {1: None, 2: (200, b"{}"), 3: (200, b"no JSON"), 4: (200, answer())}
            gateway.reply = lambda _headers, nth: replies[nth]
            bench = Bench(world, gateway.port, Clients(timeout=10.0, retries=3, backoff=0.0))
            bench.sender.send(0, 0.0, 0, 0)
            assert await bench.all_decided() == (0, 0, 1)
            assert bench.ledger.attempts["broken"] == 1
            assert len(bench.complaints) == 3
            assert "not an answer of the model" in bench.complaints[1]

    asyncio.run(run())


def test_a_gateway_that_is_not_there_fails_requests(world: World) -> None:
    async def run() -> None:
        async with Gateway().up() as gateway:
            port = gateway.port
        bench = Bench(world, port, Clients(timeout=10.0, retries=1, backoff=0.0))
        bench.sender.send(0, 0.0, 0, 0)
        assert await bench.all_decided() == (1, 0, 0)
        assert bench.ledger.attempts["broken"] == 2

    asyncio.run(run())


def test_a_change_of_policy_is_for_attempts_from_then_on(world: World) -> None:
    async def run() -> None:
        async with Gateway().up() as gateway:
            gateway.reply = lambda _headers, _nth: (503, b"")
            bench = Bench(world, gateway.port, Clients(timeout=10.0))
            bench.sender.send(0, 0.0, 0, 0)
            await until(lambda: bench.ledger.in_flight == 0)
            bench.sender.clients = Clients(timeout=10.0, retries=4, backoff=0.0)
            bench.sender.send(1, 0.0, 0, 0)
            assert await bench.all_decided() == (2, 0, 0)
            assert len(gateway.seen) == 6

    asyncio.run(run())


def test_what_is_abandoned_counts_as_failed(world: World) -> None:
    async def run() -> None:
        async with Gateway().up() as gateway:
            gateway.hold = asyncio.Event()
            bench = Bench(world, gateway.port, PATIENT)
            for index in range(3):
                bench.sender.send(index, 0.0, 0, 0)
            await until(lambda: len(gateway.seen) == 3)
            assert bench.sender.abandon() == 3
            assert await bench.all_decided() == (3, 0, 0)

    asyncio.run(run())


def test_each_request_has_one_line_in_the_log(world: World, tmp_path: Path) -> None:
    async def run() -> None:
        async with Gateway().up() as gateway:
            gateway.reply = lambda headers, _nth: (
                (503, b"") if headers["x-request-id"] == "1" else (200, answer(True, 0.75, "rules"))
            )
            records = Records(tmp_path / "deep" / "load.csv")
            bench = Bench(world, gateway.port, PATIENT, records)
            for index in range(3):
                bench.sender.send(index, 0.0, 7, 0)
            await bench.all_decided()
            records.close()

    asyncio.run(run())
    with (tmp_path / "deep" / "load.csv").open() as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["index"])
    assert tuple(rows[0]) == COLUMNS
    assert [(row["outcome"], row["status"], row["score"], row["source"]) for row in rows] == [
        ("ok", "200", "0.75", "rules"), ("failed", "503", "", ""), ("ok", "200", "0.75", "rules"),
    ]  # fmt: skip
    assert all(0.0 <= float(row["send_error"]) <= float(row["latency"]) for row in rows)


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="LOAD_LOG=.* cannot be written"):
        Records(tmp_path / "file" / "load.csv")


def test_a_full_disk_is_told_once_and_does_not_stop_the_load() -> None:
    records = Records(Path("/dev/full"))
    records.add("1,2,3")
    assert "cannot be written any more" in records.flush()
    records.add("1,2,3")
    assert records.flush() == ""
    records.close()


@pytest.mark.parametrize("body", [b"[]", b"{}", b"1", b'{"outputs": 3}', b'{"outputs": [{"name": "late", "data": []}]}', b"\xff"])
def test_nonsense_is_no_prediction(body: bytes) -> None:
    with pytest.raises(ValueError, match="not an answer of the model|JSON|UTF-8|utf-8"):
        prediction(body)


def test_a_prediction_has_the_right_types() -> None:
    with pytest.raises(ValueError, match="wrong type"):
        prediction(answer().replace(b"false", b"0.5"))
    assert prediction(answer(True, 0.5, "rules", "v2")).version == "v2"
