"""What is built from the tree holds the tree: the folders at the top, under whydrift/."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("discovery", "effects", "monitor")
# setuptools reads `license = "Apache-2.0"` of pyproject.toml from this version on.
SETUPTOOLS = 77


def _is_built(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and path.name != ".DS_Store"


def _installed_names() -> set[str]:
    """Return every file of the three folders under its installed name, and the front door's."""
    files = {
        f"whydrift/{path.relative_to(ROOT).as_posix()}"
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if _is_built(path)
    }
    front = (ROOT / "src" / "whydrift").glob("*")
    return files | {f"whydrift/{path.name}" for path in front if _is_built(path)}


def _build(kind: str, tree: Path, out: Path) -> Path:
    """Build with the backend of this environment: nothing is fetched."""
    script = (
        "import sys; from setuptools import build_meta; "
        f"print('built:' + build_meta.build_{kind}(sys.argv[1]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(out)],
        cwd=tree, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    return out / run.stdout.rpartition("built:")[2].strip()


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    try:
        found = version("setuptools")
    except ImportError:
        found = "0"
    if int(found.partition(".")[0]) < SETUPTOOLS:
        pytest.skip(f"building needs setuptools {SETUPTOOLS}, here is {found}")
    tree = tmp_path_factory.mktemp("tree") / "whydrift"
    tree.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    for name in ("src", *PACKAGES):
        shutil.copytree(
            ROOT / name, tree / name, symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"),
        )  # fmt: skip
    return _build("sdist", tree, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory) -> zipfile.ZipFile:
    """Return the wheel built from the sdist, as an installer without a wheel would build it."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        # An attribute, since extractall takes no filter before Python 3.11.4.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)
    (tree,) = folder.iterdir()
    return zipfile.ZipFile(_build("wheel", tree, tmp_path_factory.mktemp("wheel")))


@pytest.mark.parametrize("package", PACKAGES)
def test_the_links_lead_to_the_folders_at_the_top(package):
    link = ROOT / "src" / "whydrift" / package
    assert link.is_symlink(), "git checked the link out as a file: set core.symlinks"
    assert not link.readlink().is_absolute()
    assert link.resolve() == ROOT.resolve() / package


def test_the_sdist_holds_every_file_and_no_links(sdist):
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    assert not [m.name for m in members if m.issym() or m.islnk()]
    names = {m.name.partition("/")[2] for m in members}
    assert {f"src/{name}" for name in _installed_names()} <= names
    assert {"pyproject.toml", "README.md", "LICENSE"} <= names


def test_the_wheel_holds_every_file_and_nothing_beside_whydrift(wheel):
    names = set(wheel.namelist())
    info = f"whydrift-{version('whydrift')}.dist-info/"
    assert {name for name in names if not name.startswith(info)} == _installed_names()
    assert "whydrift/py.typed" in names
    assert f"{info}licenses/LICENSE" in names


def test_the_wheel_installs_the_command_and_states_its_licence(wheel):
    info = f"whydrift-{version('whydrift')}.dist-info/"
    commands = wheel.read(f"{info}entry_points.txt").decode()
    assert "whydrift = whydrift.monitor.cli:main" in commands
    facts = Parser().parsestr(wheel.read(f"{info}METADATA").decode())
    assert facts["License-Expression"] == "Apache-2.0"
    assert facts["Requires-Python"] == ">=3.11"
