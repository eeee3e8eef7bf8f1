"""The project's own rules: what is pinned, what is packaged, who imports whom. No rule about packets is tested here."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import conftest
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
ANALYZER = ROOT / "analyzer"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ["requirements.txt", "requirements-dev.txt"]


# --- Requirements -----------------------------------------------------------------------------------------------------


def pins(lock: str) -> dict[str, str]:
    """Name -> exact version of a requirements file; every entry must carry a hash."""
    text = (ROOT / lock).read_text().replace("\\\n", " ")
    entries = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    versions = {}
    for entry in entries:
        requirement = Requirement(entry.split(" --hash=")[0].strip())
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), f"{requirement.name} has no hash"
        versions[canonicalize_name(requirement.name)] = specifier.version
    return versions


@pytest.mark.parametrize("name", [*LOCKS, "pyproject.toml", "Makefile", "tools/setup.sh", ".ci/run"])
def test_no_registry_is_named(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text.replace("file://$(CURDIR)", "")
    assert not re.search(r"^-|\s--(index-url|extra-index-url|find-links|trusted-host)\b", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("lock", "groups"), [("requirements.txt", ["build"]), ("requirements-dev.txt", ["build", "dev"])]
)
def test_pins_satisfy_the_ranges(lock: str, groups: list[str]) -> None:
    pinned = pins(lock)
    wanted = PYPROJECT["project"]["dependencies"] + PYPROJECT["build-system"]["requires"]
    for group in groups:
        wanted += [item for item in PYPROJECT["dependency-groups"][group] if isinstance(item, str)]
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement


def test_developing_uses_the_versions_of_running() -> None:
    assert pins("requirements.txt").items() <= pins("requirements-dev.txt").items()


# --- The package ------------------------------------------------------------------------------------------------------


def test_wheel_holds_the_analyzer_and_its_data_and_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(ANALYZER, source / "analyzer", ignore=shutil.ignore_patterns("__pycache__"))
    (source / "tests").mkdir()
    (source / "tests/test_nothing.py").touch()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("pcapreport-*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if not re.match(r"pcapreport-[^/]*\.dist-info/", name)}
    assert packed == {
        path.relative_to(source).as_posix() for path in (source / "analyzer").rglob("*") if path.is_file()
    }


# --- Who imports whom -------------------------------------------------------------------------------------------------

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ANALYZER.rglob("*.py"))
}
SHELVES = {"capture", "logs", "causes"}
STAGES = SHELVES | {"connections", "endings", "vantage", "dissection", "correlation", "diagnosis", "incidents"}
GROUND = {"analyzer.schema", "analyzer.errors", "analyzer.compiled", "analyzer.language", "analyzer.loading"}
SPINE = STAGES | {"cli", "pipeline", "schema", "errors", "language", "result", "report"}
POSIX_ONLY = {"fcntl", "grp", "pwd", "resource", "termios"}


def imports(module: str) -> set[str]:
    """Every module that `module` imports, anywhere in it; `from package import module` counts as the module."""
    tree = ast.parse(MODULES[module].read_text())
    package = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            names = {f"{base}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else base for name in names}
    return found


def defines(module: str, name: str) -> bool:
    """Whether `module` assigns `name` at its top level."""
    body = ast.parse(MODULES[module].read_text()).body
    targets = [target for node in body if isinstance(node, ast.Assign) for target in node.targets]
    targets += [node.target for node in body if isinstance(node, ast.AnnAssign)]
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def inside(module: str, packages: set[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def allowed(module: str) -> set[str]:
    """What of the analyzer a module may import."""
    top = module.removeprefix("analyzer").lstrip(".").partition(".")[0]
    if top in ("", "pipeline"):
        return {"analyzer"}
    if top == "cli":
        return GROUND | {
            "analyzer.pipeline",
            "analyzer.result",
            "analyzer.report",
            "analyzer.console",
            "analyzer.options",
        }
    if top == "causes" and defines(module, "CAUSE"):
        return {"analyzer.causes.cause"}
    if top == "logs" and defines(module, "FORMAT"):
        return {"analyzer.logs.log_format"}
    if top == "logs" and defines(module, "ENVELOPE"):
        return {"analyzer.logs.envelope"}
    if top in ("diagnosis", "incidents"):
        return GROUND | {f"analyzer.{top}", "analyzer.causes"}
    if top == "console":
        return GROUND | {"analyzer.report", "analyzer.result"}
    if top == "report":
        return GROUND | {"analyzer.report", "analyzer.result"}
    if top == "result":
        return GROUND | {"analyzer.result", "analyzer.report"}
    if top in STAGES:
        return GROUND | {f"analyzer.{top}"}
    return GROUND


@pytest.mark.parametrize("module", MODULES)
def test_imports_follow_the_design(module: str) -> None:
    ours = {name for name in imports(module) if inside(name, {"analyzer"})}
    wrong = {name for name in ours if not inside(name, allowed(module))}
    assert not wrong, f"{module} imports {', '.join(sorted(wrong))}"


@pytest.mark.parametrize("module", MODULES)
def test_no_logging_and_nothing_that_only_posix_has(module: str) -> None:
    wrong = {name for name in imports(module) if inside(name, POSIX_ONLY | {"logging"})}
    assert not wrong, f"{module} imports {', '.join(sorted(wrong))}"


def test_the_spine_of_the_design_stands() -> None:
    assert {f"analyzer.{name}" for name in SPINE} <= set(MODULES)


# --- Start-up ---------------------------------------------------------------------------------------------------------


def loaded_by(code: str) -> set[str]:
    """The heavy libraries that are loaded when `code` has run in a fresh interpreter."""
    heavy = "{'matplotlib', 'numba', 'numpy', 'pandas', 'pyshark'}"
    code = f"{code}\nimport sys; print('loaded', *{heavy} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return set(answer.splitlines()[-1].split()[1:])


def test_import_loads_nothing_heavy() -> None:
    assert loaded_by("import analyzer") == set()


def test_pass_1_needs_no_pandas() -> None:
    run = "from analyzer.pipeline import points_of, read_headers\n"
    assert "pandas" not in loaded_by(run + "read_headers(points_of('captures/server_abort/client.pcap', None)[0])")


def test_help_loads_nothing_heavy() -> None:
    run = "import sys\nfrom analyzer.cli import main\nsys.argv = ['pcapreport', '--help']\n"
    assert loaded_by(run + "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code") == set()


# --- What a machine may lack ------------------------------------------------------------------------------------------


def test_what_is_missing_skips_here_and_fails_where_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PCAPREPORT_REQUIRE_TOOLS", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"^No browser\.$"):
        conftest.missing("No browser.", "PCAPREPORT_REQUIRE_TOOLS")
    monkeypatch.setenv("PCAPREPORT_REQUIRE_TOOLS", "1")
    with pytest.raises(pytest.fail.Exception, match=r"^No browser\. \(PCAPREPORT_REQUIRE_TOOLS=1\)$"):
        conftest.missing("No browser.", "PCAPREPORT_REQUIRE_TOOLS")


def test_lab_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000, raising=False)
    assert conftest.lab_obstacle() == "The lab needs root on Linux."


def test_lab_tests_are_marked(lab: None, request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("needs_root")
