"""The offline install's parts; `make bundle` tries the whole of it, which takes a download of all wheels."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from tools import bundle

LOCK = """\
# made by a tool
numpy==2.4.1 \\
    --hash=sha256:00
    # via pandas
tzdata==2026.1 ; sys_platform == "nothing of the kind" \\
    --hash=sha256:00
Ruamel.Yaml==1.0 ; python_version >= "3.11" \\
    --hash=sha256:00
"""


def test_what_the_lock_asks_for_here() -> None:
    assert bundle.wanted(LOCK) == {("numpy", "2.4.1"), ("ruamel-yaml", "1.0")}
    asked = dict(bundle.wanted(bundle.LOCK.read_text()))
    assert {"numpy", "pandas", "typer", "jinja2", "matplotlib"} <= asked.keys() and "pytest" not in asked


def test_a_wheel_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "numpy-2.4.1-cp311-cp311-manylinux_2_27_x86_64.whl").touch()
    assert bundle.missing(tmp_path, LOCK) == ["ruamel-yaml 1.0"]
    (tmp_path / "ruamel_yaml-1.0-py3-none-any.whl").touch()
    assert bundle.missing(tmp_path, LOCK) == []


def test_the_zip_says_how_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "pcapreport-0.1.0-py3-none-any.whl"
    own.write_bytes(b"wheel")
    monkeypatch.setattr(bundle, "DIST", tmp_path)
    with zipfile.ZipFile(bundle.packed(tmp_path, own)) as archive:
        told = archive.read("INSTALL.txt").decode()
        assert archive.namelist() == ["INSTALL.txt", f"wheels/{own.name}"]
    assert "--no-index" in told and f"Python {sys.version_info.major}.{sys.version_info.minor}" in told
