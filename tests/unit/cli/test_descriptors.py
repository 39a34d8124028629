"""A process that was started without standard input, output or error: nothing else gets their numbers, or fails."""

import subprocess
import sys
from pathlib import Path

import pytest

TELLS = """
import os, sys
from libra.cli import main
code = main.main(["--version"])
print("told", flush=True)
print("told", file=sys.stderr, flush=True)
sys.__stdout__.write("told")
sys.__stderr__.write("told")
void = os.stat(os.devnull)
given = [number for number in range(3) if os.path.samestat(os.fstat(number), void) and os.get_inheritable(number)]
with open("found", "w") as found:
    assert found.fileno() > 2
    found.write(f"{code} {given} {sys.stdin.read()!r}{sys.__stdin__.read()!r}")
"""


@pytest.mark.parametrize("closed", [[0], [1], [2], [1, 2], [0, 1, 2]])
def test_they_are_as_if_nobody_read_them(tmp_path: Path, closed: list[int]):
    without = " ".join(f"{number}>&-" for number in closed)
    command = ["sh", "-c", f'exec "$0" -c "$1" {without}', sys.executable, TELLS]
    told = subprocess.run(command, cwd=tmp_path, input="", capture_output=True, text=True, check=False)
    assert (told.returncode, "Error" in told.stderr) == (0, False), told.stderr
    assert (tmp_path / "found").read_text() == f"0 {closed} ''''"
