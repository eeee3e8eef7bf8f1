"""A stranger's path: a wheel, an empty environment, a capture, the page in a browser, a filter copied into Wireshark."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import venv
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tools import bundle

CASE = bundle.CAPTURE.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in an environment of its own, made from the wheel. The libraries are lent from here: `make bundle` tries their wheels."""
    folder = tmp_path_factory.mktemp("stranger")
    source = folder / "source"
    shutil.copytree(bundle.ROOT / "analyzer", source / "analyzer", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(bundle.ROOT / name, source)
    own = bundle.wheel(folder, source)
    venv.create(folder / "empty", with_pip=False, symlinks=os.name != "nt")
    programs = folder / "empty" / ("Scripts" if os.name == "nt" else "bin")
    python = programs / ("python.exe" if os.name == "nt" else "python")
    answer = subprocess.run(
        [python, "-c", "import site; print(site.getsitepackages()[0])"], capture_output=True, text=True, check=True
    )
    packages = Path(answer.stdout.strip())
    with zipfile.ZipFile(own) as archive:
        archive.extractall(packages)
    (packages / "lent.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return python


def test_from_a_wheel_to_a_filter_in_wireshark(installed: Path, chromium: str, tshark: str, tmp_path: Path) -> None:
    shutil.copy(CASE / "server.pcap", tmp_path / "dump.pcap")
    shutil.copy(CASE / "postgresql.log", tmp_path)
    bare = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    where = subprocess.run(
        [installed, "-c", "import analyzer; print(analyzer.__file__)"],
        cwd=tmp_path,
        env=bare,
        capture_output=True,
        text=True,
    )
    assert "stranger" in where.stdout and str(bundle.ROOT) not in where.stdout, (
        "the wheel is what runs, not this folder"
    )
    entry = "from analyzer.cli import main; main()"
    done = subprocess.run(
        [installed, "-c", entry, "analyze", "dump.pcap", "--log", "postgresql.log"],
        cwd=tmp_path,
        env=bare,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    page_file = tmp_path / done.stdout.rsplit("Report: ", 1)[1].strip()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.goto(page_file.as_uri())
        assert "The client" in page.locator("h1").inner_text()
        page.locator(".rung.reset .no button").first.click()
        copied = page.evaluate("navigator.clipboard.readText()")
        browser.close()
    shown = subprocess.run(
        [tshark, "-r", "dump.pcap", "-Y", copied, "-T", "fields", "-e", "tcp.flags.reset"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert shown.stdout.strip() in ("1", "True"), copied
