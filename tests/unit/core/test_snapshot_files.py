"""Snapshots on the disk: each of a live run is there as soon as it is taken, and no disk holds the loop up."""

import os
import threading
import time

import msgspec
import pytest

from libra.core import snapshot_files
from libra.core.actor import Actor
from libra.core.snapshot_files import SnapshotFiles


class State(msgspec.Struct):
    """What is kept here."""

    number: int


class Ticks(Actor):
    """Counts, and carries the count over; of what it did the test hears by ``seen``."""

    snapshot_interval_s = 0.02
    count = 0
    seen: list
    until = staticmethod(lambda count: count >= 10)
    stops: object

    def on_start(self):
        self.seen.append(self.count)
        self.set_timer("tick", 0.01, interval_s=0.01)

    def on_timer(self, name):
        self.count += 1
        if self.until(self.count):
            self.stops()

    def snapshot(self):
        return {"count": self.count}

    def restore(self, state):
        self.count = state["count"]


@pytest.fixture
def run(stage, tmp_path):
    """Runs the counter in a live node; gives what it began with, the outcome and the node."""

    def run(base=Ticks, *, options=None, **changes):
        seen = []
        set_up = stage(simulated=False, state_dir=tmp_path, **(options or {}))
        set_up.node.endless = True
        made = {"seen": seen, "stops": staticmethod(set_up.node.stop), "__module__": "made", "__qualname__": "Made"}
        set_up.add("ticks", type("Made", (base,), {**made, **changes}))
        outcome = set_up.run()
        return seen, outcome, set_up.node

    return run


def count_in(path):
    """The count in a file; None while there is none."""
    return msgspec.msgpack.decode(msgspec.msgpack.decode(path.read_bytes())["data"])["count"] if path.exists() else None


def test_a_snapshot_is_in_its_file_while_the_run_goes_on(run, tmp_path):
    path = tmp_path / "ticks.snapshot"
    in_the_file = []

    def until(count):
        in_the_file.append(count_in(path))
        return (in_the_file[-1] or 0) >= 5 or count > 1_000

    def on_stop(self):
        raise ValueError("no orderly end, so no last snapshot")

    run(until=staticmethod(until), on_stop=on_stop)
    assert len(in_the_file) > 5
    found = count_in(path)
    assert found >= in_the_file[-1]
    assert run()[0] == [found], "the next process goes on there"


def test_what_is_restored_is_told_with_its_age(run, caplog):
    caplog.set_level("INFO", "libra.core.snapshots")
    run()
    assert "goes on with its snapshot" not in caplog.text
    before = time.time()
    run()
    told = [record.getMessage() for record in caplog.records if "goes on with its snapshot" in record.getMessage()]
    assert len(told) == 1
    assert told[0].startswith("actor ticks goes on with its snapshot of 20")
    age_s = float(told[0].rpartition(", ")[2].removesuffix(" s ago"))
    assert 0 <= age_s <= time.time() - before + 2


def test_a_disk_that_hangs_holds_up_neither_the_loop_nor_the_end(run, monkeypatch, caplog):
    goes_on, hangs = threading.Event(), threading.Event()

    def fsync(descriptor):
        hangs.set()
        assert goes_on.wait(30)

    monkeypatch.setattr("libra.core.snapshot_files.os.fsync", fsync)
    monkeypatch.setattr("libra.core.node._SNAPSHOTS_S", 0.2)
    try:
        # It goes on to count while the disk hangs.
        began = time.monotonic()
        _, outcome, node = run(until=staticmethod(lambda count: hangs.is_set() and count >= 20))
        took = time.monotonic() - began
    finally:
        goes_on.set()
        # It writes on: the folder's `fsync` is nobody else's.
        for thread in threading.enumerate():
            if thread.name == "libra-snapshots":
                thread.join(30)
    assert outcome.drained
    assert (outcome.errors, node.snapshot_errors) == (0, 1)
    assert "the newest snapshots of ticks are in no file" in caplog.text
    assert took < 10, "20 ticks, and the end's own deadline"
    assert node.blocking.counts["ticks"] == 0


