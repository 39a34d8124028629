"""A reader who goes while something is written for him: it is written as before, and fails nobody then."""

import io
import os
import pty
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

import pytest

from libra.cli.faults import is_reader_gone
from libra.cli.terminal import readers_that_may_go


@dataclass
class Terminal:
    ours: int
    stream: TextIO

    def take(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """By a test itself: before one begins, its streams are changed once more."""
        for name in ("stdout", "stderr"):
            monkeypatch.setattr(sys, name, self.stream)

    def reads(self, text: bytes) -> bool:
        """What comes out next is this; it may come in pieces."""
        found = b""
        while len(found) < len(text):
            found += os.read(self.ours, len(text) - len(found))
        return found == text

    def close(self) -> None:
        os.close(self.ours)


@pytest.fixture(params=[False, True], ids=["by lines", "at once"])
def terminal(request: pytest.FixtureRequest) -> Iterator[Terminal]:
    """The second one is as with `python -u`."""
    ours, theirs = pty.openpty()
    raw = io.FileIO(theirs, "wb")
    buffer = raw if request.param else io.BufferedWriter(raw)
    stream = io.TextIOWrapper(buffer, encoding="utf-8", line_buffering=True, write_through=request.param)
    yield Terminal(ours, stream)
    # What was not written has to go somewhere.
    void = os.open(os.devnull, os.O_WRONLY)
    os.dup2(void, theirs)
    os.close(void)
    stream.close()


def test_what_is_written_comes_out_and_behind_its_end_is_lost(terminal: Terminal, monkeypatch: pytest.MonkeyPatch):
    terminal.take(monkeypatch)
    with readers_that_may_go():
        assert sys.stdout.isatty()
        print("out")  # noqa: T201 - what it is about
        assert terminal.reads(b"out\r\n")
        print("err", file=sys.stderr)  # noqa: T201
        assert terminal.reads(b"err\r\n")
        if terminal.stream.write_through:
            print("begun", end="")  # noqa: T201
            assert terminal.reads(b"begun")
        terminal.close()
        for stream in (sys.stdout, sys.stderr):
            print("nobody sees this", file=stream, flush=True)
    assert sys.stdout is terminal.stream
    with pytest.raises(OSError, match="Input/output error") as raised:
        print("as without it", flush=True)  # noqa: T201
    assert is_reader_gone(raised.value, terminal.stream)


@pytest.mark.parametrize("is_at_once", [False, True], ids=["in blocks", "at once"])
@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_so_it_is_where_a_pipe_or_a_socket_takes_it(kind: str, is_at_once: bool, monkeypatch: pytest.MonkeyPatch):
    if kind == "pipe":
        ours, theirs = os.pipe()
    else:
        ours, theirs = (end.detach() for end in socket.socketpair())
    raw = io.FileIO(theirs, "wb")
    stream = io.TextIOWrapper(raw if is_at_once else io.BufferedWriter(raw), "utf-8", write_through=is_at_once)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "__stdout__", stream)
    with readers_that_may_go():
        print("out")  # noqa: T201 - what it is about
        print("past", end="", file=sys.__stdout__, flush=True)
        assert os.read(ours, 100) == b"out\npast"
        os.close(ours)
        print("nobody reads this" * 10_000, flush=True)  # noqa: T201
        print("nor this")  # noqa: T201
    assert sys.stdout is sys.__stdout__ is stream
    with pytest.raises(BrokenPipeError) as raised:
        print("as without it", flush=True)  # noqa: T201
    assert is_reader_gone(raised.value, stream)
    void = os.open(os.devnull, os.O_WRONLY)
    os.dup2(void, theirs)
    os.close(void)
    stream.close()


def test_any_other_fault_stays_one(terminal: Terminal, monkeypatch: pytest.MonkeyPatch):
    terminal.take(monkeypatch)
    with readers_that_may_go():
        kept = os.dup(terminal.stream.fileno())
        os.close(terminal.stream.fileno())
        with pytest.raises(OSError, match="Bad file descriptor"):
            print("kept", flush=True)  # noqa: T201
        os.dup2(kept, terminal.stream.fileno())
        os.close(kept)
    terminal.close()


def test_what_is_no_terminal_stays_as_it_is(monkeypatch: pytest.MonkeyPatch):
    closed = io.StringIO()
    closed.close()
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", closed)
    with readers_that_may_go():
        assert (sys.stdout, sys.stderr) == (out, closed)
    assert not is_reader_gone(OSError(5, "of a disk"), out)
