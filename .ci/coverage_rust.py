"""Line coverage of the order gate, its desk and matching by their crate's tests: `make coverage` runs this.

cargo-llvm-cov is built into .build/cargo, in one version. It reads what rustc writes with LLVM's own tools, which have
to be of rustc's LLVM or newer: those that ``LLVM_COV`` and ``LLVM_PROFDATA`` name, rustup's component ``llvm-tools``,
those on the path, or, on Debian and its kin, packages that are unpacked into .build/llvm and not installed.
"""

import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / ".build"
VERSION = "0.9.1"
CRATE = "libra-trading"
SOURCES = ROOT / "core-rs" / "crates" / CRATE / "src"
ROOMS = ("gate", "risk", "desk", "matching")
"""What has to be covered to the last line."""
LEAST = float(os.environ.get("RUST_COVERAGE", "100"))


def output(*command: str, **how: object) -> str:
    """What a command says."""
    return subprocess.run(command, check=True, capture_output=True, text=True, **how).stdout


def llvm_tools() -> dict[str, str]:
    """The environment in which cargo-llvm-cov finds LLVM's tools."""
    if "LLVM_COV" in os.environ and "LLVM_PROFDATA" in os.environ:
        return {}
    told = output("rustc", "-vV")
    host = re.search(r"host: (\S+)", told)[1]
    major = int(re.search(r"LLVM version: (\d+)", told)[1])
    component = Path(output("rustc", "--print", "sysroot").strip()) / "lib" / "rustlib" / host / "bin"
    if (component / "llvm-cov").exists():
        return {}
    for version in range(major + 4, major - 1, -1):
        cov, profdata = shutil.which(f"llvm-cov-{version}"), shutil.which(f"llvm-profdata-{version}")
        if cov and profdata:
            return {"LLVM_COV": cov, "LLVM_PROFDATA": profdata}
    return unpacked(major)


def unpacked(major: int) -> dict[str, str]:
    """Debian's packages of LLVM, in .build/llvm."""
    folder = BUILD / "llvm"
    tools = folder / "usr" / "lib" / f"llvm-{major}" / "bin"
    if not (tools / "llvm-cov").exists():
        if not (shutil.which("apt-get") and shutil.which("dpkg")):
            sys.exit(
                f"coverage needs the tools of LLVM {major}: run `rustup component add llvm-tools`, or set LLVM_COV and"
                " LLVM_PROFDATA"
            )
        print(f"fetching the tools of LLVM {major} into .build/llvm", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        subprocess.run(["apt-get", "-qq", "download", f"llvm-{major}", f"libllvm{major}"], cwd=folder, check=True)
        for package in folder.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, folder], check=True)
            package.unlink()
    libraries = sorted({str(path.parent) for path in folder.rglob("libLLVM*.so*")})
    path = os.pathsep.join([*libraries, *filter(None, [os.environ.get("LD_LIBRARY_PATH")])])
    return {"LLVM_COV": f"{tools}/llvm-cov", "LLVM_PROFDATA": f"{tools}/llvm-profdata", "LD_LIBRARY_PATH": path}


def cargo_llvm_cov() -> Path:
    """The tool, in its one version."""
    tool = BUILD / "cargo" / "bin" / "cargo-llvm-cov"
    if not tool.exists() or output(tool, "llvm-cov", "--version").split()[-1] != VERSION:
        print(f"building cargo-llvm-cov {VERSION} into .build/cargo", flush=True)
        install = ["cargo", "install", "--quiet", "--locked", "--root", BUILD / "cargo", "--version", VERSION]
        subprocess.run([*install, "cargo-llvm-cov"], check=True, cwd=BUILD)
    return tool


def lines(lcov: str) -> dict[str, dict[int, int]]:
    """Of each file its lines, and how often each was run."""
    found: dict[str, dict[int, int]] = defaultdict(dict)
    name = ""
    for row in lcov.splitlines():
        if row.startswith("SF:"):
            name = row[3:]
        elif row.startswith("DA:"):
            line, count = row[3:].split(",")[:2]
            found[name][int(line)] = max(found[name].get(int(line), 0), int(count))
    return found


def main() -> int:
    """Run the tests, and say which lines of these rooms they do not reach."""
    BUILD.mkdir(exist_ok=True)
    environment = {**os.environ, **llvm_tools()}
    tool = cargo_llvm_cov()
    how = {"cwd": ROOT / "core-rs", "env": environment}
    # Test programs of an earlier build, too: the report takes each that it finds, with lines that have moved since.
    subprocess.run([tool, "llvm-cov", "clean", "--workspace"], check=True, **how)
    subprocess.run(
        [tool, "llvm-cov", "--no-report", "--quiet", "--locked", "-p", CRATE],
        check=True,
        stdout=subprocess.DEVNULL,
        **how,
    )
    report = output(tool, "llvm-cov", "report", "--lcov", "--ignore-filename-regex", r"/tests/|/tests\.rs$", **how)
    covered, total = 0, 0
    for name, counts in sorted(lines(report).items()):
        path = Path(name)
        if not path.is_relative_to(SOURCES) or path.relative_to(SOURCES).parts[0] not in ROOMS:
            continue
        missing = sorted(line for line, count in counts.items() if count == 0)
        covered, total = covered + len(counts) - len(missing), total + len(counts)
        if missing:
            print(f"{path.relative_to(ROOT)}: not run: {', '.join(map(str, missing))}")
    percent = 100 * covered / total
    print(f"order gate, desk and matching: {covered} of {total} lines run by tests, {percent:.2f} %")
    return int(percent < LEAST)


if __name__ == "__main__":
    sys.exit(main())
