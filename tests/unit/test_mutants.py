"""Every mutant of ``tests/mutants`` still applies, says what it guards, and names tests that are there."""

import re
import shlex
import subprocess

import pytest
from tests.mutants.run import HERE, ROOT, MutantError, Record, count_tests, find, part_of, read

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


@pytest.mark.parametrize("count", [1, 2, 7])
def test_parts_are_all_of_them_once_and_in_order(count):
    parts = [part_of(MUTANTS, f"{number}/{count}") for number in range(1, count + 1)]
    assert [mutant for part in parts for mutant in part] == MUTANTS


@pytest.mark.parametrize("part", ["0/2", "3/2", "1", "/", "a/b", "1/0"])
def test_what_is_no_part_is_refused(part):
    with pytest.raises(ValueError, match="is no part"):
        part_of(MUTANTS, part)


def test_a_caught_mutant_is_known_again_in_its_tree_only(tmp_path):
    first, second = MUTANTS[:2]
    Record(tmp_path / "caught.json", "tree").add(first)
    again = Record(tmp_path / "caught.json", "tree")
    assert again.has(first)
    assert not again.has(second)
    assert not Record(tmp_path / "caught.json", "another tree").has(first)


def test_a_caught_mutant_that_was_changed_is_tried_again(tmp_path):
    text = "# guards: x\n# tests: pytest\n--- a/x\n+++ b/x\n"
    path = tmp_path / "x.patch"
    path.write_text(text)
    record = Record(tmp_path / "caught.json", "tree")
    record.add(read(path))
    path.write_text(text + "@@ -1 +1 @@\n")
    assert not record.has(read(path))
