"""Imports go one way between the rooms: the tree keeps the rules in pyproject.toml, and each rule bites."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("actors/libra", "cluster/libra_cluster", "core-rs/python/libra_core")
LINT = (
    "import sys; from importlinter import cli; "
    "sys.exit(cli.lint_imports(no_cache=True, is_debug_mode=False, show_timings=False, verbose=False))"
)


def lint(folder: Path) -> tuple[int, str]:
    """Runs import-linter over a tree; gives its exit code and what it says."""
    path = os.pathsep.join(str(folder / Path(package).parent) for package in PACKAGES)
    done = subprocess.run(
        [sys.executable, "-c", LINT],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_tree_keeps_its_rules():
    code, said = lint(REPOSITORY)
    assert code == 0, said
    assert "0 broken" in said


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the Python sources and the rules, to be spoilt."""
    for package in PACKAGES:
        ignore = shutil.ignore_patterns("__pycache__", "*.so")
        shutil.copytree(REPOSITORY / package, tmp_path / package, ignore=ignore)
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("module", "statement", "rule"),
    [
        ("libra/core/spoilt.py", "import libra.cli.main", "Imports go one way"),
        ("libra/core/spoilt.py", "import libra.assembly", "Imports go one way"),
        ("libra/core/spoilt.py", "def late():\n    import libra.strategies", "Imports go one way"),
        ("libra/assembly.py", "import libra.cli.main", "Imports go one way"),
        ("libra/risk/spoilt.py", "import libra.portfolio", "Imports go one way"),
        ("libra/model/spoilt.py", "import libra.core.events", "Imports go one way"),
        ("libra/model/spoilt.py", "import libra.config", "Imports go one way"),
        ("libra/model/spoilt.py", "import libra.errors", "Imports go one way"),
        ("libra/errors.py", "import libra.config", "Imports go one way"),
        ("libra/unknown_room/__init__.py", "", "Imports go one way"),
        ("libra/config/spoilt.py", "import libra.core.events", "Configuration is read without"),
        ("libra/config/spoilt.py", "import libra_core", "Configuration is read without"),
        ("libra/config/spoilt.py", "import libra.model", "Configuration is read without"),
        ("libra/cli/spoilt.py", "import libra_cluster", "libra never imports libra_cluster"),
        ("../cluster/libra_cluster/topology.py", "import libra_cluster.plugin", "Within libra_cluster"),
        ("../cluster/libra_cluster/wire.py", "import libra_cluster.member", "Within libra_cluster"),
    ],
)
def test_a_breach_is_found(tree: Path, module: str, statement: str, rule: str):
    path = tree / "actors" / module
    for package in [path.parent, tree / "actors/libra/portfolio", tree / "actors/libra/strategies"]:
        package.mkdir(exist_ok=True)
        package.joinpath("__init__.py").touch()
    for stand_in, content in {"assembly.py": "", "model/__init__.py": "import libra_core\n"}.items():
        other = tree / "actors/libra" / stand_in
        other.parent.mkdir(exist_ok=True)
        if not other.exists():
            other.write_text(content, encoding="utf-8")
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n{statement}\n")
    code, said = lint(tree)
    assert code == 1, said
    verdicts = [line for line in said.splitlines() if line.startswith(rule)]
    assert verdicts, said
    assert verdicts[0].endswith("BROKEN"), said


def test_the_native_module_stands_below_everything(tree: Path):
    with (tree / "core-rs/python/libra_core/__init__.py").open("a", encoding="utf-8") as file:
        file.write("\nimport libra.errors\n")
    code, said = lint(tree)
    assert code == 1, said
    assert "libra_core stands below everything BROKEN" in said
