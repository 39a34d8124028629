"""Every mutant of ``tests/mutants`` still applies, says what it guards, and names tests that are there."""

import re
import shlex
import signal
import subprocess
import sys

import pytest
from _pytest.mark.expression import Expression
from tests.mutants.run import (
    HERE,
    ROOT,
    Copy,
    MutantError,
    Record,
    count_tests,
    find,
    has_no_end,
    part_of,
    places_of,
    read,
)

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
    assert "#" not in words, "a shell reads no further, and what stands before runs no test"
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


@pytest.fixture(scope="module")
def all_tests():
    """Each test that pytest finds, as `tests/unit/test_a.py::test_b[c]`."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [line for line in done.stdout.splitlines() if "::" in line]


def chosen(command, tests):
    """Those of the tests that a command of pytest runs."""
    words = shlex.split(command)
    places = [word for word in words if word.startswith("tests/")]
    found = [
        test for test in tests if any(re.match(re.escape(place.rstrip("/")) + r"(/|::|\[|$)", test) for place in places)
    ]
    if "-k" not in words:
        return found
    names = Expression.compile(words[words.index("-k") + 1])

    def has(test):
        return names.evaluate(lambda name, **_: name.lower() in test.lower())

    return list(filter(has, found))


def test_a_command_of_pytest_finds_its_tests(all_tests):
    """A test that has another name since would leave its mutants without any: an error, hours into their run."""
    assert len(all_tests) > len(MUTANTS)
    commands = {mutant.tests: mutant.name for mutant in MUTANTS if "pytest" in mutant.tests}
    assert commands
    assert [f"{name}: {command}" for command, name in commands.items() if not chosen(command, all_tests)] == []


def test_a_command_runs_what_it_names():
    tests = ["tests/unit/a.py::test_b[c d]", "tests/unit/a.py::test_be", "tests/unit/ab.py::test_b"]
    assert chosen("pytest -q tests/unit/a.py", tests) == tests[:2]
    assert chosen("pytest tests/unit/a.py::test_b", tests) == tests[:1]
    assert chosen("uv sync -q && pytest tests/unit/ -k 'test_b and not C'", tests) == tests[1:]
    assert chosen("pytest tests/unit/a.py -k c_d", tests) == []


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


def test_what_had_to_be_ended_has_no_end():
    assert has_no_end("pytest tests", -signal.SIGKILL)
    assert has_no_end("timeout 20 pytest tests", subprocess.run(["timeout", "0.01", "sleep", "10"]).returncode)
    assert not has_no_end("pytest tests", 124)
    assert not has_no_end("timeout 20 pytest tests", 1)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_parts_are_all_of_them_once_and_in_order(count):
    parts = [part_of(MUTANTS, f"{number}/{count}") for number in range(1, count + 1)]
    assert [mutant for part in parts for mutant in part] == MUTANTS


@pytest.mark.parametrize("part", ["0/2", "3/2", "1", "/", "a/b", "1/0"])
def test_what_is_no_part_is_refused(part):
    with pytest.raises(ValueError, match="is no part"):
        part_of(MUTANTS, part)


def test_a_caught_mutant_is_known_again_with_the_same_code_only(tmp_path):
    Record(tmp_path / "caught.json").add("gate/first", "code")
    again = Record(tmp_path / "caught.json")
    again.add("gate/third", "code")
    assert again.has("gate/first", "code")
    assert again.has("gate/third", "code")
    assert not again.has("gate/second", "code")
    assert not again.has("gate/first", "other code")


def digest(folder, patch, **files):
    copy = Copy(folder)
    copy.lock.close()
    for name, text in files.items():
        path = copy.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "files").write_text("\0".join(sorted(files)))
    return copy.digest(read(patch))


def test_what_a_mutant_hangs_on(tmp_path):
    text = "# guards: x\n# tests: pytest tests/unit/test_a.py\n--- a/actors/libra/a/b.py\n+++ b/actors/libra/a/b.py\n"
    path = tmp_path / "x.patch"
    path.write_text(text)
    files = {"actors/libra/a/c.py": "", "actors/libra/d.py": "", "tests/unit/test_a.py": "", "tests/unit/test_b.py": ""}
    first = digest(tmp_path / "first", path, **files)
    for name in files:
        changed = digest(tmp_path / name.replace("/", "-"), path, **{**files, name: "changed"}) != first
        assert changed == (name in ("actors/libra/a/c.py", "tests/unit/test_a.py"))
    path.write_text(text + "@@ -1 +1 @@\n")
    assert digest(tmp_path / "last", path, **files) != first


def test_a_native_mutant_hangs_on_its_crate_and_on_the_one_whose_tests_it_runs(tmp_path):
    path = tmp_path / "x.patch"
    path.write_text(
        "# guards: x\n# tests: cargo test -p libra-net durable\n"
        "--- a/core-rs/crates/libra-kernel/src/bus.rs\n+++ b/core-rs/crates/libra-kernel/src/bus.rs\n"
    )
    assert places_of(read(path)) == ["core-rs/crates/libra-kernel/", "core-rs/crates/libra-net/", "tests/conftest.py"]
