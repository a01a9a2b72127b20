"""The table of fields in the documentation is the one in force."""

from __future__ import annotations

import re
from pathlib import Path

from drillbox.stacks.deploy.kubernetes.table import HOMES

DOCUMENT = Path(__file__).parents[3] / "docs" / "kubernetes-objects.md"
BEGIN, END = "<!-- table: compared by a test -->\n", "<!-- end of the table -->"


def table() -> str:
    """In Markdown; what differs only by the pool is one line."""
    rows = {path: home.place for path, home in HOMES.items()}
    pools = {path: place for path, place in rows.items() if path.startswith(("candidate.", "shadow."))}
    for path, place in pools.items():
        twin = f"champion.{path.partition('.')[2]}"
        assert rows[twin].replace("champion", path.partition(".")[0]) == place
        del rows[path]
    lines = ["| field | home |", "|---|---|", *(f"| `{path}` | {place} |" for path, place in rows.items())]
    return "\n".join(lines) + "\n\n`candidate` and `shadow` are as `champion`, in their own Deployments.\n"


def test_the_documents_table_is_that_of_the_code() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    written = text.partition(BEGIN)[2].partition(END)[0]
    assert written == table(), f"put this between the marks in {DOCUMENT.name}:\n{table()}"


def test_the_document_names_objects_that_there_are() -> None:
    named = set(re.findall(r"Deployment `([\w-]+)`", table()))
    assert named == {"model-champion", "feature-store", "pipeline", "prometheus"}
