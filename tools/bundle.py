"""An offline install: a zip with the wheels of pcapreport and of all it needs, for a machine without a network.

    python -m tools.bundle    (or `make bundle`)

The wheels fit the platform and the Python that make it. Before the zip is called done it must hold all that requirements.txt asks for
here, is installed into an empty environment without any index and, where Linux permits that, without any network, and analyses a
capture there.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
LOCK = ROOT / "requirements.txt"
CAPTURE = ROOT / "captures/postgres_client_abort/server.pcap"
INSTALL = """\
pcapreport without a network, for Python {python} on {platform}.

    python3 -m venv pcapreport
    pcapreport/bin/pip install --no-index --find-links wheels pcapreport
    pcapreport/bin/pcapreport analyze dump.pcap --log postgresql.log

On Windows: pcapreport\\Scripts instead of pcapreport/bin. tshark, where it is installed, adds what the application said last.
"""


def wheel(folder: Path, source: Path = ROOT) -> Path:
    """Build the project's own wheel into a folder, and return it."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    (made,) = folder.glob("pcapreport-*.whl")
    return made


def gather(folder: Path) -> None:
    """Put the wheels of everything it needs, in the versions of requirements.txt and checked against their hashes, into a folder."""
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--dest", str(folder)]
    subprocess.run([*download, "--require-hashes", "--requirement", str(LOCK)], check=True)


def wanted(lock: str) -> set[tuple[str, str]]:
    """Return (name, version) of what a requirements file asks for on this platform and Python."""
    lines = (line.split("\\")[0].strip() for line in lock.splitlines() if re.match(r"[A-Za-z0-9]", line))
    asked = [Requirement(line) for line in lines]
    return {
        (r.name.lower().replace("_", "-").replace(".", "-"), next(iter(r.specifier)).version)
        for r in asked
        if r.marker is None or r.marker.evaluate()
    }


def missing(wheels: Path, lock: str) -> list[str]:
    """Return what a requirements file asks for here and no wheel of a folder holds."""
    there = {
        (str(name), str(version))
        for name, version, _, _ in (parse_wheel_filename(w.name) for w in wheels.glob("*.whl"))
    }
    return sorted(f"{name} {version}" for name, version in wanted(lock) - there)


def offline() -> list[str]:
    """Return what a command begins with to run without a network: on Linux a namespace of its own, where that is permitted."""
    alone = ["unshare", "--net"]
    able = shutil.which(alone[0]) and subprocess.run([*alone, "true"], capture_output=True).returncode == 0
    return alone if able else []


def try_out(wheels: Path) -> None:
    """Install from the wheels into an empty environment, without an index, and analyse a capture there. Raises where that fails."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "empty"
        venv.create(place, with_pip=True)
        programs = place / ("Scripts" if os.name == "nt" else "bin")
        bare = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
        alone = offline()
        pip = [*alone, programs / "python", "-m", "pip", "install", "--quiet", "--no-index", "--find-links", wheels]
        subprocess.run([*pip, "pcapreport"], check=True, env=bare | {"PIP_CONFIG_FILE": os.devnull})
        run = [*alone, programs / "pcapreport", "analyze", CAPTURE, "--quiet", "-o", "report.html"]
        done = subprocess.run(run, cwd=folder, env=bare)
        if done.returncode != 1 or not (Path(folder) / "report.html").stat().st_size:
            raise SystemExit(f"What was installed from the bundle ended with status {done.returncode}.")


def packed(wheels: Path, own: Path) -> Path:
    """Return the zip of the wheels and of how to install them."""
    version = own.name.split("-")[1]
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    system = f"{platform.system()}-{platform.machine()}".lower()
    target = DIST / f"pcapreport-{version}-python{python}-{system}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("INSTALL.txt", INSTALL.format(python=python, platform=system))
        for path in sorted(wheels.glob("*.whl")):
            archive.write(path, f"wheels/{path.name}")
    return target


def main() -> None:
    DIST.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        wheels = Path(folder)
        own = wheel(wheels)
        gather(wheels)
        if lacking := missing(wheels, LOCK.read_text()):
            raise SystemExit(f"The bundle lacks {', '.join(lacking)}.")
        try_out(wheels)
        target = packed(wheels, own)
    print(
        f"The offline install: {target.relative_to(ROOT)}, {target.stat().st_size / 1e6:.0f} MB, tried out in an empty environment."
    )


if __name__ == "__main__":
    main()
