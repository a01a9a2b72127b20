"""The HTML debrief as its reader sees it: in headless Chromium, wide and narrow, light and dark."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drillbox.sandbox.drill import Result
from drillbox.sandbox.reports.html import debrief_html

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH")]

WIDTHS = (1280, 400)
QUIET = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update")

SMALLEST = """() => {
  const found = [];
  for (const element of document.querySelectorAll('body *')) {
    if (!element.checkVisibility() || element.closest('title')) continue;
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own) continue;
    const matrix = element.getScreenCTM ? element.getScreenCTM() : null;
    const size = parseFloat(getComputedStyle(element).fontSize) * (matrix ? matrix.a : 1);
    found.push([size, element.textContent.trim().slice(0, 40)]);
  }
  return found.sort((a, b) => a[0] - b[0])[0];
}"""

CONTRAST = """() => {
  const parse = text => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => { const part = c => { c /= 255; return c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4; };
    return .2126 * part(r) + .7152 * part(g) + .0722 * part(b); };
  const behind = element => { for (let e = element; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] === 1) return c; } return [255, 255, 255]; };
  const found = [];
  for (const element of document.querySelectorAll('body *')) {
    if (!element.checkVisibility() || element.closest('.mark, title')) continue;
    if (![...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())) continue;
    const style = getComputedStyle(element);
    const ink = light(parse(element.closest('svg') ? style.fill : style.color)), paper = light(behind(element));
    found.push([(Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05), element.textContent.trim().slice(0, 40)]);
  }
  return found.sort((a, b) => a[0] - b[0])[0];
}"""

OVERLAPS = """() => {
  const found = [];
  for (const svg of document.querySelectorAll('svg')) {
    if (!svg.checkVisibility()) continue;
    const boxes = [...svg.querySelectorAll('text')].map(text => [text.textContent, text.getBoundingClientRect()]);
    boxes.forEach(([one, a], i) => boxes.slice(i + 1).forEach(([two, b]) => {
      if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2) found.push(one + ' / ' + two);
    }));
  }
  return found;
}"""


@pytest.fixture(scope="module")
def page_file(explained: Callable[[str, str, str], Result], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "debrief.html"
    path.write_text(debrief_html(explained("monday-rush", "longer-timeouts", "")), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield opened
        opened.close()


@pytest.fixture(params=[(width, scheme) for width in WIDTHS for scheme in ("light", "dark")], ids=str)
def page(browser: object, page_file: Path, request: pytest.FixtureRequest) -> Iterator[object]:
    """The page, with what the browser had to say and to ask for in `said` and `asked`."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    opened = context.new_page()
    opened.said, opened.asked = [], []
    opened.on("console", lambda message: opened.said.append(message.text))
    opened.on("pageerror", lambda error: opened.said.append(str(error)))
    opened.on("request", lambda asked: opened.asked.append(asked.url))
    opened.goto(page_file.as_uri())
    yield opened
    context.close()


def test_the_browser_has_nothing_to_say_and_asks_for_nothing(page: object, page_file: Path) -> None:
    assert page.said == []
    assert [url for url in page.asked if not url.startswith("data:")] == [page_file.as_uri()]


def test_nothing_is_beside_the_screen(page: object) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def test_every_text_is_large_enough_to_read(page: object) -> None:
    size, text = page.evaluate(SMALLEST)
    assert size >= 10.5, text


def test_every_text_stands_out_from_its_ground(page: object) -> None:
    ratio, text = page.evaluate(CONTRAST)
    assert ratio >= 4.5, text


def test_no_label_covers_another(page: object) -> None:
    assert page.evaluate(OVERLAPS) == []


def test_one_drawing_of_each_is_shown_and_has_a_name(page: object) -> None:
    shown = page.evaluate(
        "[...document.querySelectorAll('figure svg')].filter(svg => svg.checkVisibility()).map(svg => svg.getAttribute('aria-label'))"
    )
    assert len(shown) == len(set(shown)) == 7
    assert all(shown)


def test_the_charts_share_one_time_axis(page: object) -> None:
    edges = page.evaluate(
        "[...document.querySelectorAll('figure svg')].filter(svg => svg.checkVisibility()).map(svg => svg.getBoundingClientRect())"
        ".map(box => [box.left, box.right])"
    )
    assert len({tuple(edge) for edge in edges}) == 1
