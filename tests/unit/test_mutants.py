"""Every mutant of ``tests/mutants`` still applies, says what it guards, and names tests that are there."""

import re
import shlex
import subprocess

import pytest
from tests.mutants.run import HERE, ROOT, MutantError, count_tests, find, read

MUTANTS = find()


def test_there_are_mutants_and_nothing_else():
    assert MUTANTS
    found = {path.name for path in HERE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert found == {"run.py", *(mutant.path.name for mutant in MUTANTS)}
    promises = [mutant.guards for mutant in MUTANTS]
    assert len(set(promises)) == len(promises), "two mutants say that they guard the same"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_applies_and_its_tests_are_there(mutant):
    done = subprocess.run(
        ["git", "apply", "--check", "--whitespace=nowarn", mutant.path], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{mutant.name}: the code has changed under it: {done.stderr}"
    words = shlex.split(mutant.tests)
    for word in words:
        if word.startswith("tests/"):
            assert (ROOT / word.split("::")[0]).exists(), f"{mutant.name}: no {word}"
    if "-p" in words and "cargo" in words:
        crate = ROOT / "core-rs" / "crates" / words[words.index("-p") + 1]
        assert crate.is_dir(), f"{mutant.name}: no crate {crate.name}"
        if "--test" in words:
            name = words[words.index("--test") + 1]
            assert (crate / "tests" / name / "main.rs").exists() or (crate / "tests" / f"{name}.rs").exists()
    assert re.search(r"\bcargo test\b|\bpytest\b", mutant.tests), f"{mutant.name}: neither cargo test nor pytest"


def test_a_patch_without_its_header_is_refused(tmp_path):
    for text in ("diff\n", "# guards: x\n\n# tests: y\n", "# guards: x\n# tests: pytest\nnothing\n"):
        (tmp_path / "x.patch").write_text(text)
        with pytest.raises(MutantError):
            read(tmp_path / "x.patch")


def test_runs_are_counted_by_what_the_tools_say():
    assert count_tests("test result: ok. 3 passed; 0 failed; 0 ignored") == 3
    assert count_tests("test result: FAILED. 3 passed; 2 failed; 0 ignored") == 5
    assert count_tests("test result: ok. 0 passed; 0 failed; 0 ignored") == 0
    assert count_tests("1 failed, 4 passed in 0.1s") == 4
    assert count_tests("5 passed in 0.1s") == 5
