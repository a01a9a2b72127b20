"""How to install what an optional part of drillbox needs: told wherever that is missing."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit


def install(*extras: str, upgrade: bool = False) -> str:
    """The command that installs extras for this Python: from the checkout that drillbox runs from, if it does.

    A checkout's packages are not those of an index, and its `pip` is seldom the one on the PATH.
    """
    wanted = f"[{','.join(extras)}]"
    option = " --upgrade" if upgrade else ""
    checkout = _checkout()
    if checkout is None:
        return f"pip install{option} {shlex.quote(f'drillbox{wanted}')}"
    return f"{shlex.quote(sys.executable)} -m pip install{option} --editable {shlex.quote(f'{checkout}{wanted}')}"


def _checkout() -> Path | None:
    """The folder of an editable installation (https://packaging.python.org/en/latest/specifications/direct-url/), or None."""
    from importlib import metadata  # only when something is missing: commands begin sooner without

    for found in metadata.distributions(name="drillbox"):  # of a checkout its own metadata, too, which say nothing of this
        try:
            told = json.loads(found.read_text("direct_url.json") or "{}")
        except ValueError:
            continue
        url = urlsplit(told.get("url", ""))
        if told.get("dir_info", {}).get("editable") and url.scheme == "file" and url.path:
            return Path(unquote(url.path))
    return None
