"""Output that nobody reads, or that cannot be written: writers go on, what waits is bounded, gaps are told."""

import contextlib
import io
import json
import logging
import os
import pty
import re
import resource
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pytest

from libra.cli import outlet
from libra.cli.logs import configure_logging
from libra.cli.outlet import Outlets, unhurried_output
from libra.errors import LibraError


@dataclass
class Pipe:
    """A pipe, and the stream that writes into it."""

    reader: int
    stream: TextIO

    def fill(self) -> int:
        """Leave no room in it; gives how much it took."""
        end = self.stream.fileno()
        os.set_blocking(end, False)
        size = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                size += os.write(end, b"." * 4096)
        os.set_blocking(end, True)
        return size

    def read_to_end(self, filled: int = 0) -> str:
        """What comes behind the filling until nobody has it open for writing."""
        with open(self.reader, "rb", closefd=False) as file:
            return file.read()[filled:].decode()

    def read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            assert select.select([self.reader], [], [], 10)[0], "nothing comes"
            found += os.read(self.reader, size - len(found))
        return found

    def line(self) -> str:
        found = b""
        while not found.endswith(b"\n"):
            found += self.read(1)
        return found.decode()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reader, writer = os.pipe()
    made = Pipe(reader, os.fdopen(writer, "w", encoding="utf-8"))
    yield made
    with contextlib.suppress(OSError):
        made.stream.close()
    os.close(reader)


def note(lines: int, why: str = "nobody read this") -> str:
    return f"[{lines}]\n" if why == "nobody read this" else f"[{lines}: {why}]\n"


def closing(outlets: Outlets, pipe: Pipe) -> threading.Thread:
    """Close them meanwhile, and then the pipe, so that what is read of it has an end."""

    def close() -> None:
        outlets.close(without_end=pipe.stream)
        pipe.stream.close()

    thread = threading.Thread(target=close)
    thread.start()
    return thread


def unread(pipe: Pipe, monkeypatch: pytest.MonkeyPatch, most: int) -> tuple[int, Outlets, TextIO]:
    """A pipe that nobody reads, and a stream for it: up to so much waits."""
    monkeypatch.setattr(outlet, "_MOST_WAITING", most)
    filled = pipe.fill()
    outlets = Outlets()
    return filled, outlets, outlets.of(pipe.stream, note)


def told_by(outlets: Outlets, pipe: Pipe, filled: int) -> str:
    """All that comes behind the filling when somebody reads."""
    thread = closing(outlets, pipe)
    told = pipe.read_to_end(filled)
    thread.join()
    return told


def test_what_nobody_reads_waits_and_its_writer_does_not(pipe: Pipe):
    filled = pipe.fill()
    outlets = Outlets()
    stream = outlets.of(pipe.stream, note)
    for number in range(1000):
        print("line", number, file=stream)
    stream.write("the rest")
    stream.flush()
    told = told_by(outlets, pipe, filled)
    assert told == "".join(f"line {number}\n" for number in range(1000)) + "the rest"


def test_what_waits_is_bounded_and_the_gap_is_told_where_it_is(pipe: Pipe, monkeypatch: pytest.MonkeyPatch):
    filled, outlets, stream = unread(pipe, monkeypatch, 200 * 1024)
    for number in range(5000):
        stream.write(f"{number:0896d}\n")
    pipe.read(filled)
    lines: list[str] = []
    while not lines or not lines[-1].startswith("["):
        lines.append(pipe.line())
    *whole, gap = lines
    assert [int(line) for line in whole] == list(range(len(whole)))
    assert 150 < len(whole) <= 200 * 1024 // 1024
    assert gap == note(5000 - len(whole))
    # Somebody reads: nothing is left out any more.
    stream.write("again\n")
    assert pipe.line() == "again\n"
    outlets.close(without_end=pipe.stream)


def test_a_gap_is_one_also_for_what_would_find_room(pipe: Pipe, monkeypatch: pytest.MonkeyPatch):
    filled, outlets, stream = unread(pipe, monkeypatch, 4096)
    for length in (3800, 1000, 3):
        stream.write("x" * length + "\n")
    pipe.read(filled)
    assert len(pipe.line()) == 3801
    assert pipe.line() == note(2)
    outlets.close(without_end=pipe.stream)


