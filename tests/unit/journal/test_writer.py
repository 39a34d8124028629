"""The thread of a running account: it follows, tells once what it cannot write, and catches up."""

import logging
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.unit.journal.conftest import content

from libra.storage.journal import JournalWriter


class Told:
    """What a writer told, to be waited for."""

    def __init__(self) -> None:
        self.news: list[tuple[str, str]] = []
        self._changed = threading.Condition()

    def __call__(self, account: str, state: str, why: str) -> None:
        assert account == "paper"
        with self._changed:
            self.news.append((state, why))
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.news) >= count, 30), self.news


@pytest.fixture
def writer(lived, tmp_path):
    """Starts a writer on a log that a test lets grow."""
    log = tmp_path / "gate.log"
    log.write_bytes(lived.read_bytes()[:3_000])
    made = []

    def start(path: Path, told: Told) -> JournalWriter:
        found = JournalWriter("paper", log, path, told, every_s=0.01)
        found.start()
        made.append(found)
        return found

    start.log = log
    yield start
    for each in made:
        each.close(0.0)


def grow(log: Path, to: bytes) -> None:
    """Appends what is missing, as its owner would."""
    with log.open("ab") as file:
        file.write(to[file.tell() :])


def wait_until(condition) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_it_follows_a_log_that_grows_and_ends_with_all_of_it(writer, lived, whole, tmp_path):
    path, told = tmp_path / "gate.db", Told()
    started = writer(path, told)
    rest = lived.read_bytes()
    wait_until(lambda: started.status()["records"] > 0)
    ends = [*range(5_000, len(rest), len(rest) // 7), len(rest)]
    for end in ends[:-1]:
        grow(writer.log, rest[:end])
    wait_until(lambda: started.status()["records"] > 100)
    grow(writer.log, rest)
    assert started.close(30.0)
    status = started.status()
    assert (status["state"], status["behind_bytes"], status["error"]) == ("current", 0, None)
    assert status["path"] == str(path)
    assert content(path) == whole
    assert told.news == []
    assert not [thread for thread in threading.enumerate() if thread.name == "libra-journal-paper"]


def test_a_lock_is_told_once_and_caught_up_with(writer, lived, whole, tmp_path, caplog):
    path, told = tmp_path / "gate.db", Told()
    started = writer(path, told)
    wait_until(lambda: started.status()["records"] > 0)
    with closing(sqlite3.connect(path, isolation_level=None)) as other, caplog.at_level(logging.WARNING, "libra"):
        other.execute("BEGIN IMMEDIATE")
        grow(writer.log, lived.read_bytes())
        told.wait_for(1)
        status = started.status()
        assert status["state"] == "behind"
        assert "locked" in status["error"]
        assert status["behind_bytes"] > 0
        # It tries again meanwhile, and says no more.
        time.sleep(0.6)
        assert started.status()["behind_s"] >= 0.5
        assert len(told.news) == 1
        other.execute("ROLLBACK")
        told.wait_for(2)
    assert [state for state, _ in told.news] == ["behind", "current"]
    assert len([record for record in caplog.records if "falls behind, trading goes on" in record.message]) == 1
    assert len([record for record in caplog.records if "up to date again" in record.message]) == 1
    assert started.close(30.0)
    assert content(path) == whole


def test_an_end_does_not_wait_for_a_lock_beyond_its_time(writer, lived, tmp_path, caplog):
    path = tmp_path / "gate.db"
    started = writer(path, Told())
    wait_until(lambda: started.status()["records"] > 0)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        grow(writer.log, lived.read_bytes())
        assert not started.close(0.5)
    assert "bytes behind the log" in caplog.text
    assert started.status()["behind_bytes"] > 0


def test_a_file_that_is_set_aside_is_told(writer, lived, tmp_path, caplog):
    path = tmp_path / "gate.db"
    path.write_bytes(b"rubbish" * 100)
    started = writer(path, Told())
    assert started.close(30.0)
    assert "it was set aside as" in caplog.text
    assert (tmp_path / "gate.db.corrupt-1").exists()
    assert content(path)["log_position"][0][1] > 0


def test_a_file_that_is_not_to_be_touched_is_told_and_trading_goes_on(writer, lived, tmp_path):
    path, told = tmp_path / "gate.db", Told()
    path.write_bytes(lived.read_bytes())
    started = writer(path, told)
    told.wait_for(1)
    [(state, why)] = told.news
    assert state == "behind"
    assert "name another file" in why
    path.unlink()
    told.wait_for(2)
    assert told.news[1] == ("current", "")
    assert started.close(30.0)


def test_a_fault_of_ours_ends_the_writer_loudly(writer, tmp_path, monkeypatch, caplog):
    def fail(*_: object) -> int:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr("libra.storage.journal.writer.Projector.advance", fail)
    told = Told()
    started = writer(tmp_path / "gate.db", told)
    told.wait_for(1)
    assert "a fault of the writer" in told.news[0][1]
    assert "its journal ends here" in caplog.text
    started.close(1.0)


def test_one_that_never_started_is_closed_at_once(lived, tmp_path):
    writer = JournalWriter("paper", lived, tmp_path / "gate.db")
    assert not writer.close(0.0)
