"""The rule that a skip needs a permission in CI, run as CI runs it: pytest in a process of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "strict_skips.py"

SUITE = """
import pytest

def test_runs():
    assert 1 + 1 == 2

@pytest.mark.skip(reason="no broker here")
def test_skipped():
    raise AssertionError("never run")

@pytest.mark.xfail(strict=True)
def test_expected_to_fail():
    raise AssertionError("as expected")
"""

INI = """
[pytest]
asyncio_default_fixture_loop_scope = function
"""

ALLOWED = """
[[skip]]
test = "test_suite.py::test_*"
message = "no broker"
reason = "the broker is not built yet"
"""


@pytest.fixture
def run_suite(tmp_path: Path):
    """Runs a suite under our conftest with a list of allowed skips; gives exit code and output."""

    def run(allowed: str = "", suite: str = SUITE, **environment: str) -> tuple[int, str]:
        shutil.copy(CONFTEST, tmp_path / "conftest.py")
        (tmp_path / "allowed_skips.toml").write_text(allowed, encoding="utf-8")
        (tmp_path / "test_suite.py").write_text(suite, encoding="utf-8")
        (tmp_path / "pytest.ini").write_text(INI, encoding="utf-8")
        clean = {name: value for name, value in os.environ.items() if name not in ("CI", "LIBRA_STRICT_SKIPS")}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "pytest_asyncio.plugin", "-p", "no:cacheprovider", "."],
            cwd=tmp_path,
            env=clean | environment | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_at_a_desk_a_skip_is_only_a_skip(run_suite):
    code, output = run_suite()
    assert code == 0, output
    assert "1 passed, 1 skipped, 1 xfailed" in output


@pytest.mark.parametrize("environment", [{"CI": "true"}, {"LIBRA_STRICT_SKIPS": "1"}])
def test_in_ci_a_skip_fails_the_run_and_is_named(run_suite, environment):
    code, output = run_suite(**environment)
    assert code == 1, output
    assert "test_suite.py::test_skipped: Skipped: no broker here" in output
    assert "test_expected_to_fail" not in output.partition("does not list")[2]


def test_a_skip_on_the_list_is_all_right(run_suite):
    code, output = run_suite(ALLOWED, CI="true")
    assert code == 0, output


def test_a_skip_for_another_reason_than_the_listed_one_is_not(run_suite):
    code, output = run_suite(ALLOWED.replace("no broker", "no network"), CI="true")
    assert code == 1, output


def test_a_file_skipped_as_a_whole_counts(run_suite):
    code, output = run_suite(suite='import pytest\n\npytest.importorskip("no_such_module_of_libra")\n', CI="true")
    assert code == 1, output
    assert "no_such_module_of_libra" in output.partition("does not list")[2]


def test_a_failure_stays_a_failure(run_suite):
    code, output = run_suite(ALLOWED, suite=SUITE + "\ndef test_fails():\n    assert 1 == 2\n", CI="true")
    assert code == 1, output
    assert "1 failed" in output


@pytest.mark.parametrize("entry", ['test = "*"', 'test = "*"\nmessage = "x"\nreason = ""', 'tset = "*"'])
def test_an_entry_without_a_reason_is_refused(run_suite, entry):
    code, output = run_suite(f"[[skip]]\n{entry}\n", CI="true")
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert "allowed_skips.toml: every [[skip]]" in output
