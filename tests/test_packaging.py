"""What is built holds everything, and needs nothing else: neither the checkout nor an undeclared package."""

import ast
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from tests.commands import environment

ROOT = Path(__file__).resolve().parents[1]
OURS = "fulfillment_conformance"
PLUGINS = {"allure-pytest", "pytest-timeout", "pytest-xdist"}
"""Used by name, through pytest, and not imported, or only in part."""
PARSERS = {"httptools", "python-multipart"}
"""What uvicorn and starlette import by themselves when they are there; we depend on its being there."""

pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="not run from a checkout")


@pytest.fixture(scope="session")
def project() -> dict[str, Any]:
    document: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return document


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def installed(built: Path) -> Path:
    """The wheel's content, as an installation lays it out."""
    folder = built / "site"
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def python(installed: Path, folder: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run Python in a folder of its own, with the installation ahead of the checkout."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=environment(PYTHONPATH=str(installed)),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def canonical(requirement: str) -> str:
    """Return the name of a requirement as registries compare it."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def is_source(path: Path) -> bool:
    """Whether a path of the checkout is a file, and none that a tool left behind."""
    return (ROOT / path).is_file() and not any(part == "__pycache__" or part.startswith(".") for part in path.parts)


def imported(folder: Path) -> set[str]:
    """Return the top-level packages that the modules below a folder import, ours and the library's own left out."""
    names: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {OURS}


def test_the_wheel_carries_every_file_of_the_package_and_its_data(installed: Path) -> None:
    package = installed / OURS
    lying = {
        f"{data}/{path.relative_to(ROOT / source).as_posix()}"
        for source, data in [("openapi", "openapi"), ("catalogue", "catalogue_data"), ("suites", "suites")]
        for path in (ROOT / source).rglob("*")
        if is_source(path.relative_to(ROOT))
    }
    lying |= {
        path.relative_to(ROOT / "src" / OURS).as_posix()
        for path in (ROOT / "src" / OURS).rglob("*")
        if is_source(path.relative_to(ROOT))
    }

    carried = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}

    assert carried == lying


def test_the_source_distribution_carries_what_the_tests_need(built: Path) -> None:
    (file,) = built.glob("*.tar.gz")
    with tarfile.open(file) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {"pyproject.toml", "README.md", "LICENSE", "constraints.txt", "conftest.py"} <= names
    for folder in ("src", "suites", "catalogue", "openapi", "tests", "docs", "bench"):
        assert any(name.startswith(f"{folder}/") for name in names), folder
    assert not [name for name in names if "__pycache__" in name or name.startswith(("reports/", ".venv"))]


def test_an_installation_judges_without_the_checkout(installed: Path, tmp_path: Path) -> None:
    where = python(installed, tmp_path, "-c", f"import {OURS}; print({OURS}.__file__)")
    assert Path(where.stdout.strip()).is_relative_to(installed), where.stdout + where.stderr
    (tmp_path / "target.yaml").write_text("role: marketplace\nmarketplace: {driver: embedded}\n", encoding="utf-8")

    done = python(
        installed, tmp_path, "-m", f"{OURS}.cli", "run", "--target=target.yaml", "--output=out", "--only=RES-018"
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "out" / "report.html").is_file()


def test_the_command_and_the_plugin_are_declared(installed: Path) -> None:
    (ours,) = metadata.distributions(path=[str(installed)])
    points = {point.group: (point.name, point.value) for point in ours.entry_points}

    assert points["console_scripts"] == ("fulfillment-conformance", f"{OURS}.cli:main")
    assert points["pytest11"] == (f"{OURS}.plugin", f"{OURS}.plugin")
    assert ours.version == metadata.version("fulfillment-conformance")


def test_what_is_imported_is_declared_and_what_is_declared_is_used(project: dict[str, Any]) -> None:
    declared = {canonical(requirement) for requirement in project["dependencies"]}
    optional = {
        canonical(requirement)
        for extra, requirements in project["optional-dependencies"].items()
        if extra != "dev"
        for requirement in requirements
    }
    providers = metadata.packages_distributions()
    used = {}
    for name in imported(ROOT / "src") | imported(ROOT / "suites"):
        used[name] = {canonical(provider) for provider in providers.get(name, [name])}

    undeclared = {name for name, packages in used.items() if not packages & (declared | optional)}
    unused = declared - {package for packages in used.values() for package in packages} - PLUGINS - PARSERS

    assert not undeclared, "imported, but not among the project's dependencies"
    assert not unused, "among the project's dependencies, but never imported"


def test_every_dependency_has_its_constraint(project: dict[str, Any]) -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pinned = {canonical(line) for line in text.splitlines() if "==" in line and not line.startswith("#")}
    wanted = {
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    }

    assert {canonical(each) for each in wanted} <= pinned
    assert "://" not in text, "names an address"