def test_short_lines_take_no_more_memory(pipe: Pipe, monkeypatch: pytest.MonkeyPatch):
    filled, outlets, stream = unread(pipe, monkeypatch, 100 * 1024)
    for _ in range(5000):
        stream.write("\n")
    told = told_by(outlets, pipe, filled)
    kept = len(told) - len(told.lstrip("\n"))
    assert kept < 1000
    assert told.lstrip("\n") == note(5000 - kept)


def test_the_last_word_is_not_left_out(pipe: Pipe, monkeypatch: pytest.MonkeyPatch):
    filled, outlets, stream = unread(pipe, monkeypatch, 4096)
    for _ in range(100):
        stream.write("x" * 99 + "\n")
    outlets.keep_all()
    stream.write("summary " * 10_000 + "\n")
    told = told_by(outlets, pipe, filled)
    before, summary = re.fullmatch(r"((?:x{99}\n)+\[\d+\]\n)((?:summary )+\n)", told).groups()
    assert before.count("\n") - 1 + int(before.rpartition("[")[2].rstrip("]\n")) == 100
    assert summary.count("summary") == 10_000


def test_two_streams_of_one_file_keep_their_order(pipe: Pipe):
    filled = pipe.fill()
    outlets = Outlets()
    with os.fdopen(os.dup(pipe.stream.fileno()), "w", encoding="utf-8") as other:
        streams = outlets.of(pipe.stream, note), outlets.of(other, note)
        for number in range(100):
            streams[number % 2].write(f"{number}\n")
        thread = closing(outlets, pipe)
        pipe.read(filled)
        assert [int(pipe.line()) for _ in range(100)] == list(range(100))
        thread.join()


def test_who_writes_for_a_reader_who_left_is_told(pipe: Pipe):
    outlets = Outlets()
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="utf-8") as gone:
        os.close(reader)
        stream = outlets.of(gone, note)

        def write_on() -> None:
            while True:
                stream.write("line\n")

        with pytest.raises(BrokenPipeError):
            write_on()
        outlets.close(without_end=gone)


