"""The part of the Kubernetes API that trainers use, as an application that a test serves."""

from __future__ import annotations

import asyncio
import copy
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse

Json = dict[str, Any]


class Cluster:
    """The part of the Kubernetes API that trainers use. `ran` is called with each new job, in a thread."""

    def __init__(self, ran: Callable[[Cluster, Json], None]) -> None:
        self.ran = ran
        self.jobs: dict[str, Json] = {}
        self.pods: list[Json] = []
        self.logs: dict[str, str] = {}
        self.deleted: list[str] = []
        self.failures: dict[str, int] = {}  # statuses that are answered once, by method
        self.quiet = False  # watches tell nothing
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        base = "/apis/batch/v1/namespaces/{namespace}/jobs"
        self.app = FastAPI()
        self.app.post(base)(self._create)
        self.app.get(base)(self._list)
        self.app.get(base + "/{name}")(self._get)
        self.app.delete(base + "/{name}")(self._delete)
        self.app.get("/api/v1/namespaces/{namespace}/pods")(self._pods)
        self.app.get("/api/v1/namespaces/{namespace}/pods/{name}/log")(self._log)

    def end(self, name: str, kind: str, reason: str = "") -> None:
        """A job is finished: Complete or Failed."""
        with self._changed:
            self.jobs[name]["status"] = {"conditions": [{"type": kind, "status": "True", "reason": reason}]}

    def add(self, name: str, **more: Any) -> None:
        """A job of before."""
        labels = {"app.kubernetes.io/component": "training", "drillbox.dev/drill": "test"}
        meta = {"name": name, "labels": labels, "creationTimestamp": "2013-01-01T00:00:00Z", **more}
        self.jobs[name] = {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"template": {}}}

    def pod(self, job: str, log: str, status: Json, made: str = "2013-01-01T00:00:00Z") -> None:
        name = f"{job}-{len(self.pods)}"
        meta = {"name": name, "labels": {"job-name": job}, "creationTimestamp": made}
        self.pods.append({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": status})
        self.logs[name] = log

    def close(self) -> None:
        for thread in self._threads:
            thread.join(120.0)

    def _failing(self, method: str) -> Response | None:
        code = self.failures.pop(method, None)
        return None if code is None else _status(code, f"it answers {code}")

    async def _create(self, request: Request) -> Response:
        if failing := self._failing("POST"):
            return failing
        job: Json = await request.json()
        name = job["metadata"]["name"]
        if name in self.jobs:
            return _status(409, "already exists")
        job["metadata"]["creationTimestamp"] = "2013-02-01T00:00:00Z"
        self.jobs[name] = job
        self._threads.append(threading.Thread(target=self.ran, args=(self, copy.deepcopy(job)), daemon=True))
        self._threads[-1].start()
        return JSONResponse(job, 201)

    async def _get(self, name: str) -> Response:
        if failing := self._failing("GET"):
            return failing
        return JSONResponse(self.jobs[name]) if name in self.jobs else _status(404, f"jobs {name!r} not found")

    async def _list(self, request: Request) -> Response:
        if request.query_params.get("watch") != "true":
            wanted = dict(part.split("=") for part in request.query_params["labelSelector"].split(","))
            found = [one for one in self.jobs.values() if wanted.items() <= one["metadata"].get("labels", {}).items()]
            return JSONResponse({"kind": "JobList", "metadata": {"resourceVersion": "1"}, "items": found})
        if failing := self._failing("WATCH"):
            return failing
        return StreamingResponse(self._watch(request.query_params["fieldSelector"].partition("=")[2], request))

    async def _watch(self, name: str, request: Request) -> AsyncIterator[str]:
        before: Json | None = None
        while not await request.is_disconnected():
            now = copy.deepcopy(self.jobs.get(name))
            if now != before and not self.quiet:
                kind = "DELETED" if now is None else "MODIFIED" if before else "ADDED"
                yield json.dumps({"type": kind, "object": now or before}) + "\n"
                before = now
            await asyncio.sleep(0.01)

    async def _delete(self, name: str, request: Request) -> Response:
        assert (await request.json())["propagationPolicy"] == "Background" if await request.body() else True
        if name not in self.jobs:
            return _status(404, f"jobs {name!r} not found")
        del self.jobs[name]
        self.deleted.append(name)
        return JSONResponse({"kind": "Status", "status": "Success"})

    async def _pods(self, request: Request) -> Response:
        if failing := self._failing("PODS"):
            return failing
        job = request.query_params["labelSelector"].partition("=")[2]
        found = [one for one in self.pods if one["metadata"]["labels"]["job-name"] == job]
        return JSONResponse({"kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": found})

    async def _log(self, name: str) -> Response:
        return PlainTextResponse(self.logs[name]) if self.logs.get(name) else _status(400, "the container never ran")


def _status(code: int, message: str) -> Response:
    return JSONResponse({"kind": "Status", "status": "Failure", "code": code, "message": message}, code)
