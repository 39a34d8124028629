"""Snapshots: what an actor carries over a restart, a run and a process, and what it costs when that goes wrong."""

import msgspec
import pytest

from libra.core import snapshot_files
from libra.core.actor import Actor
from libra.core.snapshot_files import SnapshotFiles
from libra.core.supervision import RestartPolicy, RestartStrategy

POLICY = RestartPolicy(max_restarts=5, backoff_s=0.1, jitter=0)


class Counts(Actor):
    """Counts quotes; its state is the count."""

    snapshot_interval_s = 0.0
    record: list
    fails_at: tuple = ()

    def on_start(self):
        self.count = getattr(self, "count", 0)
        self.record.append(("start", self.count))

    def on_quote(self, quote):
        self.count += 1
        if int(quote.bid) in self.fails_at:
            raise ValueError("no")

    def snapshot(self):
        return {"count": self.count}

    def restore(self, state):
        assert self.name == "counts", "it knows who it is by now"
        self.count = state["count"]


@pytest.fixture
def run(stage, tmp_path):
    """Runs an actor in a node of its own; gives its record, the outcome and the node."""

    def run(base=Counts, *, seconds=6, state_dir=None, run_options=None, **changes):
        record = []
        made = type("Made", (base,), {"record": record, "__module__": "made", "__qualname__": "Made", **changes})
        set_up = stage(restarts=POLICY, state_dir=state_dir, **(run_options or {}))
        set_up.quotes(*range(seconds))
        set_up.add("counts", made)
        outcome = set_up.run()
        return record, outcome, set_up.node

    return run


def test_a_fresh_instance_gets_the_last_state_before_it_starts(run):
    # At 1 s, 2 s... a snapshot, after the quote of that second (which came first); the one that fails is not in it.
    record, outcome, _node = run(snapshot_interval_s=1.0, fails_at=(103,))
    assert record == [("start", 0), ("start", 3)]
    assert outcome.errors == 1


def test_without_an_interval_a_failure_has_nothing_to_carry_over(run):
    assert run(fails_at=(103,))[0] == [("start", 0), ("start", 0)]


def test_an_actor_that_takes_no_part_is_never_asked(run):
    def never(self, *_):
        raise AssertionError("asked")

    record, outcome, node = run(snapshot_interval_s=None, snapshot=never, restore=never, fails_at=(103,))
    assert (record, outcome.errors, node.snapshot_errors) == ([("start", 0), ("start", 0)], 1, 0)


def test_being_taken_down_in_order_carries_everything_over(stage):
    record = []

    class Fails(Actor):
        def on_quote(self, quote):
            if quote.bid == 103:
                raise ValueError("no")

    set_up = stage(restarts=POLICY)
    set_up.quotes(*range(6))
    set_up.node.add_group("g", strategy=RestartStrategy.REST_FOR_ONE)
    set_up.node.add_actor("first", Fails, group="g")
    set_up.node.add_actor("counts", type("Made", (Counts,), {"record": record}), group="g")
    assert set_up.run().errors == 1
    assert record == [("start", 0), ("start", 3)], "the fourth quote waits and is the next instance's"


@pytest.mark.parametrize("broken", ["raises", "cannot be encoded"])
def test_a_snapshot_that_fails_is_counted_and_the_one_before_stays(run, caplog, broken):
    def snapshot(self):
        if self.count < 3:
            return {"count": self.count}
        if broken == "raises":
            raise SystemExit("no")
        return {"self": self}

    record, outcome, node = run(snapshot_interval_s=1.0, snapshot=snapshot, fails_at=(104,))
    assert record == [("start", 0), ("start", 2)]
    assert (outcome.errors, outcome.failed) == (1, [])
    assert node.snapshot_errors >= 3
    assert "actor counts: its snapshot could not be taken" in caplog.text


def test_a_state_that_cannot_be_restored_costs_only_the_state(run, caplog):
    made = []

    def restore(self, state):
        made.append(self)
        self.count = 1_000_000
        self.set_timer("left behind", 0.1)
        raise KeyError("count")

    def on_timer(self, name):
        self.record.append(name)

    record, outcome, node = run(snapshot_interval_s=1.0, restore=restore, on_timer=on_timer, fails_at=(103,))
    assert record == [("start", 0), ("start", 0)], "a clean instance, and no timer of the half restored one"
    assert (len(made), outcome.errors, node.snapshot_errors) == (1, 1, 1)
    assert "starts without its snapshot, which could not be restored: KeyError" in caplog.text


