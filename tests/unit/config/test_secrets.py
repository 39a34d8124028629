"""Secrets that are taken out of a process: not in what it hands on, nor in what the kernel shows of it."""

import subprocess
import sys

import pytest

from libra.config.secrets import environment, hand_over, take_out

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="what the kernel shows is Linux's")

TAKES = """
import ctypes, os, sys
from pathlib import Path
from libra.config.secrets import seclude, take_out
taken = take_out(["THE_KEY", "MISSING"])
shown = Path("/proc/self/environ").read_bytes()
print(taken, "THE_KEY" in os.environ, b"sesame" in shown, b"OTHER=stays" in shown)
before = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
seclude()
print(before, ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


@LINUX
def test_what_was_taken_out_is_shown_to_nobody():
    env = {"THE_KEY": "open sesame", "OTHER": "stays", "PYTHONPATH": ":".join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", TAKES], env=env, capture_output=True, text=True, timeout=60)
    assert ended.stdout.splitlines() == ["{'THE_KEY': 'open sesame'} False False True", "1 0"], ended.stderr


def test_what_was_handed_over_is_found_beside_the_environment(monkeypatch):
    monkeypatch.setenv("BOTH", "of the environment")
    hand_over({"BOTH": "handed", "NEW": "handed too"})
    try:
        assert (environment()["BOTH"], environment()["NEW"]) == ("handed", "handed too")
    finally:
        taken = take_out(["BOTH", "NEW"])
    assert taken == {"BOTH": "handed", "NEW": "handed too"}
    assert not {"BOTH", "NEW"} & environment().keys()
