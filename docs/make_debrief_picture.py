# ruff: noqa: INP001 - a script, no package
"""Makes docs/debrief.png, the picture of a debrief in the README: run it after a change of the debrief's looks.

Needs Chromium on the PATH, and playwright.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from drillbox.sandbox.cli.playing import Request, play_headless
from drillbox.sandbox.reports.html import debrief_html
from drillbox.wiring import Wiring

TARGET = Path(__file__).parent / "debrief.png"
WIDTH = 1280
LAST = "Replicas"
"""The chart down to which the page is shown."""
LARGEST = 250_000
"""Most bytes of the picture."""


def main() -> int:
    """Play the drill, and photograph its page."""
    browser = shutil.which("chromium")
    if browser is None:
        print("no chromium on the PATH", file=sys.stderr)  # noqa: T201  # a script
        return 1
    with tempfile.TemporaryDirectory() as folder:
        request = Request("monday-rush", "longer-timeouts", 1, out=Path(folder))
        page_file = Path(folder) / "debrief.html"
        page_file.write_text(debrief_html(play_headless(Wiring(), request, explain=True)), encoding="utf-8")
        with sync_playwright() as playwright:
            opened = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
            page = opened.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="light")
            page.goto(page_file.as_uri())
            shown = page.locator(".chart", has_text=LAST).bounding_box()
            if shown is None:
                print(f"the page has no chart named {LAST}", file=sys.stderr)  # noqa: T201  # a script
                return 1
            height = shown["y"] + shown["height"] + 12
            page.screenshot(path=TARGET, full_page=True, clip={"x": 0, "y": 0, "width": WIDTH, "height": height})
            opened.close()
    if (size := TARGET.stat().st_size) > LARGEST:
        print(f"{TARGET.name} has {size} bytes, more than {LARGEST}", file=sys.stderr)  # noqa: T201  # a script
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