@pytest.mark.parametrize("where", ["snapshot", "restore"])
def test_a_keyboard_interrupt_is_no_failure_of_a_snapshot(run, where):
    def interrupted(self, *_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(snapshot_interval_s=1.0, fails_at=(103,), run_options={"signals": False}, **{where: interrupted})


def test_a_state_of_none_is_no_snapshot(run, tmp_path):
    run(snapshot=lambda self: None, state_dir=tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_the_next_run_goes_on_where_the_last_one_stopped(run, tmp_path):
    folder = tmp_path / "deep" / "state"
    assert run(state_dir=folder)[0] == [("start", 0)]
    record, _outcome, node = run(state_dir=folder)
    assert record == [("start", 6)]
    assert run(state_dir=folder)[0] == [("start", 12)]
    assert [path.name for path in folder.iterdir()] == ["counts.snapshot"]
    assert node.core.digest() != run(state_dir=tmp_path / "other")[2].core.digest(), "another beginning, another run"


@pytest.mark.parametrize("simulated", [True, False])
def test_on_stop_is_part_of_what_is_saved(stage, tmp_path, simulated):
    restored = []

    class Tidy(Actor):
        snapshot_interval_s = 0.0
        state_of_mine = "running"

        async def on_stop(self):
            await self.clock.sleep(0)
            self.state_of_mine = "tidy"

        def snapshot(self):
            return self.state_of_mine

        def restore(self, state):
            restored.append(state)

    for _ in range(2):
        set_up = stage(simulated=simulated, state_dir=tmp_path)
        if simulated:
            set_up.quotes(0)
        set_up.add("tidy", Tidy)
        assert set_up.run().drained
    # In simulated time no time passes any more, so a sleeping `on_stop` is cancelled, and has not ended as it should.
    assert restored == ([] if simulated else ["tidy"])


def test_an_on_stop_that_raises_leaves_the_snapshot_before(run, tmp_path):
    def on_stop(self):
        self.count = -1
        raise ValueError("no")

    run(state_dir=tmp_path, snapshot_interval_s=1.0, on_stop=on_stop)
    assert run(state_dir=tmp_path)[0] == [("start", 5)]


def test_an_on_stop_that_is_cut_short_leaves_the_snapshot_before(run, tmp_path):
    async def on_stop(self):
        self.count = -1
        # That time stands still by then.
        await self.clock.sleep(1)

    run(state_dir=tmp_path, snapshot_interval_s=1.0, on_stop=on_stop)
    assert run(state_dir=tmp_path)[0] == [("start", 5)]


@pytest.mark.parametrize("change", [{"snapshot_version": 2}, {"__qualname__": "Other"}])
def test_a_snapshot_of_another_class_or_version_is_put_aside(run, tmp_path, caplog, change):
    run(state_dir=tmp_path)
    before = (tmp_path / "counts.snapshot").read_bytes()
    record, outcome, node = run(state_dir=tmp_path, **change)
    assert (record, outcome.errors, node.snapshot_errors) == ([("start", 0)], 0, 1)
    assert "actor counts starts without its snapshot: that is of made.Made, version 1" in caplog.text
    assert (tmp_path / "counts.snapshot.refused").read_bytes() == before
    assert (tmp_path / "counts.snapshot").read_bytes() != before


@pytest.mark.parametrize("damage", ["cut", "no msgpack", "other actor", "other format", "a folder"])
def test_a_file_that_is_not_what_it_should_be_is_put_aside(run, tmp_path, caplog, damage):
    run(state_dir=tmp_path)
    path = tmp_path / "counts.snapshot"
    data = path.read_bytes()
    if damage == "a folder":
        path.unlink()
        path.mkdir()
    else:
        tree = msgspec.msgpack.decode(data)
        path.write_bytes(
            {
                "cut": data[:-3],
                "no msgpack": b"\xc1",
                "other actor": msgspec.msgpack.encode({**tree, "actor": "somebody"}),
                "other format": msgspec.msgpack.encode({**tree, "format": 9}),
            }[damage]
        )
    record, _outcome, node = run(state_dir=tmp_path)
    assert (record, node.snapshot_errors) == ([("start", 0)], 1)
    assert "cannot be read" in caplog.text
    assert path.is_file()
    assert (tmp_path / "counts.snapshot.refused").exists()
    assert run(state_dir=tmp_path)[0] == [("start", 6)]


def test_a_folder_that_cannot_be_written_is_an_error_in_the_log(run, tmp_path, caplog):
    (tmp_path / "file").write_text("no folder")
    record, outcome, node = run(state_dir=tmp_path / "file" / "state")
    assert (record, outcome.failed) == ([("start", 0)], [])
    assert node.snapshot_errors == 3, "neither read, nor put aside, nor written"
    assert "its snapshot could not be written" in caplog.text


def test_a_write_that_fails_half_way_leaves_the_file_before(run, tmp_path, monkeypatch):
    run(state_dir=tmp_path)
    before = (tmp_path / "counts.snapshot").read_bytes()
    with monkeypatch.context() as broken:
        broken.setattr("libra.core.snapshot_files.os.fsync", _full)
        assert run(state_dir=tmp_path)[2].snapshot_errors == 1
    assert (tmp_path / "counts.snapshot").read_bytes() == before
    assert run(state_dir=tmp_path)[0] == [("start", 6)]


def _full(_descriptor):
    raise OSError("no space left on the device")


def test_what_cannot_be_put_aside_is_said_too(run, tmp_path, monkeypatch):
    run(state_dir=tmp_path)
    monkeypatch.setattr(snapshot_files, "_free_name", lambda path: path / "below" / "a file")
    assert run(state_dir=tmp_path, snapshot_version=2)[2].snapshot_errors == 2


def test_what_was_put_aside_before_stays(run, tmp_path):
    for version in (1, 2, 3):
        run(state_dir=tmp_path, snapshot_version=version)
    aside = ("counts.snapshot.refused", "counts.snapshot.refused-2")
    kept = [msgspec.msgpack.decode((tmp_path / name).read_bytes()) for name in aside]
    assert [snapshot["version"] for snapshot in kept] == [1, 2]


def test_names_of_actors_are_safe_names_of_files(tmp_path):
    paths = [SnapshotFiles(tmp_path).path(name) for name in ("..", "a/b", "a%2Fb", "a", "../../etc")]
    assert len({path.name for path in paths}) == 5
    assert {path.parent for path in paths} == {tmp_path}


def test_an_actor_that_stopped_before_its_timer_gives_no_second_snapshot(stage):
    """A snapshot's timer that finds no instance does nothing."""
    set_up = stage()
    set_up.add("actor", Actor)
    set_up.node.take_snapshot(set_up.node.find_slot("actor"))
    assert set_up.node.snapshot_errors == 0


def test_an_actor_without_a_state_of_its_own_carries_nothing_over(stage, tmp_path):
    class Plain(Actor):
        snapshot_interval_s = 0.5

        def on_quote(self, quote):
            if quote.bid == 102:
                raise ValueError("no")

    set_up = stage(restarts=POLICY, state_dir=tmp_path / "state")
    set_up.quotes(*range(4))
    set_up.add("plain", Plain)
    outcome = set_up.run()
    assert (outcome.errors, set_up.node.snapshot_errors, (tmp_path / "state").exists()) == (1, 0, False)


def test_a_state_that_never_was_a_file_is_dropped_when_it_cannot_be_restored(run, tmp_path):
    def restore(self, state):
        raise ValueError("no")

    record, outcome, node = run(snapshot_interval_s=1.0, restore=restore, fails_at=(103,), state_dir=tmp_path)
    assert record == [("start", 0), ("start", 0)]
    assert (outcome.errors, node.snapshot_errors) == (1, 1)
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".refused")] == []


