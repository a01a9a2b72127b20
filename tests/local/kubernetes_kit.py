"""A Kubernetes API of nothing but lists and watches, over HTTP, and the objects that tests put into it."""

from __future__ import annotations

import asyncio
import copy
import json
import threading
from collections.abc import AsyncIterator, Mapping
from typing import Any

import uvicorn
import yaml
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

from drillbox.stacks.deploy.kubernetes.seen import merge

Json = dict[str, Any]
NAMESPACE = "drill-test"
_GONE = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version", "status": "Failure"}


class FakeKubernetes:
    """Serves `pods`, `configmaps`, `nodes`, `deployments` and whatever else was put into it, from a thread of its own."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Json] = {}
        self.denied: set[str] = set()
        self.texts: dict[str, str] = {}  # raw answers by path
        self.requests: list[str] = []
        self._version, self._oldest = 100, 0
        self._events: list[tuple[int, str, str, Json]] = []
        self._watchers: list[asyncio.Queue[tuple[int, str, str, Json] | None]] = []
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def watches(self) -> int:
        """How many there are now."""
        return len(self._watchers)

    def kubeconfig(self) -> str:
        cluster = {"name": "fake", "cluster": {"server": self.url}}
        context = {"name": "fake", "context": {"cluster": "fake", "user": "fake", "namespace": NAMESPACE}}
        user = {"name": "fake", "user": {"token": "t"}}
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [cluster],
                "users": [user],
                "contexts": [context],
                "current-context": "fake",
            }
        )

    # ------------------------------------------------------------------------------------------------------------- the objects

    def put(self, plural: str, one: Json) -> None:
        """Create or replace an object."""
        with self._lock:
            key = (plural, one["metadata"]["name"])
            self._event(plural, "MODIFIED" if key in self.objects else "ADDED", copy.deepcopy(one))

    def change(self, plural: str, name: str, **parts: Any) -> None:
        """Replace parts of an object: `status__podIP="..."`."""
        one = copy.deepcopy(self.objects[plural, name])
        for path, value in parts.items():
            *outer, last = path.split("__")
            place = one
            for key in outer:
                place = place.setdefault(key, {})
            place[last] = value
        self.put(plural, one)

    def patch(self, plural: str, name: str, body: Json, manager: str) -> Json:
        """A strategic merge patch by somebody, who from then on manages what it sets."""
        with self._lock:
            one = merge(self.objects[plural, name], body)
            held = {
                "manager": manager,
                "operation": "Update",
                "time": f"2026-01-01T00:{self._version // 60 % 60:02d}:{self._version % 60:02d}Z",
            }
            meta = dict(one["metadata"])
            meta["managedFields"] = [*meta.get("managedFields", []), {**held, "fieldsType": "FieldsV1", "fieldsV1": _held(body)}]
            one["metadata"] = meta
            self._event(plural, "MODIFIED", one)
            return one

    def delete(self, plural: str, name: str) -> None:
        with self._lock:
            self._event(plural, "DELETED", self.objects[plural, name])

    def forget(self) -> None:
        """No watch can go on from a version of before."""
        with self._lock:
            self._version += 10
            self._oldest = self._version
            self._events.clear()

    def expire(self) -> None:
        """Every watch is told that it cannot go on."""
        self._loop.call_soon_threadsafe(self._spread, (10**9, "ERROR", "", _GONE))

    def _event(self, plural: str, kind: str, one: Json) -> None:
        self._version += 1
        one["metadata"]["resourceVersion"] = str(self._version)
        key = (plural, one["metadata"]["name"])
        before = self.objects.get(key, {"metadata": {}})
        grown = before.get("spec") != one.get("spec")
        one["metadata"]["generation"] = before["metadata"].get("generation", 0) + grown
        if kind == "DELETED":
            self.objects.pop(key)
        else:
            self.objects[key] = one
        event = (self._version, kind, plural, copy.deepcopy(one))
        self._events.append(event)
        self._loop.call_soon_threadsafe(self._spread, event)

    def _spread(self, event: tuple[int, str, str, Json] | None) -> None:
        for queue in self._watchers:
            queue.put_nowait(event)

    # -------------------------------------------------------------------------------------------------------------- the server

    def start(self) -> None:
        """Serve, on the same port as before."""
        app = FastAPI()
        app.get("/api/v1/namespaces/{namespace}/{plural}")(self._answer)
        app.get("/apis/{group}/{version}/namespaces/{namespace}/{plural}")(self._answer)
        app.get("/api/v1/{plural}")(self._answer)
        app.patch("/api/v1/namespaces/{namespace}/{plural}/{name}")(self._patched)
        app.patch("/apis/{group}/{version}/namespaces/{namespace}/{plural}/{name}")(self._patched)
        app.patch("/api/{version}/{plural}/{name}")(self._patched)
        app.delete("/api/{version}/namespaces/{namespace}/{plural}/{name}")(self._deleted)
        app.get("/{path:path}")(self._text)
        config = uvicorn.Config(app, "127.0.0.1", self._port, log_config=None, access_log=False, lifespan="off")
        self._server = uvicorn.Server(config)
        sock = config.bind_socket()
        self._port = sock.getsockname()[1]
        self._serving = asyncio.run_coroutine_threadsafe(self._server._serve([sock]), self._loop)

    def stop(self) -> None:
        """As a restart of the API server: all connections break."""
        self._server.should_exit = self._server.force_exit = True
        self._loop.call_soon_threadsafe(self._spread, None)
        self._serving.result(10.0)

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)
        self._loop.close()

    async def _text(self, path: str) -> Any:
        self.requests.append(path)
        if path in self.texts:
            return StreamingResponse(
                iter([self.texts[path]]), media_type="application/json" if path.startswith("apis") else "text/plain"
            )
        return _status(404, "NotFound", f"the server could not find {path}")

    async def _patched(self, request: Request, plural: str, name: str) -> Any:
        self.requests.append(f"patch {plural} {name}")
        if (plural, name) not in self.objects:
            return _status(404, "NotFound", f'{plural} "{name}" not found')
        return JSONResponse(self.patch(plural, name, await request.json(), request.query_params["fieldManager"]))

    async def _deleted(self, plural: str, name: str) -> Any:
        self.requests.append(f"delete {plural} {name}")
        if (plural, name) not in self.objects:
            return _status(404, "NotFound", f'{plural} "{name}" not found')
        self.delete(plural, name)
        return JSONResponse({"kind": "Status", "status": "Success"})

    async def _answer(self, request: Request, plural: str) -> Any:
        given = request.query_params
        path = request.url.path.strip("/")
        if path in self.texts or path.startswith("apis/metrics.k8s.io"):
            return await self._text(path)
        if plural in self.denied:
            return _status(403, "Forbidden", f"{plural} is forbidden")
        if not any(known == plural for known, _ in self.objects) and plural not in {"pods", "configmaps", "nodes", "deployments"}:
            return _status(404, "NotFound", "the server could not find the requested resource")
        chosen = _selector(given)
        if given.get("watch") == "true":
            self.requests.append(f"watch {plural}")
            return StreamingResponse(self._watch(plural, int(given["resourceVersion"]), chosen), media_type="application/json")
        self.requests.append(f"list {plural}")
        with self._lock:
            items = [one for (kind, _), one in self.objects.items() if kind == plural and chosen(one)]
            return JSONResponse({"kind": "List", "metadata": {"resourceVersion": str(self._version)}, "items": items})

    async def _watch(self, plural: str, after: int, chosen: Any) -> AsyncIterator[str]:
        queue: asyncio.Queue[tuple[int, str, str, Json] | None] = asyncio.Queue()
        with self._lock:
            if after < self._oldest:
                gone = {
                    "kind": "Status",
                    "code": 410,
                    "reason": "Expired",
                    "message": "too old resource version",
                    "status": "Failure",
                }
                yield json.dumps({"type": "ERROR", "object": gone}) + "\n"
                return
            for event in self._events:
                queue.put_nowait(event)
            self._watchers.append(queue)
        try:
            while (event := await queue.get()) is not None:
                version, kind, of, one = event
                if kind == "ERROR":
                    yield json.dumps({"type": kind, "object": one}) + "\n"
                    return
                if version > after and of == plural and chosen(one):
                    after = version
                    yield json.dumps({"type": kind, "object": one}) + "\n"
            raise ConnectionResetError
        finally:
            self._watchers.remove(queue)


def _selector(given: Mapping[str, str]) -> Any:
    labels = dict(part.split("=", 1) for part in given.get("labelSelector", "").split(",") if part)
    names = dict(part.split("=", 1) for part in given.get("fieldSelector", "").split(",") if part)

    def chosen(one: Json) -> bool:
        meta = one["metadata"]
        return labels.items() <= meta.get("labels", {}).items() and names.get("metadata.name", meta["name"]) == meta["name"]

    return chosen


def _held(body: object) -> Json:
    """What a patch sets, as `managedFields` tells it."""
    if isinstance(body, Mapping):
        return {f"f:{key}": _held(value) for key, value in body.items()}
    if isinstance(body, list) and all("name" in one for one in body):
        return {f"k:{json.dumps({'name': one['name']}, separators=(',', ':'))}": _held(one) for one in body}
    return {}


def _status(code: int, reason: str, message: str) -> JSONResponse:
    return JSONResponse({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}, code)


# ------------------------------------------------------------------------------------------------------------------- objects


def pod(name: str, ip: str, pool: str = "model-champion", *, ready: bool = True, version: str = "v1", life: str = "one") -> Json:
    state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"app.kubernetes.io/component": "model-server", "drillbox.dev/pool": pool},
        },
        "spec": {
            "nodeName": "worker",
            "containers": [
                {
                    "name": "model-server",
                    "env": [{"name": "MODEL_VERSION", "value": version}],
                    "resources": {"limits": {"memory": "512Mi"}},
                }
            ],
        },
        "status": {
            "phase": "Running",
            "podIP": ip,
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [
                {
                    "name": "model-server",
                    "image": "drillbox",
                    "imageID": "x",
                    "ready": ready,
                    "restartCount": 0,
                    "containerID": f"containerd://{name}-{life}",
                    "state": state,
                    "lastState": {},
                }
            ],
        },
    }


def deployment(name: str, replicas: int) -> Json:
    labels = {"app.kubernetes.io/component": "model-server", "drillbox.dev/pool": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "model-server"}]}},
        },
    }


def config_map(name: str, **data: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "data": {key.replace("__", "."): value for key, value in data.items()},
    }


def node(name: str, *, ready: bool = True, control_plane: bool = False) -> Json:
    labels = {"node-role.kubernetes.io/control-plane": ""} if control_plane else {}
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {"conditions": conditions},
    }
