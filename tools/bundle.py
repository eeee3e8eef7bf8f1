"""An offline install: a zip with the wheels of pcapreport and of all it needs, for a machine without a network.

    python -m tools.bundle    (or `make bundle`)

The wheels fit the platform and the Python that make it. Before the zip is called done it is installed into an empty environment
without any index, and analyses a capture there.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
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
    subprocess.run([*download, "--require-hashes", "--requirement", str(ROOT / "requirements.txt")], check=True)


def try_out(wheels: Path) -> None:
    """Install from the wheels into an empty environment, without an index, and analyse a capture there. Raises where that fails."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "empty"
        venv.create(place, with_pip=True)
        programs = place / ("Scripts" if os.name == "nt" else "bin")
        bare = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
        install = [
            programs / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-index",
            "--find-links",
            wheels,
            "pcapreport",
        ]
        subprocess.run(install, check=True, env=bare | {"PIP_CONFIG_FILE": os.devnull})
        run = [programs / "pcapreport", "analyze", CAPTURE, "--quiet", "-o", "report.html"]
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
        try_out(wheels)
        target = packed(wheels, own)
    print(
        f"The offline install: {target.relative_to(ROOT)}, {target.stat().st_size / 1e6:.0f} MB, tried out in an empty environment."
    )


if __name__ == "__main__":
    main()
