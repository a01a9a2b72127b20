"""What is told of a missing extra can be typed as it stands."""

from __future__ import annotations

import json
import shlex
import sys
from importlib import metadata
from pathlib import Path

import pytest

from drillbox.sandbox.model.extras import install


class Installed:
    """The distribution, with what its installer noted of where it came from."""

    def __init__(self, noted: str | None) -> None:
        self._noted = noted

    def read_text(self, name: str) -> str | None:
        return self._noted if name == "direct_url.json" else None


def noted(monkeypatch: pytest.MonkeyPatch, *texts: str | None) -> None:
    monkeypatch.setattr(metadata, "distributions", lambda **_named: [Installed(text) for text in texts])


def test_a_checkout_is_installed_again_with_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "my drills"
    # What is found first in the checkout itself says nothing of how it was installed.
    noted(monkeypatch, None, json.dumps({"url": folder.as_uri(), "dir_info": {"editable": True}}))
    assert shlex.split(install("kind", "local")) == [
        *(sys.executable, "-m", "pip", "install", "--editable", f"{folder}[kind,local]")
    ]
    assert " install --upgrade --editable " in install("local", upgrade=True)


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "{", "{}"),
        '{"url": "https://example.org/drillbox.whl", "archive_info": {}}',
        '{"url": "file:///tmp/drillbox", "dir_info": {}}',
        '{"url": "https://example.org/x", "dir_info": {"editable": true}}',
    ],
)
def test_else_they_come_from_an_index(monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    noted(monkeypatch, text)
    assert install("kind") == "pip install 'drillbox[kind]'"
    assert install("local", upgrade=True) == "pip install --upgrade 'drillbox[local]'"


def test_where_drillbox_is_not_installed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    noted(monkeypatch)
    assert install("kind") == "pip install 'drillbox[kind]'"
