"""The page about the session host names every route, and the exported description is what the host serves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner
from host_kit import Served

from drillbox.sandbox.api.app import openapi
from drillbox.sandbox.cli.main import cli
from drillbox.sandbox.session import DrillSession
from drillbox.wiring import Wiring

PAGE = Path(__file__).parents[3] / "docs" / "session-host.md"
ROUTE = re.compile(r"^\| `(GET|POST|PUT|WS) (/v1/[\w{}/]+)(?:\?([^`]*))?` \|", re.MULTILINE)


def parameters(query: str) -> dict[str, str | None]:
    """Names with their defaults, if they have one."""
    pairs = (part.partition("=") for part in query.split("&") if part)
    return {name: value if equals else None for name, equals, value in pairs}


def test_the_page_names_every_route_with_its_parameters() -> None:
    told = {f"{method} {path}": parameters(query) for method, path, query in ROUTE.findall(PAGE.read_text(encoding="utf-8"))}
    assert told.pop("WS /v1/stream") == {"after": "-1"}  # OpenAPI has no word for a WebSocket
    paths = json.loads(json.dumps(openapi()))["paths"]
    found = {
        f"{method.upper()} {path}": {one["name"] for one in route.get("parameters", []) if one["in"] == "query"}
        for path, routes in paths.items()
        for method, route in routes.items()
    }
    assert {route: set(query) for route, query in told.items()} == found
    for route, query in told.items():
        method, path = route.split()
        schemas = {one["name"]: one["schema"] for one in paths[path][method.lower()].get("parameters", [])}
        for name, default in query.items():
            assert default is None or default == str(schemas[name]["default"]).removesuffix(".0")


def test_the_exported_description_is_that_of_the_host(
    new_session: Callable[..., DrillSession], serve: Callable[[str], Served]
) -> None:
    result = CliRunner().invoke(cli, ["export", "openapi"], obj=Wiring())
    assert result.exit_code == 0
    assert result.output == CliRunner().invoke(cli, ["export", "openapi"], obj=Wiring()).output
    assert json.loads(result.output) == serve("monday-rush").operator.get("/v1/openapi.json").json()


def test_every_error_is_described_alike() -> None:
    description = json.loads(json.dumps(openapi()))
    for routes in description["paths"].values():
        for route in routes.values():
            for status, answer in route["responses"].items():
                if status.startswith("4"):
                    assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorOut"}
    assert description["components"]["schemas"]["ErrorOut"]["required"] == ["error"]
