"""Measure how soon a page from 20,000 resets shows something: `python -m benchmarks.page`.

Lives here: the browser's own measure of the first paint, of pages opened from a file by a fresh browser. Never here: the page's size, which is a
test (tests/test_report_page.py).
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
RESETS, RUNS = 20_000, 5
FIRST_PAINT = """() => new Promise((done) => {
  const at = performance.getEntriesByName("first-contentful-paint")[0];
  if (at) done(at.startTime);
  else new PerformanceObserver((list) => done(list.getEntries()[0].startTime)).observe({ type: "paint", buffered: true });
})"""


def main() -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    import report_fixture
    from conftest import find_chromium

    begin = time.perf_counter()
    page = report_fixture.many(RESETS).to_html()
    made = time.perf_counter() - begin
    paints, loads = [], []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "many.html"
        path.write_text(page, encoding="utf-8")
        for _ in range(RUNS):
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
            tab = browser.new_page(viewport={"width": 1280, "height": 720})
            tab.goto(path.as_uri())
            paints.append(tab.evaluate(FIRST_PAINT) / 1000)
            loads.append(tab.evaluate("performance.timing.loadEventEnd - performance.timing.navigationStart") / 1000)
            browser.close()
    print(f"{RESETS:,} resets, {len(page.encode()) / 1e6:.2f} MB, made in {made:.1f} s on {os.cpu_count()} processors")
    print(
        f"first paint after {statistics.median(paints):.2f} s, loaded after {statistics.median(loads):.2f} s (median of {RUNS} fresh browsers)"
    )


if __name__ == "__main__":
    main()
