from __future__ import annotations

import json
import math
from typing import Any

import httpx
import numpy as np
import pytest
import schemathesis
from schemathesis import Case
from schemathesis.specs.openapi.checks import positive_data_acceptance

from drillbox.sandbox.learning import store, training
from drillbox.sandbox.learning.version import ModelVersion
from drillbox.sandbox.world.data import FlightData
from drillbox.stacks.services.model_server.questions import request_body

INFER = "/v2/models/flights/infer"
FLIGHT = [1.0, 0.0, 3.0, 17.0, 2.0, 1000.0]


def tensor(**changes: Any) -> dict[str, Any]:
    return {"name": "flight", "shape": [1, 6], "datatype": "FP64", "data": FLIGHT, **changes}


def matrix(data: FlightData) -> np.ndarray[Any, np.dtype[np.float64]]:
    rows = np.arange(1000, 1005, dtype=np.int32)
    return data.features(rows, data.departure[rows] // 60)


def test_it_scores_as_the_stored_model_does(server: Any, version: ModelVersion, flight_data: FlightData) -> None:
    asked = matrix(flight_data)[~np.isnan(matrix(flight_data)).any(axis=1)]
    expected = training.score(store.load(version), asked)
    found = server.client.post(INFER, content=request_body(asked[:, :6], asked[:, 6:], request_id="seven")).json()
    assert found["id"] == "seven"
    assert (found["model_name"], found["model_version"]) == ("flights", "v1")
    score, late = found["outputs"]
    np.testing.assert_allclose(score["data"], expected, rtol=1e-12)
    assert late["data"] == (expected >= version.threshold).tolist()


def test_without_a_feature_store_it_scores_with_missing_weather(server: Any, version: ModelVersion) -> None:
    row = np.array([[*FLIGHT, *[math.nan] * 8]])
    found = server.client.post(f"{INFER.replace('/infer', '/versions/v1/infer')}", json={"inputs": [tensor()]}).json()
    assert found["outputs"][0]["data"] == pytest.approx(training.score(store.load(version), row).tolist(), rel=1e-12)


def test_the_other_endpoints_of_v2(server: Any) -> None:
    get = server.client.get
    assert get("/v2").json()["extensions"] == ["binary_tensor_data"]
    assert get("/v2/health/live").json() == {"live": True}
    assert get("/v2/health/ready").json() == {"ready": True}
    assert get("/v2/models/flights/ready").json() == {"name": "flights", "ready": True}
    assert get("/v2/models/flights/versions/v1").json()["versions"] == ["v1"]
    unknown = get("/v2/models/flight/ready")
    assert (unknown.status_code, unknown.json()) == (404, {"error": "there is no model of that name: did you mean 'flights'?"})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"[]", "no JSON object"),
        (b"\xff\xfe", "no JSON"),
        (b'{"inputs": ' + b"[" * 20000, "no JSON"),
        (json.dumps({"inputs": [tensor(data=[math.nan] * 6)]}).encode(), "no JSON"),
        (json.dumps({"inputs": [tensor(data=[math.inf] * 6)]}).encode(), "no JSON"),
        (json.dumps({"inputs": [tensor()]}).replace("1000.0", "1e999").encode(), ""),
        (json.dumps({"inputs": [tensor()]}).replace("1000.0", "9" * 400).encode(), ""),
        (json.dumps({"inputs": []}).encode(), "no list of tensors"),
        (json.dumps({"inputs": [1]}).encode(), "a number, not an object"),
        (json.dumps({"inputs": [tensor(name="flights")]}).encode(), "did you mean 'flight'?"),
        (json.dumps({"inputs": [tensor(shape=[6])]}).encode(), "is not [n, 6]"),
        (json.dumps({"inputs": [tensor(shape=[2, 6])]}).encode(), "do not make the shape"),
        (json.dumps({"inputs": [tensor(shape=[-1, 6])]}).encode(), "no list of sizes"),
        (json.dumps({"inputs": [tensor(shape=[10**30, 6])]}).encode(), ""),
        (json.dumps({"inputs": [tensor(shape=[10**9, 6])]}).encode(), "1 to 1024"),
        (json.dumps({"inputs": [tensor(datatype="FP65")]}).encode(), "did you mean 'FP64'?"),
        (json.dumps({"inputs": [tensor(datatype="BYTES")]}).encode(), "is not taken"),
        (json.dumps({"inputs": [tensor(data=["1"] * 6)]}).encode(), "is no FP64"),
        (json.dumps({"inputs": [tensor(data=[True] * 6)]}).encode(), "is no FP64"),
        (json.dumps({"inputs": [tensor(datatype="UINT8", data=[1, 0, 3, 17, 2, 1000])]}).encode(), "beyond UINT8"),
        (json.dumps({"inputs": [tensor(data=[[[FLIGHT]]])]}).encode(), "not those of the shape"),
        (json.dumps({"inputs": [tensor(data=[1, 9, 3, 17, 2, 1000])]}).encode(), "a whole number from 0 to 2"),
        (json.dumps({"inputs": [tensor(), tensor()]}).encode(), "there twice"),
        (json.dumps({"inputs": [tensor()], "outputs": [{"name": "scores"}]}).encode(), "did you mean 'score'?"),
        (json.dumps({"inputs": [tensor()], "id": 7}).encode(), "id is no string"),
        (json.dumps({"inputs": [tensor()], "parameters": {"flight_row": [1, 2]}}).encode(), "for each of the 1 flights"),
    ],
)
def test_a_wrong_request_is_the_clients_error(server: Any, body: bytes, message: str) -> None:
    answer = server.client.post(INFER, content=body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]


