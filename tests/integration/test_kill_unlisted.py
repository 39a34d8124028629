"""The kill switch of a node whose files were removed, as cleaners of /tmp do: in that second, and while it hangs."""

import json
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from libra.control.folder import _takes_signal

READY = """
def on_start(self):
    self.log.warning("ready")
"""
LOOPS = """
def on_quote(self, quote):
    self.log.warning("loops")
    while True:
        pass
"""


@pytest.fixture
def folder(monkeypatch):
    made = Path(tempfile.mkdtemp(prefix="libra-files-", dir="/tmp"))
    monkeypatch.setenv("LIBRA_RUN_DIR", str(made))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_it_is_stopped_in_the_second_in_which_its_files_are_gone(shell, folder):
    running = shell.start("run", shell.profile(shell.strategy(READY)), "--json")
    running.wait_for("ready")
    shutil.rmtree(folder)
    killed = shell.run("kill-switch", "--reason", "a test", "--json")
    assert killed.code == 0, killed.err + killed.out
    [node] = json.loads(killed.out)["nodes"]
    assert node["done"]
    assert "a test" in node["accounts"][0]["killed"]


def test_of_one_that_hangs_the_command_that_works_is_told(shell, folder):
    profile = shell.profile(shell.strategy(LOOPS), node="handler_timeout_s = 0")
    running = shell.start("run", profile, "--json")
    running.wait_for("loops")
    shutil.rmtree(folder)
    killed = shell.run("kill-switch")
    assert killed.code == 1
    pid = running.process.pid
    assert f"to stop a node (pid {pid}) at once, as its user: kill -USR1 {pid}" in killed.out


def test_a_process_that_would_be_ended_by_the_signal_is_not_to_get_it():
    before = signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    try:
        assert not _takes_signal(os.getpid())
        signal.signal(signal.SIGUSR1, lambda *_: None)
        assert _takes_signal(os.getpid())
    finally:
        signal.signal(signal.SIGUSR1, before)
