"""Takes out one guard after the other, and sees whether the tests notice: ``make mutants``.

Each ``tests/mutants/<room>/<slug>.patch`` is a guard taken out. Its first lines say which promise it breaks and which
tests have to fail with it::

    # guards: an approval can be spent once
    # tests: cargo test --manifest-path core-rs/Cargo.toml -p libra-trading gate::tests::life

Then comes a unified diff. Patches are applied to a private copy of the working tree in ``.build/mutants`` that keeps
its builds from mutant to mutant; nobody's own files are touched. A mutant that does not apply or compile, or whose
tests are red without it, is an error and not a catch. Exit code 1 when one survived, 2 on an error.

All of them take hours. ``--resume`` goes on where an earlier run was ended, also behind commits: it leaves out what was
caught before while its patch, the crates and packages that it changes and the tests that it names stayed as they were.
A change elsewhere may let a mutant live all the same, so a run without it has the last word. ``--part 1/2`` and
``--part 2/2`` may run side by side, each with a copy of its own; what was caught is remembered for all of them.
"""

from __future__ import annotations

import argparse
import dataclasses
import fcntl
import fnmatch
import hashlib
import itertools
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "mutants"
HEADER = re.compile(r"\A# guards: (?P<guards>\S.*)\n# tests: (?P<tests>\S.*)\n(?P<diff>(?:.*\n)*)\Z")
SHORTEST_LIMIT_S = 90.0
# What coreutils' `timeout` ends with where it had to end the command.
TIMED_OUT = 124
# Without bytecode each process of a test compiles all that it imports.
DROPPED = ("VIRTUAL_ENV", "CARGO_TARGET_DIR", "PYTHONDONTWRITEBYTECODE")
SUMMARY = re.compile(r"test result: \w+\. (\d+) passed; (\d+) failed|(?:^|, )(\d+) passed", re.MULTILINE)


class MutantError(Exception):
    """A mutant that says nothing about the tests."""


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A patch, its promise and its tests."""

    path: Path
    guards: str
    tests: str

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}/{self.path.stem}"

    @property
    def is_rust(self) -> bool:
        return any(".rs" in line for line in self.path.read_text().splitlines() if line.startswith("+++ "))


def read(path: Path) -> Mutant:
    """Read a patch.

    Raises:
        MutantError: Its header is not as it should be.
    """
    found = HEADER.match(path.read_text(encoding="utf-8"))
    if found is None:
        raise MutantError(f"{path}: the first lines have to be '# guards: ...' and '# tests: ...', then a diff")
    if "\n+++ b/" not in found["diff"]:
        raise MutantError(f"{path}: no diff with a/ and b/ paths")
    return Mutant(path, found["guards"], found["tests"])


def find(*only: str) -> list[Mutant]:
    """All mutants whose name matches one of these, or any where there are none, in the order of their names."""
    mutants = map(read, sorted(HERE.glob("*/*.patch")))
    return [mutant for mutant in mutants if any(fnmatch.fnmatch(mutant.name, glob) for glob in only or ("*",))]


@dataclasses.dataclass
class Result:
    """What became of a mutant."""

    name: str
    guards: str
    outcome: str
    detail: str
    seconds: float


class Copy:
    """A copy of the working tree with an environment and builds of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.lock = (folder / "lock").open("w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"{folder}: another run is using it") from None
        self.tree = folder / "tree"
        self.logs = folder / "logs"
        for made in (self.tree, self.logs):
            made.mkdir(exist_ok=True)
        if not (self.tree / ".git").exists():
            # Of its own, so that `git apply` takes its paths from here and not from the repository around it.
            self._git("init", "--quiet")
        self._built: float | None = None
        # An earlier run may have been killed with a mutant in, whatever was built then.
        self._again = "--reinstall-package libra-core"
        # Of the tree as it was filled, without a mutant.
        self._digests: dict[str, bytes] = {}
        self.environment = {
            **{key: value for key, value in os.environ.items() if key not in DROPPED},
            # The last: where uv is missing, make has fetched one.
            "PATH": f"{self.tree / '.venv' / 'bin'}:{os.environ['PATH']}:{ROOT / '.build' / 'uv' / 'bin'}",
            "PYO3_PYTHON": str(self.tree / ".venv" / "bin" / "python"),
            "RUST_BACKTRACE": "0",
            "CARGO_TERM_COLOR": "never",
            # A test notices a missing guard in a quick build as well, and hundreds of them are made.
            "CARGO_PROFILE_RELEASE_LTO": "off",
            "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
            "CARGO_PROFILE_RELEASE_INCREMENTAL": "true",
            # Nobody reads where in the code a test failed, and most of the time of linking goes there.
            "CARGO_PROFILE_DEV_DEBUG": "0",
        }

    def fill(self) -> None:
        """Bring the copy in line with the working tree; what did not change keeps its time, and so its builds."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
        wanted = {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}
        list_path = self.tree.parent / "files"
        before = set(list_path.read_text().split("\0")) if list_path.exists() else set()
        for name in before - wanted:
            (self.tree / name).unlink(missing_ok=True)
        for name in wanted:
            ours, theirs = ROOT / name, self.tree / name
            if not theirs.is_file() or ours.read_bytes() != theirs.read_bytes():
                theirs.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ours, theirs)
                shutil.copymode(ours, theirs)
        list_path.write_text("\0".join(sorted(wanted)))

    def digest(self, mutant: Mutant) -> str:
        """What a mutant's fate hangs on: its patch, and each file of the crates, packages and tests that it names."""
        whole = hashlib.sha256(mutant.path.read_bytes())
        places = tuple(places_of(mutant))
        for name in self._listed():
            if name.startswith(places) and not name.endswith(".md"):
                whole.update(f"{name}\0".encode() + self._digest_of(name))
        return whole.hexdigest()

    def _digest_of(self, name: str) -> bytes:
        if name not in self._digests:
            self._digests[name] = hashlib.sha256((self.tree / name).read_bytes()).digest()
        return self._digests[name]

    def _listed(self) -> list[str]:
        return (self.tree.parent / "files").read_text().split("\0")

    def _git(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *args], cwd=self.tree, check=False, capture_output=True, text=True)

    def apply(self, mutant: Mutant, *, reverse: bool = False) -> None:
        """Put a mutant in, or take it out again."""
        way = ["--reverse"] if reverse else []
        done = self._git("apply", "--whitespace=nowarn", *way, str(mutant.path))
        if done.returncode:
            raise MutantError(f"the patch does not apply: {done.stderr.strip()}")

    def sync(self) -> None:
        """Environment and extension as the copy's sources have them now."""
        newest = max(path.stat().st_mtime_ns for path in self._sources())
        if self._built != newest:
            done = self.run(f"uv sync --quiet {self._again}", limit_s=1_800)
            if done.returncode:
                raise MutantError(f"the extension does not build: {done.stdout[-600:]}")
            self._built, self._again = newest, ""

    def _sources(self) -> list[Path]:
        return [
            self.tree / name
            for name in self._listed()
            if name.startswith("core-rs/") or name in ("uv.lock", "pyproject.toml")
        ]

    def run(self, command: str, *, limit_s: float) -> subprocess.CompletedProcess[str]:
        """Run a shell command in the copy; one that takes too long ends with all it has started."""
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=self.tree,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            return subprocess.CompletedProcess(command, -signal.SIGKILL, output)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        return subprocess.CompletedProcess(command, process.returncode, output)


