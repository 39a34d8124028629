"""What an installed Libra holds, and what `import libra` costs."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
ROOMS = {"actors": "libra", "cluster": "libra_cluster"}
INSTALLED = sysconfig.get_path("purelib")
HEAVY = {"pydantic", "rich", "pyarrow", "asyncio", "numpy", "uvloop", "msgspec", "libra_core"}


def run(command: list[str], **options) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end and fails with what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of `libra`, built from this tree by its own backend, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=REPOSITORY)
    (built,) = folder.glob("libra-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that holds the wheel and nothing else; gives its interpreter."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, symlinks=True, with_pip=False)
    python = folder / "bin" / "python"
    purelib = run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).stdout.strip()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(purelib)
    return python


def run_installed(python: Path, *arguments: str, cwd: Path) -> str:
    """Runs the environment's interpreter with this one's packages behind its own.

    Their .pth files, and with them the checkout, stay out of it: PYTHONPATH reads none.
    """
    native = REPOSITORY / "core-rs" / "python"
    environment = os.environ | {"PYTHONPATH": f"{INSTALLED}{os.pathsep}{native}"}
    return run([str(python), *arguments], cwd=cwd, env=environment).stdout


def test_the_wheel_holds_the_package_and_its_profiles(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    sources = {str(path.relative_to(REPOSITORY / room)) for room in ROOMS for path in source_files(room)}
    profiles = {
        f"libra/profiles/{path.relative_to(REPOSITORY / 'config')}"
        for path in (REPOSITORY / "config").rglob("*")
        if path.is_file()
    }
    assert {"libra/py.typed", "libra_cluster/py.typed"} <= sources
    assert "libra/profiles/paper.toml" in profiles
    assert sources | profiles == {name for name in names if not name.startswith("libra-")}
    assert {name.rpartition("/")[2] for name in names if ".dist-info/" in name} >= {"METADATA", "LICENSE", "RECORD"}


def source_files(room: str) -> list[Path]:
    """What belongs to a package: all of its folder but what Python leaves there."""
    files = (REPOSITORY / room / ROOMS[room]).rglob("*")
    return [path for path in files if path.is_file() and "__pycache__" not in path.parts]


def test_the_wheel_says_what_it_needs_and_how_it_is_called(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        texts = {name.rpartition("/")[2]: name for name in archive.namelist() if ".dist-info/" in name}
        metadata = archive.read(texts["METADATA"]).decode()
        entry_points = archive.read(texts["entry_points.txt"]).decode()
    assert "Requires-Python: >=3.11" in metadata
    assert "License-Expression: Apache-2.0" in metadata
    assert "Requires-Dist: libra-core==" in metadata
    assert "libra = libra.cli.main:main" in entry_points
    assert "cluster = libra_cluster.plugin:PLUGIN" in entry_points


def test_profiles_are_found_in_an_installed_wheel(installed: Path, tmp_path: Path):
    code = "import json, libra; from libra.config.profiles import find_profile; "
    code += "print(json.dumps([libra.__file__, *(str(find_profile(name)) for name in ('paper', 'replay'))]))"
    package, *profiles = json.loads(run_installed(installed, "-c", code, cwd=tmp_path))
    home = Path(package).parent
    assert installed.parents[1] in home.parents
    assert profiles == [str(home / "profiles" / f"{name}.toml") for name in ("paper", "replay")]


@pytest.mark.parametrize("profile", ["paper", "replay", "two_nodes"])
def test_an_installed_profile_is_valid(installed: Path, tmp_path: Path, profile: str):
    run_installed(installed, "-m", "libra.cli.main", "config", "check", profile, cwd=tmp_path)


def test_the_version_is_said_once():
    from importlib import metadata

    import libra

    assert libra.__version__ == metadata.version("libra") == metadata.version("libra-core")


def test_import_libra_loads_nothing_heavy(tmp_path: Path):
    code = "import sys; before = set(sys.modules); import libra; print(*sorted(set(sys.modules) - before))"
    loaded = run([sys.executable, "-c", code], cwd=tmp_path).stdout.split()
    assert "libra" in loaded
    assert {name.partition(".")[0] for name in loaded} & HEAVY == set()


def test_version_and_usage_load_nothing_heavy(tmp_path: Path):
    code = "import sys; from libra.cli.main import main; main(['--version']); print(*sorted(sys.modules))"
    loaded = run([sys.executable, "-c", code], cwd=tmp_path).stdout.split()
    assert "libra.cli.main" in loaded
    assert {name.partition(".")[0] for name in loaded} & HEAVY == set()
