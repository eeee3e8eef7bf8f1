"""Fixtures for what a machine may lack: root and the kernel's trace, tshark, a browser.

A test that needs one of them takes the fixture and is skipped with a sentence where it is missing. Continuous
integration sets ``PCAPREPORT_REQUIRE_LAB=1`` and ``PCAPREPORT_REQUIRE_TOOLS=1``: then the same sentence is a failure.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

os.environ["LC_MESSAGES"] = "C"  # the commands speak the locale's language
os.environ.pop("LC_ALL", None)

TRACING = Path("/sys/kernel/tracing")


def missing(sentence: str, required_by: str) -> NoReturn:
    """Skip the test, or fail it where the environment variable `required_by` is 1."""
    if os.environ.get(required_by) == "1":
        pytest.fail(f"{sentence} ({required_by}=1)", pytrace=False)
    pytest.skip(sentence)


def lab_obstacle() -> str | None:
    """Why network namespaces and the kernel's trace of resets cannot be used here; None where they can."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "The lab needs root on Linux."
    tracepoint = TRACING / "events/tcp/tcp_send_reset"
    if not tracepoint.is_dir():
        subprocess.run(["mount", "-t", "tracefs", "tracefs", TRACING], check=False, capture_output=True)
    if not tracepoint.is_dir():
        return "The lab needs the kernel's tracepoint tcp:tcp_send_reset, which tracefs does not offer here."
    tools = [tool for tool in ("ip", "tcpdump", "iptables", "conntrack", "unshare") if not shutil.which(tool)]
    if tools:
        return f"The lab needs {', '.join(tools)}."
    if subprocess.run(["unshare", "--net", "true"], check=False, capture_output=True).returncode != 0:
        return "The lab needs network namespaces, which are not permitted here."
    return None


def find_chromium() -> str | None:
    """Playwright's own browser where it is installed, else the system's."""
    playwrights = sorted(Path.home().glob(".cache/ms-playwright/chromium-*/chrome-linux*/chrome"))
    if playwrights:
        return str(playwrights[-1])
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def lab() -> Iterator[None]:
    """Root, network namespaces and the trace of resets. One module at a time: both are the whole machine's."""
    obstacle = lab_obstacle()
    if obstacle:
        missing(obstacle, "PCAPREPORT_REQUIRE_LAB")
    import fcntl  # exists only where the lab does

    with open(Path(tempfile.gettempdir()) / "pcapreport-lab.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def tshark() -> str:
    """The path of tshark."""
    return shutil.which("tshark") or missing("tshark is not installed.", "PCAPREPORT_REQUIRE_TOOLS")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium for Playwright's `executable_path`; as root it wants `--no-sandbox`."""
    return find_chromium() or missing("Chromium is not installed.", "PCAPREPORT_REQUIRE_TOOLS")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "lab" in getattr(item, "fixturenames", ()):
            item.add_marker("needs_root")
