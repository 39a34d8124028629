"""Whatever is interrupted, a journal goes on from where it was: nothing doubled, nothing lost, nothing half."""

import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.journal.conftest import content, project

from libra.storage.journal import Projector, store
from libra.storage.journal.verify import verify

WRITER = """
import signal
import sys
from pathlib import Path
from libra.storage.journal import Projector

projector = Projector(Path(sys.argv[1]), Path(sys.argv[2]))
# By its own processor time, so that it dies in the middle of its work however busy the machine is.
signal.setitimer(signal.ITIMER_PROF, float(sys.argv[4]))
while projector.advance(int(sys.argv[3])):
    pass
print("done", flush=True)
"""


class DeathError(Exception):
    """The writer of a test dies here."""


class DyingConnection:
    """A connection whose process dies at its n-th statement: what it had open is taken back by SQLite."""

    def __init__(self, real: sqlite3.Connection, statements: int) -> None:
        self._real = real
        self._left = statements

    def cursor(self):
        return self

    def execute(self, *arguments):
        if self._left == 0:
            self._real.close()
            raise DeathError
        self._left -= 1
        return self._real.execute(*arguments)

    @property
    def in_transaction(self) -> bool:
        return False

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._real.close()


def has_schema(path: Path) -> bool:
    """False for one whose writer died before its first transaction."""
    if not path.exists():
        return False
    with contextlib.closing(sqlite3.connect(path)) as db:
        return bool(db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])


def dying(connect, statements: int):
    return lambda *arguments, **more: DyingConnection(connect(*arguments, **more), statements)


def fresh(log: Path, path: Path) -> dict:
    project(log, path).close()
    return content(path)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_prefix_of_a_log_and_any_death_of_the_writer(lived, tmp_path_factory, monkeypatch, data):
    folder = tmp_path_factory.mktemp("cut")
    whole = lived.read_bytes()
    log, path = folder / "gate.log", folder / "gate.db"
    cuts = sorted(data.draw(st.lists(st.integers(16, len(whole)), min_size=1, max_size=4)))
    for cut in cuts:
        # The log as it is when its owner was killed in the middle of a record, and has gone on since.
        log.write_bytes(whole[:cut])
        deaths = data.draw(st.lists(st.integers(0, 60), max_size=3))
        for statements in deaths:
            with monkeypatch.context() as patched:
                patched.setattr(store, "connect", dying(store.connect, statements))
                with contextlib.suppress(DeathError):
                    project(log, path, data.draw(st.integers(1, 300)))
        if path.exists() and data.draw(st.booleans()):
            # What a died writer left is a journal of a prefix, to whoever reads it now.
            with contextlib.closing(sqlite3.connect(path)) as db:
                has_position = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'log_position'").fetchone()[
                    0
                ]
            if has_position:
                assert verify(path, log).differences == ()
        projector = project(log, path, data.draw(st.integers(1, 2_000)))
        projector.close()
        assert projector.aside == []
        assert content(path) == fresh(log, folder / f"fresh-{cut}-{len(deaths)}.db")
        for left in folder.glob("fresh-*"):
            left.unlink()


def test_a_writer_that_dies_at_any_statement_of_a_batch(lived, tmp_path, monkeypatch):
    log, path = tmp_path / "gate.log", tmp_path / "gate.db"
    log.write_bytes(lived.read_bytes()[:6_000])
    for statements in range(100):
        for left in tmp_path.glob("gate.db*"):
            left.unlink()
        with monkeypatch.context() as patched:
            patched.setattr(store, "connect", dying(store.connect, statements))
            with contextlib.suppress(DeathError):
                project(log, path, 10).close()
        if has_schema(path):
            assert verify(path, log).differences == (), statements
    assert verify(path, log).position.records > 20, "it came far enough"


def test_a_writer_killed_at_any_moment(lived, whole, tmp_path):
    path = tmp_path / "killed.db"
    chance = random.Random(7)
    kills = 0
    for _ in range(12):
        words = [sys.executable, "-c", WRITER, str(lived), str(path), "11", f"{chance.uniform(0.001, 0.02)}"]
        died = subprocess.run(words, stdout=subprocess.PIPE, text=True)
        assert died.returncode in (0, -signal.SIGPROF)
        kills += died.returncode != 0
        if has_schema(path):
            assert content(path)["log_position"], "the schema is there whole, or not at all"
            assert verify(path, lived).differences == ()
    assert kills > 2, "they all came to their end: kill them earlier"
    project(lived, path).close()
    assert content(path) == whole


def test_two_writers_of_one_journal_write_each_row_once(lived, whole, tmp_path):
    path = tmp_path / "two.db"
    one, other = Projector(lived, path), Projector(lived, path)
    chance = random.Random(3)
    while one.advance(chance.randint(1, 40)) + other.advance(chance.randint(1, 40)):
        pass
    one.close()
    other.close()
    assert content(path) == whole


def test_a_log_that_lost_its_end_makes_the_journal_anew(lived, tmp_path):
    log, path = tmp_path / "gate.log", tmp_path / "gate.db"
    whole = lived.read_bytes()
    log.write_bytes(whole)
    project(log, path).close()
    # As a machine's death leaves it without log.sync: the journal has more than the log.
    log.write_bytes(whole[: len(whole) // 2])
    projector = project(log, path)
    projector.close()
    [(aside, fault)] = projector.aside
    assert aside.name == "gate.db.stale-1"
    assert "holds what the log" in fault
    assert content(path) == fresh(log, tmp_path / "fresh.db")
    assert verify(aside, lived).differences == (), "what was set aside can still be read"


@pytest.mark.parametrize("bytes_", [0, 16])
def test_a_log_with_nothing_in_it_is_an_empty_journal(lived, tmp_path, bytes_):
    log = tmp_path / "gate.log"
    log.write_bytes(lived.read_bytes()[:bytes_])
    projector = project(log, tmp_path / "j.db")
    assert (projector.position.records, projector.behind_bytes()) == (0, bytes_)
    projector.close()
