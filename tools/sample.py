"""The sample report: what the program says of one case of the corpus, in every form, committed so that it can be looked at.

    python -m tools.sample    (or `make sample`)

tests/test_sample.py holds it fresh: by data, for versions and the bytes of a picture may differ.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import analyzer

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "reports/sample"
CASE = Path("captures/stale_pool")  # relative, so that the paths in the report are the same everywhere
WINDOW = {"width": 1280, "height": 720}  # of the picture: what is seen first on a laptop


def diagnosis() -> analyzer.Diagnosis:
    """Analyze the case from both ends, with its logs."""
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        points = {point: str(CASE / f"{point}.pcap") for point in ("client", "server")}
        return analyzer.analyze(at=points, logs=[str(path) for path in sorted(CASE.glob("*.log"))])
    finally:
        os.chdir(before)


def write(folder: Path = SAMPLE) -> None:
    """Write the report in every form."""
    d = diagnosis()
    d.to_html(folder / "report.html")
    d.to_json(folder / "report.json")
    d.to_markdown(folder / "report.md")
    d.to_csv(folder / "report.csv")


def photograph(folder: Path = SAMPLE) -> None:
    """Take the picture that README.md shows, with whatever Chromium there is."""
    from playwright.sync_api import sync_playwright

    sys.path.insert(0, str(ROOT / "tests"))
    from conftest import find_chromium

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport=WINDOW)  # type: ignore[arg-type]
        page.goto((folder / "report.html").as_uri())
        page.screenshot(path=folder / "report.png")
        browser.close()


if __name__ == "__main__":
    write()
    photograph()
    print(f"Written to {SAMPLE.relative_to(ROOT)}")
