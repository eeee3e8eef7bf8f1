"""The page in a real browser: no request, no message, no sideways scroll, readable in light and dark, whole without script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import axe_playwright_python
import pytest
import report_fixture as fixture
from playwright.sync_api import Browser, Page, sync_playwright

from analyzer import report
from captures.lab import judging
from captures.lab.case_file import View, load

WIDTHS = [360, 768, 1280, 1920]
PAGES = {
    "client": "i1",
    "device": "i2",
    "riddle": "i3",
    "noise": "i4",
}  # the hand-made case, with each incident as its verdict
CAPTURES = Path(__file__).parent.parent / "captures"
CASES: dict[str, View] = {  # one of each kind: a client's reset, a device proved by two points, an idle timer, a mass restart, noise only
    "postgres_client_abort": "server", "stale_pool": "both", "idle_timer_bracket": "both", "postgres_restart": "both", "health_probe": "server",
}  # fmt: skip

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")

CONTRAST = """() => {
  const number = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = (rgb) => { const [r, g, b] = rgb.map((v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4 });
    return .2126 * r + .7152 * g + .0722 * b; };
  const ground = (at) => { for (; at; at = at.parentElement) { const c = number(getComputedStyle(at).backgroundColor);
    if (c.length === 3 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
  const low = new Set();
  for (const at of document.querySelectorAll("body *")) {
    if (at.closest("svg, script, style") || ![...at.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    if (!at.getClientRects().length) continue;
    const [a, b] = [light(number(getComputedStyle(at).color).slice(0, 3)), light(ground(at))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) low.add(`${at.tagName}.${at.className} ${ratio.toFixed(2)}`);
  }
  return [...low];
}"""


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    for name, top in PAGES.items():
        (folder / f"{name}.html").write_text(report.html(fixture.diagnosis(top=top)), encoding="utf-8")
    for name, view in CASES.items():
        d = judging.diagnosis(load(CAPTURES / name), view)
        (folder / f"{name}.html").write_text(report.html(d), encoding="utf-8")
    (folder / "many.html").write_text(report.html(fixture.many(1500)), encoding="utf-8")
    return {path.stem: path for path in folder.iterdir()}


def opened(browser: Browser, path: Path, width: int = 1280, scheme: str = "light", script: bool = True) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": 720},
        color_scheme="dark" if scheme == "dark" else "light",
        java_script_enabled=script,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.goto(path.as_uri())
    return page


@pytest.mark.parametrize("name", [*PAGES, *CASES, "many"])
@pytest.mark.parametrize("width", WIDTHS)
def test_no_request_no_message_no_sideways_scroll(
    browser: Browser, files: dict[str, Path], name: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 720})
    page = context.new_page()
    requests: list[str] = []
    messages: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("dialog", lambda dialog: messages.append(dialog.message))
    page.goto(files[name].as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in requests if not url.startswith("data:")] == [files[name].as_uri()]
    assert messages == []
    context.close()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_people_with_disabilities_can_use_it(
    browser: Browser, files: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    page = opened(browser, files[name], width, scheme)
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true })")
    page.evaluate(AXE)
    found = page.evaluate(
        "async () => (await axe.run()).violations.map((v) => [v.id, v.help, v.nodes.slice(0, 3).map((n) => n.html)])"
    )
    page.context.close()
    assert found == []


@pytest.mark.parametrize("name", CASES)
def test_every_anchor_leads_somewhere_that_is_shown(browser: Browser, files: dict[str, Path], name: str) -> None:
    page = opened(browser, files[name])
    missing = page.evaluate("""async () => {
      const out = [];
      const links = new Set([...document.querySelectorAll('a[href]')].map((a) => a.getAttribute('href')));
      for (const link of links) {
        location.hash = link;
        await new Promise((done) => setTimeout(done));
        const target = link.startsWith('#') && document.getElementById(decodeURIComponent(link.slice(1)));
        if (!target || !target.getClientRects().length) out.push(link);
      }
      return [links.size, out];
    }""")
    page.context.close()
    assert missing[0] > 3 and missing[1] == []


CUT_OFF = """() => [...document.querySelectorAll('body *')].filter((at) => {
  const style = getComputedStyle(at);
  if (!at.getClientRects().length || at.closest('.hidden, .skip, .sprites, .way, thead')) return false;
  const clipped = ['hidden', 'clip'].includes(style.overflowX) && at.scrollWidth > at.clientWidth + 1;
  return clipped || (at.tagName === 'text' && (() => {
    const [mine, frame] = [at.getBoundingClientRect(), at.ownerSVGElement.getBoundingClientRect()];
    return mine.left < frame.left - 2 || mine.right > frame.right + 2 || mine.top < frame.top - 2 || mine.bottom > frame.bottom + 2;
  })());
}).map((at) => `${at.tagName}.${at.className.baseVal ?? at.className} ${at.textContent.trim().slice(0, 60)}`)"""


@pytest.mark.parametrize("name", [*CASES, "many"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_cut_off(browser: Browser, files: dict[str, Path], name: str, width: int) -> None:
    page = opened(browser, files[name], width)
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true })")
    found = page.evaluate(CUT_OFF)
    page.context.close()
    assert found == []


OVERLAPS = """() => [...document.querySelectorAll('figure svg')].filter((svg) => svg.getClientRects().length).flatMap((svg) => {
  const boxes = [...svg.querySelectorAll('text')].map((at) => [at.textContent, at.getBoundingClientRect()]);
  return boxes.flatMap(([text, a], n) => boxes.slice(n + 1).filter(([, b]) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4)
    .map(([other]) => `${text} over ${other}`));
})"""


@pytest.mark.parametrize("name", [*CASES, "client", "many"])
@pytest.mark.parametrize("width", [360, 1280])
def test_no_words_of_a_figure_lie_on_others(browser: Browser, files: dict[str, Path], name: str, width: int) -> None:
    page = opened(browser, files[name], width)
    found = page.evaluate(OVERLAPS)
    page.context.close()
    assert found == []


@pytest.mark.parametrize("name", [*PAGES, *CASES])
def test_the_verdict_fits_the_first_screen(browser: Browser, files: dict[str, Path], name: str) -> None:
    page = opened(browser, files[name])
    box = page.locator(".verdict").bounding_box()
    assert box is not None and box["y"] + box["height"] <= 600
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_text_has_contrast(browser: Browser, files: dict[str, Path], scheme: str, width: int) -> None:
    for name in PAGES:
        page = opened(browser, files[name], width, scheme)
        page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true })")
        assert page.evaluate(CONTRAST) == []
        page.context.close()


def test_a_script_in_a_log_line_shows_as_text(browser: Browser, files: dict[str, Path]) -> None:
    page = opened(browser, files["client"])
    assert fixture.SCRIPT in page.locator(".loglines").first.inner_text()
    assert page.locator("script").count() == 1
    page.context.close()


def test_it_is_whole_without_script(browser: Browser, files: dict[str, Path]) -> None:
    page = opened(browser, files["client"], script=False)
    assert page.locator("button").count() == 0
    assert page.locator("code[data-copy]").count() > 10
    assert page.locator("#reset-table tbody tr").count() == 13
    page.locator("#incidents summary").click()
    assert page.get_by_role("table", name="Harmless incidents").is_visible()
    page.context.close()


def test_the_table_filters_and_sorts_and_filters_are_copied(browser: Browser, files: dict[str, Path]) -> None:
    page = opened(browser, files["client"])
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("searchbox").fill("2001:db8::15")
    assert page.locator("#reset-table tbody tr:visible").count() == 1
    page.get_by_role("searchbox").fill("")
    page.get_by_role("columnheader", name="Time (UTC)").get_by_role("button").click()
    page.get_by_role("columnheader", name="Time (UTC)").get_by_role("button").click()
    assert page.locator("#reset-table tbody tr").first.get_attribute("id") == "row-r14"
    page.get_by_role("button", name="tcp.stream eq 3", exact=True).click()
    assert page.evaluate("navigator.clipboard.readText()") == "tcp.stream eq 3"
    page.context.close()


def test_an_anchor_inside_a_fold_opens_it(browser: Browser, files: dict[str, Path]) -> None:
    page = opened(browser, files["client"])
    page.evaluate("location.hash = '#i4'")
    assert page.locator("#i4").is_visible()
    page.context.close()


@pytest.mark.parametrize("width", [360, 1280])
def test_keyboard_reaches_the_findings_first(browser: Browser, files: dict[str, Path], width: int) -> None:
    page = opened(browser, files["client"], width)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to what was hit"
    page.context.close()


def test_one_of_two_timelines_is_shown(browser: Browser, files: dict[str, Path]) -> None:
    for width, shown in ((360, "narrow"), (1280, "wide")):
        page = opened(browser, files["client"], width)
        assert page.locator("#timeline svg[role=img]:visible").get_attribute("id") == f"timeline-{shown}"
        page.context.close()


def test_it_prints(browser: Browser, files: dict[str, Path], tmp_path: Path) -> None:
    page = opened(browser, files["client"])
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 696, "height": 1000})  # A4 without its margins
    assert page.evaluate("document.documentElement.scrollWidth") <= 696
    page.context.close()