@pytest.mark.parametrize("at_the_end", [True, False])
def test_a_snapshot_that_does_not_return_is_its_actors_failure(stage, at_the_end):
    class Hangs(Actor):
        snapshot_interval_s = 0.0 if at_the_end else 0.01

        def on_start(self):
            if at_the_end:
                set_up.node.stop()

        def snapshot(self):
            while True:
                pass

    class Watches(Actor):
        def on_start(self):
            self.watch("hangs")

        def on_terminated(self, terminated):
            if terminated.reason == "failed":
                set_up.node.stop()

    set_up = stage(
        simulated=False,
        slow_handler_s=0.02,
        handler_timeout_s=0.1,
        drain_timeout_s=20,
        restarts=RestartPolicy(max_restarts=0),
    )
    set_up.node.endless = True
    set_up.add("watches", Watches)
    set_up.add("hangs", Hangs)
    outcome = set_up.run()
    assert outcome.errors == 1
    assert outcome.failed == ([] if at_the_end else ["hangs"])
    assert set_up.node.blocking.counts["hangs"] >= 1
    assert set_up.node.snapshot_errors == 0


def test_one_that_hangs_while_it_takes_its_state_back_is_not_given_that_again(stage):
    lives = []

    class Hangs(Actor):
        snapshot_interval_s = 0.01

        def on_start(self):
            lives.append("start")
            if len(lives) == 1:
                self.set_timer("fail", 0.1)
            else:
                set_up.node.stop()

        def on_timer(self, name):
            raise ValueError("now")

        def snapshot(self):
            return 1

        def restore(self, state):
            lives.append("restore")
            while True:
                pass

    set_up = stage(
        simulated=False,
        slow_handler_s=0.02,
        handler_timeout_s=0.1,
        restarts=RestartPolicy(max_restarts=5, backoff_s=0.01),
    )
    set_up.node.endless = True
    set_up.add("hangs", Hangs)
    assert set_up.run().errors == 2
    assert lives == ["start", "restore", "start"]
