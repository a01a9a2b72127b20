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

LOOKS = ((1280, "light"), (1280, "dark"), (920, "light"), (660, "dark"), (400, "light"), (400, "dark"), (320, "light"))
QUIET = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update")

SMALLEST = """() => {
  const found = [];
  for (const element of document.querySelectorAll('body *')) {
    if (!element.checkVisibility() || element.closest('title, desc')) continue;
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
  const behind = element => {
    const disc = element.closest('.mark') && element.parentElement.querySelector('circle');
    if (disc) return parse(getComputedStyle(disc).fill);
    for (let e = element; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c; }
    return [255, 255, 255]; };
  const tinted = (ground, element) => {  // the fault's band lies behind what stands in a chart
    const band = element.closest('.row svg') && document.querySelector('rect.fault');
    if (!band || element.closest('.mark')) return [ground];
    const [r, g, b, alpha] = parse(getComputedStyle(band).fill);
    return [ground, [r, g, b].map((c, i) => c * alpha + ground[i] * (1 - alpha))]; };
  const found = [];
  for (const element of document.querySelectorAll('body *')) {
    if (!element.checkVisibility() || element.closest('title, desc')) continue;
    if (![...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())) continue;
    const style = getComputedStyle(element);
    const ink = light(parse(element.closest('svg') ? style.fill : style.color));
    for (const ground of tinted(behind(element), element)) {
      const paper = light(ground);
      found.push([(Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05), element.textContent.trim().slice(0, 40)]);
    }
  }
  return found.sort((a, b) => a[0] - b[0])[0];
}"""

OVERLAPS = """() => {
  const found = [];
  const boxes = [...document.querySelectorAll('svg text, figcaption, .gauge span, .ruler > p')]
    .filter(one => one.checkVisibility()).flatMap(one => {
      if (one.tagName !== 'FIGCAPTION') return [[one.textContent, one.getBoundingClientRect()]];
      const range = document.createRange(); range.selectNodeContents(one);
      return [...range.getClientRects()].filter(box => box.width > 2).map(box => [one.textContent.trim().slice(0, 30), box]); });
  boxes.forEach(([one, a], i) => boxes.slice(i + 1).forEach(([two, b]) => {
    if (one !== two && a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2)
      found.push(one + ' / ' + two);
  }));
  return found;
}"""

OUTSIDE = """() => [...document.querySelectorAll('svg text, .gauge span, p, li, dd, h1, h2, figcaption, summary')].filter(one => {
  const box = one.getBoundingClientRect();
  return one.checkVisibility() && (box.left < -1 || box.right > innerWidth + 1);
}).map(one => one.textContent.trim().slice(0, 40))"""

NAMELESS = """() => [...document.querySelectorAll('svg, img, [role=img]')].filter(one =>
  !one.closest('[aria-hidden=true]') && !one.parentElement.closest('svg, [role=img]') &&
  !(one.getAttribute('aria-label') || one.getAttribute('alt'))).map(one => one.outerHTML.slice(0, 80))"""


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


def opened_page(context: object, page_file: Path) -> object:
    """The page, with what the browser had to say and to ask for in `said` and `asked`."""
    opened = context.new_page()
    opened.said, opened.asked = [], []
    opened.on("console", lambda message: opened.said.append(message.text))
    opened.on("pageerror", lambda error: opened.said.append(str(error)))
    opened.on("request", lambda asked: opened.asked.append(asked.url))
    opened.goto(page_file.as_uri())
    opened.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    return opened


@pytest.fixture(scope="module", params=LOOKS, ids=lambda look: f"{look[0]}-{look[1]}")
def page(browser: object, page_file: Path, request: pytest.FixtureRequest) -> Iterator[object]:
    """The page in one of its looks, to be looked at only."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    yield opened_page(context, page_file)
    context.close()


@pytest.fixture
def own_page(browser: object, page_file: Path) -> Iterator[object]:
    """A page of the test's own, in the dark."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="dark")
    yield opened_page(context, page_file)
    context.close()


def test_the_browser_has_nothing_to_say_and_asks_for_nothing(page: object, page_file: Path) -> None:
    assert page.said == []
    assert [url for url in page.asked if not url.startswith("data:")] == [page_file.as_uri()]


def test_nothing_is_beside_the_screen(page: object) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def test_every_text_is_large_enough_to_read(page: object) -> None:
    size, text = page.evaluate(SMALLEST)
    assert size >= 11.0, text


def test_every_text_stands_out_from_its_ground(page: object) -> None:
    ratio, text = page.evaluate(CONTRAST)
    assert ratio >= 4.5, text


def test_no_label_covers_another(page: object) -> None:
    assert page.evaluate(OVERLAPS) == []


def test_no_text_is_cut_off_by_the_screen(page: object) -> None:
    assert page.evaluate(OUTSIDE) == []


def test_every_drawing_has_a_name(page: object) -> None:
    assert page.evaluate(NAMELESS) == []
    charts = page.evaluate("[...document.querySelectorAll('.chart > div > svg')].map(svg => svg.getAttribute('aria-label'))")
    assert len(charts) == len(set(charts)) == 12


def test_the_drawings_share_one_time_axis(page: object) -> None:
    edges = page.evaluate(
        "[...document.querySelectorAll('.ruler svg, .row > div > svg, .bands svg')].filter(svg => svg.checkVisibility())"
        ".map(svg => svg.getBoundingClientRect()).map(box => [box.left, box.right])"
    )
    assert len(edges) > 14
    assert all(edge == pytest.approx(edges[0], abs=0.5) for edge in edges)


def test_wide_tables_scroll_in_a_box_that_the_keyboard_reaches(page: object) -> None:
    boxes = page.evaluate(
        "[...document.querySelectorAll('table')].map(one => [one.parentElement.tabIndex, one.parentElement.ariaLabel])"
    )
    assert boxes == [[0, "Actions"], [0, "Harm"], [0, "Objectives"], [0, "Versions"]]


def test_a_mark_leads_to_its_action(own_page: object) -> None:
    own_page.locator(".mark:visible").nth(1).click()
    assert own_page.evaluate("location.hash") == "#action-2"
    assert own_page.evaluate("document.querySelector(':target').textContent").startswith("2")


def test_on_paper_it_is_light_whatever_the_screen_is(own_page: object) -> None:
    own_page.emulate_media(media="print")
    assert own_page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert own_page.evaluate("getComputedStyle(document.querySelector('.ruler')).position") == "static"
    ratio, text = own_page.evaluate(CONTRAST)
    assert ratio >= 4.5, text


def test_its_policy_keeps_everything_else_out(own_page: object) -> None:
    with own_page.expect_event("requestfailed") as failed:
        own_page.evaluate(
            "document.body.insertAdjacentHTML('beforeend', '<img src=\"https://x.example/a.png\" onload=\"run()\">')"
        )
    assert failed.value.failure == "csp"
    assert [said for said in own_page.said if "Content Security Policy" in said]