def test_a_disk_that_fails_is_told_once_and_again_when_it_works(run, monkeypatch, caplog, tmp_path):
    tries = []

    def fsync(descriptor, real=os.fsync):
        tries.append(descriptor)
        if len(tries) <= 3:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(snapshot_files, "_PAUSE_S", 0.0)
    monkeypatch.setattr("libra.core.snapshot_files.os.fsync", fsync)
    _, outcome, node = run(until=staticmethod(lambda count: len(tries) > 5))
    assert (outcome.errors, outcome.failed, node.snapshot_errors) == (0, [], 3)
    assert caplog.text.count("its snapshot could not be written") == 1
    assert caplog.text.count("its snapshots are written again") == 1
    assert "in no file" not in caplog.text
    assert count_in(tmp_path / "ticks.snapshot") > 0


def test_what_fails_to_the_end_is_tried_once_more_there_and_told(run, monkeypatch, caplog):
    tries = []

    def fsync(descriptor):
        tries.append(descriptor)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("libra.core.snapshot_files.os.fsync", fsync)
    _, outcome, _node = run(until=staticmethod(lambda count: bool(tries)))
    assert outcome.drained
    assert caplog.text.count("its snapshot could not be written") == 1
    assert "the newest snapshots of ticks are in no file: the next run begins with those before" in caplog.text


def test_in_simulated_time_they_are_written_at_the_end_only(stage, tmp_path):
    there = []

    class Looks(Actor):
        snapshot_interval_s = 1.0

        def on_quote(self, quote):
            # Long enough for a thread that were told of it.
            time.sleep(0.02)
            there.append((tmp_path / "looks.snapshot").exists())

        def snapshot(self):
            return 1

    set_up = stage(state_dir=tmp_path)
    set_up.quotes(*range(10))
    set_up.add("looks", Looks)
    set_up.run()
    assert there == [False] * 10
    assert (tmp_path / "looks.snapshot").exists()


def test_the_newest_state_waits_and_no_other(tmp_path, monkeypatch):
    goes_on, written = threading.Event(), []

    def write(path, data):
        assert goes_on.wait(30)
        written.append(msgspec.msgpack.decode(data)["number"])

    monkeypatch.setattr(snapshot_files, "_write", write)
    files = SnapshotFiles(tmp_path)
    for number in range(1_000):
        files.keep("a", State(number))
    goes_on.set()
    assert files.close(30) == []
    assert written[-1] == 999
    assert len(written) <= 2, "one that was begun, and the newest"


def test_what_was_put_aside_is_not_written_by_a_state_that_waited(tmp_path, monkeypatch):
    goes_on = threading.Event()
    monkeypatch.setattr(
        snapshot_files, "_write", lambda path, data, real=snapshot_files._write: (goes_on.wait(30), real(path, data))
    )
    files = SnapshotFiles(tmp_path)
    files.keep("a", State(1))
    files.keep("b", State(2))
    files.put_aside("b")
    files.keep("b", State(3))
    files.put_aside("c")
    files.keep("c", State(4))
    files.keep("d", State(5))
    files.put_aside("d")
    (tmp_path / "b.snapshot").write_bytes(b"of before")
    goes_on.set()
    assert files.close(30) == []
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert kept.pop("b.snapshot.refused") == b"of before"
    numbers = {name: msgspec.msgpack.decode(data)["number"] for name, data in kept.items()}
    assert numbers == {"a.snapshot": 1, "b.snapshot": 3, "c.snapshot": 4}
    assert files.errors == 0


def test_a_state_that_is_there_already_is_not_written_again(tmp_path, monkeypatch):
    written = threading.Event()
    calls = []
    monkeypatch.setattr(snapshot_files, "_write", lambda path, data: (calls.append(data), written.set()))
    files, state = SnapshotFiles(tmp_path), State(1)
    files.keep("a", state)
    assert written.wait(30)
    deadline = time.monotonic() + 30
    while files._there.get("a") is not state and time.monotonic() < deadline:
        time.sleep(0.001)
    files.keep("a", state)
    assert files.close(30) == []
    assert len(calls) == 1


def test_a_state_that_the_disk_has_not_taken_in_time_is_told(tmp_path, monkeypatch):
    begun, goes_on = threading.Event(), threading.Event()
    monkeypatch.setattr(snapshot_files, "_write", lambda path, data: (begun.set(), goes_on.wait(30)))
    files = SnapshotFiles(tmp_path)
    files.keep("a", State(1))
    assert begun.wait(30)
    assert (files.close(0.05), files.errors) == (["a"], 1)
    goes_on.set()
