"""The wheel that a person installs, in an environment that has nothing but what the wheel asks for.

The sdist is built from a copy of the checkout, and the wheel from the unpacked sdist, as a package index gets them.
Nothing is downloaded: the libraries are those of the lock, linked one by one.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("zoho_pipeline", "dbt_like_sql", "docs/metrics.md", "pyproject.toml", "setup.py", "README.md", "LICENSE")
_BUILD = "import sys; from setuptools import build_meta as b; print(getattr(b, 'build_' + sys.argv[1])(sys.argv[2]))"


@dataclass(frozen=True)
class Shipped:
    """The two files that are published."""

    sdist: Path
    wheel: Path

    @property
    def names(self) -> set[str]:
        """The files in the wheel."""
        with ZipFile(self.wheel) as packed:
            return set(packed.namelist())

    @property
    def metadata(self) -> str:
        with ZipFile(self.wheel) as packed:
            (name,) = [name for name in packed.namelist() if name.endswith(".dist-info/METADATA")]
            return packed.read(name).decode()


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel and its libraries, and an empty folder beside it."""

    venv: Path
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """No setting of the machine, no path of the checkout. HOME is the folder, as for a new user."""
        path = f"{self.venv / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.folder), "DAGSTER_DISABLE_TELEMETRY": "yes", "LANG": "C.UTF-8"}

    def run(self, program: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in the folder, and require that it succeeds."""
        done = subprocess.run(
            [str(self.venv / "bin" / program), *arguments],
            cwd=self.folder, env=self.environment | env, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
        return done


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    folder = tmp_path_factory.mktemp("shipped")
    source, dist = folder / "source", folder / "dist"
    for name in SHIPPED:
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, target, symlinks=True, ignore=ignored)
        else:
            shutil.copy(ROOT / name, target)
    sdist = dist / _built("sdist", source, dist)
    with tarfile.open(sdist) as packed:
        packed.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    left = unpacked / "build/lib/zoho_pipeline/_sql/marts/left_by_an_earlier_build.sql"
    left.parent.mkdir(parents=True)
    left.write_text("select 1")
    return Shipped(sdist, dist / _built("wheel", unpacked, dist))


def _built(kind: str, source: Path, dist: Path) -> str:
    dist.mkdir(exist_ok=True)
    command = [sys.executable, "-W", "ignore", "-c", _BUILD, kind, str(dist)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()[-1]


@pytest.fixture(scope="session")
def installed(shipped: Shipped, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True, timeout=120)
    offline = ("--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check", "--quiet")
    pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"), "install", *offline]
    subprocess.run([*pip, str(shipped.wheel)], check=True, capture_output=True, timeout=300)
    (packages,) = venv.glob("lib/python*/site-packages")
    libraries = folder / "libraries"
    libraries.mkdir()
    for needed in sorted(_closure(shipped.metadata)):
        _link(distribution(needed), libraries)
    (packages / "libraries.pth").write_text(f"{libraries}\n")
    home = folder / "home"
    home.mkdir()
    return Installed(venv, home)


def _closure(metadata: str) -> set[str]:
    """The names of the distributions that an installation without extras brings, on this machine."""
    lines = [line.partition(": ")[2] for line in metadata.splitlines() if line.startswith("Requires-Dist: ")]
    found: set[str] = set()
    seen: set[tuple[str, str]] = set()
    open_ = [(Requirement(line), "") for line in lines]
    while open_:
        needed, extra = open_.pop()
        if needed.marker is not None and not needed.marker.evaluate({"extra": extra}):
            continue
        found.add(needed.name)
        for wanted in ("", *needed.extras):
            if (needed.name, wanted) not in seen:
                seen.add((needed.name, wanted))
                open_ += [(Requirement(line), wanted) for line in _requires(needed.name)]
    return found


def _requires(name: str) -> list[str]:
    try:
        return distribution(name).requires or []
    except PackageNotFoundError:
        raise AssertionError(f"{name} is not installed: is requirements.lock up to date?") from None


def _link(found: Distribution, libraries: Path) -> None:
    """Make the packages of a distribution importable, and nothing that is installed beside them."""
    tops = {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}
    for top in sorted(tops):
        place = Path(str(found.locate_file(top)))
        target = libraries / top
        if place.suffix == ".pth" or not place.exists():
            continue
        if not place.is_dir() or place.name.endswith((".dist-info", ".libs")) or (place / "__init__.py").exists():
            target.unlink(missing_ok=True)
            target.symlink_to(place)
        else:
            _link_namespace(place, target)


def _link_namespace(place: Path, target: Path) -> None:
    """A folder that several distributions share, such as `google`."""
    target.mkdir(exist_ok=True)
    for inner in place.iterdir():
        if inner.name != "__pycache__" and not (target / inner.name).exists():
            (target / inner.name).symlink_to(inner)
