# ruff: noqa: INP001 - a script, no package
"""Makes docs/keys.md, the cheat sheet, from the bindings: run it after a change of a key; a test compares them."""

from __future__ import annotations

from pathlib import Path

from drillbox.tui.help.sheet import cheat_sheet

if __name__ == "__main__":
    (Path(__file__).parent / "keys.md").write_text(cheat_sheet(), encoding="utf-8")