def test_a_write_that_is_more_than_may_wait_keeps_nothing_behind_it_out(pipe: Pipe, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(outlet, "_MOST_WAITING", 4096)
    outlets = Outlets()
    stream = outlets.of(pipe.stream, note)
    stream.write("x" * 5000 + "\n")
    assert pipe.line() == "x" * 5000 + "\n"
    stream.write("again\n")
    assert pipe.line() == "again\n"
    outlets.close(without_end=pipe.stream)


class Disk:
    """A file, and the disk below it, which can be full."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stream = path.open("w", encoding="utf-8")
        self.outlets = Outlets()
        self.written = self.outlets.of(self.stream, note)
        self._file = os.dup(self.stream.fileno())

    def fill(self) -> None:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, self.stream.fileno())
        os.close(full)

    def make_room(self) -> None:
        os.dup2(self._file, self.stream.fileno())

    def wait_until_it_fails(self) -> None:
        [writer] = self.outlets._writers.values()
        wait_until(lambda: writer._failure is not None)

    def close(self) -> list[str]:
        fault = self.outlets.close(without_end=self.stream)
        assert fault is None
        self.stream.close()
        os.close(self._file)
        return self.path.read_text(encoding="utf-8").splitlines()


def wait_until(holds: Callable[[], object]) -> None:
    until = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < until, "it never comes about"
        time.sleep(0.001)


def test_behind_a_disk_that_was_full_every_line_is_there(tmp_path: Path):
    disk = Disk(tmp_path / "log")
    # It takes a part of a write, and no more.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1050, before[1]))
    try:
        for number in range(100):
            disk.written.write(f"{number:099d}\n")
        disk.wait_until_it_fails()
        assert disk.path.stat().st_size == 1050
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    disk.written.write("100\n")
    assert [int(line) for line in disk.close()] == list(range(101))


def test_a_write_that_failed_is_tried_again_though_none_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(outlet, "_AGAIN_S", 0.01)
    disk = Disk(tmp_path / "log")
    disk.fill()
    disk.written.write("kept\n")
    disk.wait_until_it_fails()
    disk.make_room()
    wait_until(lambda: disk.path.read_text(encoding="utf-8") == "kept\n")
    assert disk.close() == ["kept"]


def test_a_disk_that_is_full_for_long_takes_no_memory_and_what_is_missing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(outlet, "_MOST_WAITING", 4096)
    disk = Disk(tmp_path / "log")
    disk.fill()
    disk.written.write("0\n")
    disk.wait_until_it_fails()
    for number in range(1, 1000):
        disk.written.write(f"{number}\n")
    disk.make_room()
    *kept, gap = disk.close()
    assert [int(line) for line in kept] == list(range(len(kept)))
    assert 20 < len(kept) < 100
    assert gap == f"[{1000 - len(kept)}: this could not be written (No space left on device)]"


def told(out: TextIO, err: TextIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with unhurried_output():
        sys.stdout.write("the summary\n")
        sys.stderr.write("the log\n")


def test_a_summary_that_cannot_be_written_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with Path("/dev/full").open("w") as full, (tmp_path / "other").open("w") as other:
        with pytest.raises(LibraError, match=r"the summary could not be written: No space left on device$"):
            told(full, other, monkeypatch)
        # The log ends as it does where it is written at once.
        told(other, full, monkeypatch)
    assert (tmp_path / "other").read_text() == "the log\nthe summary\n"


@pytest.mark.parametrize("kind", ["pipe", "terminal"])
def test_a_reader_who_left_is_no_fault(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    reader, writer = os.pipe() if kind == "pipe" else pty.openpty()
    os.close(reader)
    with os.fdopen(writer, "w") as gone, (tmp_path / "other").open("w") as other:
        told(gone, other, monkeypatch)
    assert (tmp_path / "other").read_text() == "the log\n"


def test_the_end_does_not_wait_for_ever_for_a_reader_of_errors(pipe: Pipe, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(outlet, "_PATIENCE_S", 0.1)
    pipe.fill()
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="utf-8") as out:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", pipe.stream)

        def run() -> None:
            with unhurried_output():
                sys.stdout.write("the summary\n")
                sys.stderr.write("nobody reads this\n")

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
        assert (sys.stdout, sys.stderr) == (out, pipe.stream)
    assert os.read(reader, 100) == b"the summary\n"
    os.close(reader)


def test_the_end_waits_for_whoever_reads_the_summary(pipe: Pipe, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(outlet, "_PATIENCE_S", 0.01)
    filled = pipe.fill()
    outlets = Outlets()
    outlets.of(pipe.stream, note).write("the summary\n")
    thread = closing(outlets, pipe)
    # Many times its patience with others.
    thread.join(0.5)
    assert thread.is_alive()
    assert pipe.read_to_end(filled) == "the summary\n"
    thread.join()


def test_a_log_for_machines_stays_one(pipe: Pipe, monkeypatch: pytest.MonkeyPatch):
    logger = logging.getLogger("libra")
    before = list(logger.handlers), logger.level, logger.propagate
    monkeypatch.setattr(outlet, "_MOST_WAITING", 4096)
    monkeypatch.setattr(sys, "stderr", pipe.stream)
    filled = pipe.fill()
    try:
        configure_logging("info", "json")
        outlets = Outlets()
        monkeypatch.setattr(sys, "stderr", outlets.of(pipe.stream, outlet._logged))
        for number in range(100):
            logger.warning("line %d", number)
        rows = [json.loads(line) for line in told_by(outlets, pipe, filled).splitlines()]
    finally:
        logger.handlers, level, logger.propagate = before
        logger.setLevel(level)
    assert rows[0]["message"] == "line 0"
    assert (rows[-1]["level"], rows[-1]["message"]) == (
        "warning",
        f"nobody read this: {100 - (len(rows) - 1)} lines are left out here",
    )


def test_a_stream_without_a_file_stays_as_it_is():
    stream = io.StringIO()
    assert Outlets().of(stream, note) is stream