class Record:
    """What was caught: a file that every part of a run, and the next run, adds to."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def has(self, name: str, digest: str) -> bool:
        """Whether this mutant was caught when all was as this digest says."""
        return self._read().get(name) == digest

    def add(self, name: str, digest: str) -> None:
        """A mutant was caught."""
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            new = self._path.with_suffix(".new")
            new.write_text(json.dumps({**self._read(), name: digest}))
            new.replace(self._path)

    def _read(self) -> dict[str, str]:
        return json.loads(self._path.read_text()) if self._path.exists() else {}


def places_of(mutant: Mutant) -> list[str]:
    """Files and folders that decide whether a mutant is caught: those that it changes, with all around them that is
    built and imported together, and the tests that it runs."""
    changed = [line[len("+++ b/") :] for line in mutant.path.read_text().splitlines() if line.startswith("+++ b/")]
    words = shlex.split(mutant.tests)
    crates = {word for before, word in itertools.pairwise(words) if before == "-p"}
    crates |= {name.split("/")[2] for name in changed if name.startswith("core-rs/crates/")}
    packages = {f"{Path(name).parent}/" for name in changed if name.endswith(".py")}
    others = {name for name in changed if not name.endswith((".rs", ".py"))}
    tests = {word.split("::")[0] for word in words if word.startswith("tests/")}
    return sorted({f"core-rs/crates/{crate}/" for crate in crates} | packages | others | tests | {"tests/conftest.py"})


def part_of(mutants: list[Mutant], part: str) -> list[Mutant]:
    """The first, second or another part of the mutants, such as ``1/2``; mutants of one room mostly stay together.

    Raises:
        ValueError: It is no part.
    """
    number, _, count = part.partition("/")
    if not (number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise ValueError(f"{part!r} is no part; the first of two is 1/2")
    return mutants[len(mutants) * (int(number) - 1) // int(count) : len(mutants) * int(number) // int(count)]


def needs_extension(command: str) -> bool:
    """Whether a command runs Python that imports the package."""
    return "pytest" in command or "python" in command


def count_tests(output: str) -> int:
    """How many tests passed or failed, by what cargo and pytest say."""
    return sum(int(number) for row in SUMMARY.findall(output) for number in row if number)


def baseline(copy: Copy, command: str) -> float:
    """Run tests without a mutant. Gives the seconds that they take.

    Raises:
        MutantError: They fail, or there are none.
    """
    if needs_extension(command):
        copy.sync()
    # With what has to be built: a limit that is taken from it is generous.
    began = time.monotonic()
    done = copy.run(command, limit_s=3_600)
    if done.returncode:
        raise MutantError(f"red without any mutant (exit code {done.returncode}): {done.stdout[-1500:]}")
    if not count_tests(done.stdout):
        raise MutantError("the command runs no test")
    return time.monotonic() - began


def has_no_end(command: str, exit_code: int) -> bool:
    """Whether tests were ended: by us, or by the limit that their own command has."""
    return exit_code == -signal.SIGKILL or (command.startswith("timeout ") and exit_code == TIMED_OUT)


def judge(copy: Copy, mutant: Mutant, seconds: float) -> Result:
    """Put a mutant in, run its tests, take it out."""
    began = time.monotonic()

    def result(outcome: str, detail: str = "") -> Result:
        return Result(mutant.name, mutant.guards, outcome, detail, round(time.monotonic() - began, 1))

    try:
        copy.apply(mutant)
    except MutantError as error:
        return result("error", str(error))
    try:
        if needs_extension(mutant.tests):
            copy.sync()
        done = copy.run(mutant.tests, limit_s=max(SHORTEST_LIMIT_S, 10 * seconds))
    except MutantError as error:
        return result("error", str(error))
    finally:
        copy.apply(mutant, reverse=True)
    log = copy.logs / (mutant.name.replace("/", "-") + ".log")
    log.write_text(done.stdout)
    if done.returncode == 0:
        return result("survived")
    if has_no_end(mutant.tests, done.returncode):
        return result("caught", "it never ended")
    if "could not compile" in done.stdout:
        return result("error", f"it does not compile: see {log}")
    # The last: pytest itself fails by it, and was sound without the mutant.
    died = "(signal:" in done.stdout or "INTERNALERROR>" in done.stdout
    if not died and not count_tests(done.stdout) and " failed" not in done.stdout:
        return result("error", f"no test failed, the command did (exit code {done.returncode}): see {log}")
    return result("caught")


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description="Takes out guards and sees whether the tests notice.")
    parser.add_argument("--only", nargs="+", default=[], metavar="GLOB", help="mutants by name, such as 'gate/*'")
    parser.add_argument("--json", action="store_true", help="print the results as JSON at the end")
    parser.add_argument("--list", action="store_true", help="say what there is, and run nothing")
    parser.add_argument("--resume", action="store_true", help="leave out what was caught with the same code and tests")
    parser.add_argument("--part", default="1/1", metavar="I/N", help="the I-th of N parts, in a copy of its own")
    options = parser.parse_args()
    try:
        mutants = part_of(find(*options.only), options.part)
    except ValueError as error:
        parser.error(str(error))
    if options.list:
        for mutant in mutants:
            print(f"{mutant.name:<40} {mutant.guards}")
        return 0
    if not mutants:
        print(f"no mutant matches {' '.join(options.only)}", file=sys.stderr)
        return 2
    say = sys.stderr if options.json else sys.stdout
    copy = Copy(
        ROOT / ".build" / ("mutants" if options.part == "1/1" else f"mutants-{options.part.replace('/', '-of-')}")
    )
    copy.fill()
    record = Record(ROOT / ".build" / "mutants-caught.json")
    digests = {mutant.name: copy.digest(mutant) for mutant in mutants}
    if options.resume:
        count = len(mutants)
        mutants = [mutant for mutant in mutants if not record.has(mutant.name, digests[mutant.name])]
        print(f"{count - len(mutants)} of {count} were caught before, with the same code and tests", file=say)
    times: dict[str, float] = {}
    red: dict[str, str] = {}
    commands = list(dict.fromkeys(mutant.tests for mutant in mutants))
    for number, command in enumerate(commands, 1):
        print(f"[{number}/{len(commands)}] without a mutant: {command}", end=" ... ", file=say, flush=True)
        try:
            times[command] = baseline(copy, command)
            print(f"green ({times[command]:.0f} s)", file=say, flush=True)
        except MutantError as error:
            red[command] = str(error)
            print(error, file=say, flush=True)
    results = []
    for number, mutant in enumerate(mutants, 1):
        print(f"[{number}/{len(mutants)}] {mutant.name}", end=" ... ", file=say, flush=True)
        if mutant.tests in red:
            result = Result(mutant.name, mutant.guards, "error", red[mutant.tests], 0.0)
        else:
            result = judge(copy, mutant, times[mutant.tests])
        results.append(result)
        if result.outcome == "caught":
            record.add(mutant.name, digests[mutant.name])
        detail = f": {result.detail}" if result.detail else ""
        print(f"{result.outcome} ({result.seconds:.0f} s){detail}", file=say, flush=True)
    survived = [result for result in results if result.outcome == "survived"]
    errors = [result for result in results if result.outcome == "error"]
    caught = len(results) - len(survived) - len(errors)
    print(f"{caught} caught, {len(survived)} survived, {len(errors)} errors", file=say)
    for result in survived:
        print(f"survived: {result.name}: {result.guards}", file=say)
    if options.json:
        print(json.dumps([dataclasses.asdict(result) for result in results], indent=2))
    return 2 if errors else int(bool(survived))


if __name__ == "__main__":
    sys.exit(main())
