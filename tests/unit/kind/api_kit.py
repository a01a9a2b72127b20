"""A Kubernetes API in small: it keeps what is applied, lists it by labels, and forgets what is deleted."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Collection, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

Json = dict[str, Any]
_PATH = re.compile(r"/(?:api/v1|apis/[^/]+/[^/]+)(?:/namespaces/(?P<space>[^/]+)(?=/))?/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?")


class FakeApi:
    """Serves from a thread of its own, until `close`.

    Attributes:
        objects: by namespace (empty for none), plural and name.
        refused: the status of the answer, by plural.
        stuck: plurals of which nothing can be deleted.
        held: by API group and resource, what its user may do, and so may grant; None: everything.
    """

    def __init__(self, nodes: int = 3, control_plane: str = "n0") -> None:
        self.objects: dict[tuple[str, str, str], Json] = {}
        self.refused: dict[str, int] = {}
        self.stuck: set[str] = set()
        self.held: Mapping[str, Mapping[str, Collection[str]]] | None = None
        self.asked: list[str] = []
        for number in range(nodes):
            role = {"node-role.kubernetes.io/control-plane": ""} if number == 0 else {}
            ready = {"conditions": [{"type": "Ready", "status": "True"}]}
            name = control_plane if number == 0 else f"n{number}"
            self.put("", "nodes", {"metadata": {"name": name, "labels": role}, "status": ready})
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(*api.get(self.path))

            def do_PATCH(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                self._answer(*api.patch(self.path, body))

            def do_DELETE(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                self._answer(*api.delete(self.path))

            def _answer(self, status: int, body: Json) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base's name
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def kubeconfig(self, path: Path, context: str = "mine") -> Path:
        """Write a file with which it is reached."""
        server = f"http://127.0.0.1:{self._server.server_port}"
        whole = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": context, "cluster": {"server": server}}],
            "users": [{"name": context, "user": {"token": "t"}}],
            "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
            "current-context": context,
        }
        path.write_text(yaml.safe_dump(whole))
        return path

    def put(self, space: str, plural: str, one: Json) -> Json:
        """Keep an object; its controller has seen it at once."""
        self.objects[space, plural, one["metadata"]["name"]] = one
        one["metadata"]["generation"] = 1
        one.setdefault("status", {})["observedGeneration"] = 1
        return one

    def names(self, space: str) -> set[str]:
        """`plural/name` of all objects in a namespace."""
        return {f"{plural}/{name}" for (where, plural, name) in self.objects if where == space}

    # -------------------------------------------------------------------------------------------------------------- answers

    def get(self, path: str) -> tuple[int, Json]:
        space, plural, name = self._asked("GET", path)
        if plural in self.refused:
            return self.refused[plural], _status(self.refused[plural], "no")
        if name:
            one = self.objects.get((space, plural, name))
            return (200, one) if one else (404, _status(404, f'{plural} "{name}" not found'))
        wanted = dict(part.split("=") for part in parse_qs(urlsplit(path).query).get("labelSelector", [""])[0].split(",") if part)
        found = [
            one
            for (where, what, _), one in sorted(self.objects.items())
            if where == space and what == plural and wanted.items() <= one["metadata"].get("labels", {}).items()
        ]
        return 200, {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": found}

    def patch(self, path: str, body: Json) -> tuple[int, Json]:
        space, plural, name = self._asked("PATCH", path)
        if plural in self.refused:
            return self.refused[plural], _status(self.refused[plural], "no")
        if space and ("", "namespaces", space) not in self.objects:
            return 404, _status(404, f'namespaces "{space}" not found')
        if self.held is not None and (why := self._escalation(space, plural, body)):
            return why
        known = self.objects.get((space, plural, name), {"metadata": {"name": name}})
        return 200, self.put(space, plural, {**known, **body, "metadata": {**known["metadata"], **body.get("metadata", {})}})

    def _escalation(self, space: str, plural: str, body: Json) -> tuple[int, Json] | None:
        """Nobody grants what they have not got, nor by a Role that is not there."""
        if plural == "rolebindings" and (space, "roles", body["roleRef"]["name"]) not in self.objects:
            return 404, _status(404, f'roles "{body["roleRef"]["name"]}" not found')
        for rule in body["rules"] if plural == "roles" else ():
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    if not set(rule["verbs"]) <= set((self.held or {}).get(group, {}).get(resource, ())):
                        return 403, _status(403, f"attempting to grant RBAC permissions not currently held: {group} {resource}")
        return None

    def delete(self, path: str) -> tuple[int, Json]:
        space, plural, name = self._asked("DELETE", path)
        one = self.objects.get((space, plural, name))
        if one is None:
            return 404, _status(404, f'{plural} "{name}" not found')
        if plural not in self.stuck:
            del self.objects[space, plural, name]
            if plural == "namespaces":
                self.objects = {key: value for key, value in self.objects.items() if key[0] != name}
        return 200, one

    def _asked(self, method: str, path: str) -> tuple[str, str, str]:
        found = _PATH.fullmatch(urlsplit(path).path)
        assert found, path
        self.asked.append(f"{method} {found['plural']}")
        return found["space"] or "", found["plural"], found["name"] or ""


def _status(code: int, message: str) -> Json:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message, "reason": "x"}