def test_a_huge_or_compressed_request_is_refused_and_the_server_lives(server: Any) -> None:
    huge = server.client.post(INFER, content=b" " * 70_000)
    assert (huge.status_code, huge.json()["error"]) == (413, "the request has 70000 bytes; at most 65536 are taken")
    chunked = server.client.post(INFER, content=iter([b" " * 50_000] * 2))
    assert chunked.status_code == 413
    assert server.client.post(INFER, content=b"x", headers={"Content-Encoding": "gzip"}).status_code == 415
    assert server.client.post(INFER, json={"inputs": [tensor()]}).status_code == 200


def test_binary_data_comes_and_goes(server: Any, version: ModelVersion, flight_data: FlightData) -> None:
    rows = matrix(flight_data)
    content = rows.astype("<f8").tobytes()
    inputs = [{"name": "features", "shape": [5, 14], "datatype": "FP64", "parameters": {"binary_data_size": len(content)}}]
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    answer = server.client.post(INFER, content=head + content, headers={"Inference-Header-Content-Length": str(len(head))})
    assert answer.status_code == 200
    length = int(answer.headers["Inference-Header-Content-Length"])
    scores = np.frombuffer(answer.content[length : length + 40], "<f8")
    np.testing.assert_allclose(scores, training.score(store.load(version), rows), rtol=1e-12)
    for wrong in ("x", str(10**9)):
        refused = server.client.post(INFER, content=head + content, headers={"Inference-Header-Content-Length": wrong})
        assert refused.status_code == 400
    short = server.client.post(INFER, content=head + content[:-8], headers={"Inference-Header-Content-Length": str(len(head))})
    assert "552 bytes of binary data" in short.json()["error"]


def test_tritonclient_works_unchanged(server: Any, version: ModelVersion, flight_data: FlightData) -> None:
    http = pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed", exc_type=ImportError)
    client = http.InferenceServerClient(server.url.removeprefix("http://"))
    try:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("flights")
        rows = matrix(flight_data)
        for binary in (True, False):
            asked = rows if binary else rows[~np.isnan(rows).any(axis=1)]
            given = http.InferInput("features", list(asked.shape), "FP64")
            given.set_data_from_numpy(asked, binary_data=binary)
            wanted = [
                http.InferRequestedOutput("score", binary_data=binary),
                http.InferRequestedOutput("late", binary_data=binary),
            ]
            found = client.infer("flights", [given], outputs=wanted)
            np.testing.assert_allclose(found.as_numpy("score"), training.score(store.load(version), asked), rtol=1e-12)
    finally:
        client.close()


def test_kserves_client_works_unchanged(server: Any, version: ModelVersion) -> None:
    kserve = pytest.importorskip("kserve", reason="the KServe SDK is not installed", exc_type=ImportError)
    import asyncio

    async def ask() -> float:
        client = kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v2"))
        given = kserve.InferInput("flight", [1, 6], "FP64", FLIGHT)
        found = await client.infer(server.url, kserve.InferRequest("flights", [given]), model_name="flights")
        assert await client.is_model_ready(server.url, "flights")
        return float(found.outputs[0].data[0])

    row = np.array([[*FLIGHT, *[math.nan] * 8]])
    assert asyncio.run(ask()) == pytest.approx(training.score(store.load(version), row)[0])


def test_schemathesis_finds_nothing(server: Any) -> None:
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    config = schemathesis.GenerationMode
    for operation in (found.ok() for found in schema.get_all_operations()):
        for mode in (config.POSITIVE, config.NEGATIVE):
            _try(operation, mode)
    assert server.process.poll() is None
    assert httpx.get(f"{server.url}/readyz").status_code == 200


def _try(operation: Any, mode: Any) -> None:
    from hypothesis import HealthCheck, given, settings
    from hypothesis.errors import Unsatisfiable

    @settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Case) -> None:
        # That a tensor's shape and data fit together is beyond what a schema says.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    try:
        check()
    except Unsatisfiable:  # nothing to get wrong in an operation without parameters
        assert mode == schemathesis.GenerationMode.NEGATIVE
