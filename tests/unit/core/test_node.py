"""A node: how it starts, ends, is told to stop, and what it leaves behind: nothing."""

import asyncio
import gc
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from libra.core.actor import Actor, ActorState
from libra.core.events import EventType
from libra.core.node import Node, NodeOptions
from libra.core.own_loop import end_undisturbed
from libra_core import PanicException


class Counter(Actor):
    def __init__(self, log):
        super().__init__()
        self.record = log

    def on_quote(self, quote):
        self.record.append(quote)


def count(kind):
    """Descriptors (``fd``) or threads (``task``) of this process."""
    return len(list(Path(f"/proc/self/{kind}").iterdir()))


def interrupt_myself():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(1)


def ended(predicate, within_s=3.0):
    """True when a condition comes true in time."""
    until = time.monotonic() + within_s
    while not predicate():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def test_many_nodes_in_one_process_leave_no_thread_and_no_descriptor(stage):
    def one(simulated):
        log = []
        set_up = stage(simulated=simulated)
        if simulated:
            set_up.quotes(0, 1)
        set_up.add("counter", lambda: Counter(log))
        outcome = set_up.run()
        assert (outcome.why, outcome.errors) == ("ended", 0)
        return len(log)

    assert one(True) == 2
    assert one(False) == 0
    gc.collect()
    threads, open_fds = threading.active_count(), count("fd")
    native = count("task")
    for _ in range(10):
        one(True)
        one(False)
    gc.collect()
    assert threading.active_count() == threads
    assert ended(lambda: count("task") <= native)
    assert count("fd") <= open_fds


def test_a_node_runs_once(stage):
    set_up = stage()
    set_up.quotes(0)
    set_up.run()
    with pytest.raises(RuntimeError, match="runs once"):
        set_up.run()


def test_one_node_after_the_other_gives_the_same_run(stage):
    def one():
        log = []

        class Trader(Actor):
            async def on_quote(self, quote):
                self.emit(EventType.SIGNAL, {"n": self.random.random()})
                await self.clock.sleep(0.5)
                log.append(self.current_event.trace_id)

        set_up = stage(seed=3)
        set_up.quotes(0, 1, 2)
        set_up.add("trader", Trader)
        set_up.run()
        return log, set_up.node.core.digest()

    first, second = one(), one()
    assert first == second
    assert first[1] is not None


def test_a_simulated_node_inside_another_is_refused_and_harms_it_not(stage):
    log = []
    inner = stage()
    inner.quotes(0)

    class Nesting(Actor):
        async def on_quote(self, quote):
            try:
                await inner.node.run_async()
            except RuntimeError as error:
                log.append(str(error))
            log.append(self.clock.now_ns() == quote.ts_ns)

    outer = stage()
    outer.quotes(0, 1)
    outer.add("nesting", Nesting)
    outcome = outer.run()
    assert outcome.errors == 0
    assert log == ["another simulated node runs on this thread", True, "a node runs once: make another one", True]


def test_two_live_nodes_side_by_side_do_not_disturb_each_other(stage):
    async def both():
        seen = {"a": [], "b": []}

        class Talker(Actor):
            def on_start(self):
                self.subscribe(EventType.BAR)
                self.set_timer("t", 0.001, interval_s=0.002)

            def on_timer(self, name):
                self.emit(EventType.BAR, {"of": self.name})

            def on_event(self, event):
                seen[self.name].append(event.payload["of"])

        nodes = []
        for name in seen:
            set_up = stage(simulated=False, signals=False)
            set_up.node.endless = True
            set_up.add(name, Talker)
            nodes.append(set_up.node)
        runs = [asyncio.create_task(node.run_async()) for node in nodes]
        await asyncio.sleep(0.1)
        nodes[0].stop()
        await runs[0]
        count = len(seen["b"])
        await asyncio.sleep(0.05)
        assert len(seen["b"]) > count
        nodes[1].stop()
        await runs[1]
        assert set(seen["a"]) == {"a"}
        assert set(seen["b"]) == {"b"}

    asyncio.run(both())


@pytest.mark.parametrize("simulated", [True, False])
def test_a_stop_from_another_thread_ends_the_run(stage, simulated):
    log = []

    class Stopped(Actor):
        def on_start(self):
            self.set_timer("t", 0.01, interval_s=0.01)

        def on_timer(self, name):
            pass

        def on_stop(self):
            log.append("on_stop")

    set_up = stage(simulated=simulated, speed=1.0 if simulated else 0.0)
    set_up.quotes(0, 3600)
    set_up.node.endless = True
    set_up.add("stopped", Stopped)
    threading.Timer(0.1, set_up.node.stop).start()
    began = time.monotonic()
    outcome = set_up.run()
    assert time.monotonic() - began < 5
    assert (outcome.why, outcome.drained, log) == ("stop", True, ["on_stop"])


def test_a_stop_before_the_run_ends_it_at_once(stage):
    set_up = stage(simulated=False)
    set_up.node.endless = True
    set_up.add("actor", Actor)
    set_up.node.stop()
    assert set_up.run().why == "stop"


def test_a_live_run_of_some_seconds_has_ended_and_was_not_stopped(stage):
    set_up = stage(simulated=False, duration_s=0.05)
    set_up.node.endless = True
    set_up.add("actor", Actor)
    outcome = set_up.run()
    assert outcome.why == "ended"
    assert outcome.duration_s > 0.04
    assert set_up.node.core.digest() is None


def test_a_simulated_run_ends_at_its_duration_with_everything_before_it(stage):
    log = []
    set_up = stage(duration_s=2.0)
    set_up.quotes(0, 1, 2, 2.001, 3)
    set_up.add("counter", lambda: Counter(log))
    outcome = set_up.run()
    assert [str(quote.bid) for quote in log] == ["100.00", "101.00", "102.00"]
    assert outcome.why == "ended"


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_and_a_second_delivery_of_it_is_the_same_one(stage, which):
    """Also when the drain was quicker than the second delivery."""
    before = [signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)]
    set_up = stage(simulated=False)
    set_up.node.endless = True
    set_up.add("actor", Actor)
    threading.Timer(0.1, lambda: os.kill(os.getpid(), which)).start()
    outcome = set_up.run()
    assert (outcome.why, outcome.drained) == ("stop", True)
    for _ in range(5):
        os.kill(os.getpid(), which)
        time.sleep(0.01)
    assert [signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)] == before


def test_signals_are_given_back_half_a_second_after_the_one_that_stopped_the_node(stage):
    for _ in range(2):  # a second node in between must not take the first one's handler for the user's
        set_up = stage(simulated=False)
        set_up.node.endless = True
        set_up.add("actor", Actor)
        threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        assert set_up.run().why == "stop"
    time.sleep(0.6)
    with pytest.raises(KeyboardInterrupt):
        interrupt_myself()


def test_a_node_that_no_signal_stopped_gives_them_back_at_once(stage):
    set_up = stage()
    set_up.quotes(0)
    set_up.add("actor", Actor)
    set_up.run()
    with pytest.raises(KeyboardInterrupt):
        interrupt_myself()


@pytest.mark.parametrize("goes_on", [False, True])
def test_a_handler_that_never_ends_is_cancelled_and_named_when_the_node_stops(stage, caplog, goes_on):
    """One that ends by it is followed by `on_stop`; of one that goes on the instance has failed."""
    log = []

    class Stuck(Actor):
        async def on_quote(self, quote):
            try:
                await asyncio.Event().wait()
            finally:
                log.append("cleaned up")
                if goes_on:
                    await asyncio.Event().wait()

        def on_stop(self):
            log.append("on_stop")

    class Fine(Actor):
        def on_stop(self):
            log.append("fine")

    set_up = stage()
    set_up.quotes(0, 1)
    set_up.add("fine", Fine)
    set_up.add("stuck", Stuck)
    threading.Timer(0.05, set_up.node.stop).start()
    outcome = set_up.run()
    assert log == (["cleaned up", "fine"] if goes_on else ["cleaned up", "on_stop", "fine"])
    assert (outcome.why, outcome.drained, outcome.failed) == ("stop", False, ["stuck"] if goes_on else [])
    stuck = ActorState.FAILED if goes_on else ActorState.STOPPED
    assert set_up.node.actor_states() == {"fine": ActorState.STOPPED, "stuck": stuck}
    assert "actor stuck: its handler of QUOTE awaits something" in caplog.text
    assert ("actor stuck: its handler did not end within the drain's time" in caplog.text) is goes_on


def test_an_on_stop_that_never_ends_is_cancelled_and_named(stage, caplog):
    class Stuck(Actor):
        async def on_stop(self):
            await asyncio.Event().wait()

    set_up = stage()
    set_up.quotes(0)
    set_up.add("stuck", Stuck)
    outcome = set_up.run()
    assert (outcome.drained, outcome.failed) == (False, ["stuck"])


def test_an_on_stop_may_sleep_on_a_live_clock(stage):
    log = []

    class Slow(Actor):
        async def on_stop(self):
            await self.clock.sleep(0.05)
            log.append("slept")

    set_up = stage(simulated=False)
    set_up.add("slow", Slow)
    outcome = set_up.run()
    assert (log, outcome.drained, outcome.failed) == (["slept"], True, [])


def test_actors_stop_in_the_reverse_order_of_their_start_and_what_they_leave_is_handled(stage):
    log = []

    class Layer(Actor):
        def on_start(self):
            log.append(f"start {self.name}")
            self.subscribe(EventType.BAR)

        def on_event(self, event):
            log.append(f"{self.name} hears {event.source}")

        async def on_stop(self):
            await asyncio.sleep(0)
            self.emit(EventType.BAR)
            log.append(f"stop {self.name}")

    set_up = stage()
    set_up.quotes(0)
    for name in "abc":
        set_up.add(name, Layer)
    set_up.run()
    assert log[:4] == ["start a", "start b", "start c", "stop c"]
    assert sorted(log[4:7]) == ["a hears c", "b hears c", "c hears c"]
    assert log[7] == "stop b"
    assert sorted(log[8:10]) == ["a hears b", "b hears b"]
    assert log[10:] == ["stop a", "a hears a"]


def test_events_that_wait_are_handled_before_the_node_stops(stage):
    log = []

    class Burst(Actor):
        def on_quote(self, quote):
            for n in range(5_000):
                self.actor("sink").tell(n)
            set_up.node.stop()

    class Sink(Actor):
        def on_message(self, message):
            log.append(message)

    set_up = stage()
    set_up.quotes(0, 1)
    set_up.add("sink", Sink)
    set_up.add("burst", Burst)
    outcome = set_up.run()
    assert log == list(range(5_000))
    assert outcome.drained


@pytest.mark.parametrize(("limit", "drained"), [(0, False), (1_000, True)])
def test_actors_that_tell_each_other_for_ever_can_be_stopped(stage, limit, drained):
    """Without a limit they go on through the drain; with one they have come to an end before."""

    class Pong(Actor):
        def on_start(self):
            if self.name == "a":
                self.actor("b").tell(0)

        def on_message(self, message):
            self.actor("b" if self.name == "a" else "a").tell(message + 1)

    set_up = stage(publish_limit=limit)
    set_up.quotes(0, 1)
    set_up.add("b", Pong)
    set_up.add("a", Pong)
    threading.Timer(0.1, set_up.node.stop).start()
    outcome = set_up.run()
    assert (outcome.why if limit == 0 else "stop", outcome.drained) == ("stop", drained)


@pytest.mark.parametrize("spin", [False, True])
def test_a_live_node_without_inputs_ends_when_nothing_is_left_to_do(stage, spin):
    log = []

    class Works(Actor):
        def on_start(self):
            self.ref.tell(3)

        async def on_message(self, message):
            await asyncio.sleep(0.002)
            log.append(message)
            if message:
                self.ref.tell(message - 1)

    set_up = stage(simulated=False, spin=spin)
    set_up.add("works", Works)
    outcome = set_up.run()
    assert log == [3, 2, 1, 0]
    assert (outcome.why, outcome.drained) == ("ended", True)


def test_a_run_that_is_cancelled_from_outside_still_drains(stage):
    log = []

    class Watched(Actor):
        def on_stop(self):
            log.append("on_stop")

    async def main():
        set_up = stage(simulated=False)
        set_up.node.endless = True
        set_up.add("watched", Watched)
        run = asyncio.create_task(set_up.node.run_async())
        await asyncio.sleep(0.05)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(main())
    assert log == ["on_stop"]


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("simulated", [True, False])
def test_a_keyboard_interrupt_inside_a_handler_ends_the_program_after_a_drain(stage, simulated, is_async):
    """Where the node does not take signals itself."""
    log = []

    class Interrupted(Actor):
        def on_start(self):
            self.ref.tell("now")

        def interrupt(self):
            raise KeyboardInterrupt

        if is_async:

            async def on_message(self, message):
                await asyncio.sleep(0)
                self.interrupt()

        else:

            def on_message(self, message):
                self.interrupt()

        def on_stop(self):
            log.append("on_stop")

    set_up = stage(simulated=simulated, signals=False)
    set_up.add("interrupted", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        set_up.run()
    assert log == ["on_stop"]


def test_a_node_in_a_thread_takes_no_signals(stage):
    set_up = stage(simulated=False)
    set_up.node.endless = True
    set_up.add("actor", Actor)
    handler = signal.getsignal(signal.SIGINT)
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(set_up.run()))
    thread.start()
    time.sleep(0.1)
    with pytest.raises(KeyboardInterrupt):
        interrupt_myself()
    set_up.node.stop()
    thread.join(5)
    assert outcomes[0].why == "stop"
    assert signal.getsignal(signal.SIGINT) is handler


def test_how_long_handlers_take_changes_nothing(stage):
    """A slow handler, sync or async, must not change who runs first: the digest would differ."""

    def one(work_s):
        class Slow(Actor):
            async def on_quote(self, quote):
                time.sleep(work_s)
                self.emit(EventType.BAR, {"of": self.name})

        class Fan(Actor):
            def on_start(self):
                self.subscribe(EventType.BAR)

            async def on_event(self, event):
                time.sleep(work_s)
                for n in range(20):
                    self.emit(EventType.SIGNAL, {"n": n})

        class Sink(Actor):
            def on_signal(self, signal):
                self.emit(EventType.TICK, signal)

        set_up = stage()
        set_up.quotes(0, 0, 1, 2)
        for name, actor in (("a", Slow), ("b", Slow), ("fan", Fan), ("sink", Sink)):
            set_up.add(name, actor)
        assert set_up.run().errors == 0
        return set_up.node.core.digest()

    assert one(0.0) == one(0.008)


def test_progress_is_told_while_the_run_goes_on(stage):
    told = []
    set_up = stage(simulated=False, duration_s=0.2)
    set_up.node.endless = True
    set_up.add("actor", Actor)
    set_up.node.run_blocking(lambda: told.append(1), 0.02)
    assert len(told) >= 2


def test_an_async_actor_with_much_to_do_does_not_keep_others_waiting(stage):
    """Orders of others come first, whatever waits for it."""
    log = []

    class Busy(Actor):
        async def on_message(self, message):
            log.append("m")
            if message == 10:
                self.emit(EventType.ORDER_REQUEST, {})

    class Urgent(Actor):
        def on_start(self):
            self.subscribe(EventType.ORDER_REQUEST)
            for n in range(2_000):
                self.actor("busy").tell(n)

        def on_event(self, event):
            log.append("urgent")

    set_up = stage(simulated=False)
    set_up.add("busy", Busy)
    set_up.add("urgent", Urgent)
    set_up.run()
    assert log.count("m") == 2_000
    assert log.index("urgent") <= 12


def test_options_have_their_defaults():
    node = Node(NodeOptions())
    assert (node.options.simulated, node.options.seed, node.options.signals) == (False, 1, True)
    assert node.errors == 0


def test_a_keyboard_interrupt_inside_on_stop_ends_the_program(stage):
    class Stops(Actor):
        def on_stop(self):
            raise KeyboardInterrupt

    set_up = stage(signals=False)
    set_up.quotes(0)
    set_up.add("stops", Stops)
    with pytest.raises(KeyboardInterrupt):
        set_up.run()


def test_a_loop_that_spins_handles_what_comes_and_ends_when_told(stage):
    log = []

    class Ticks(Actor):
        def on_start(self):
            self.set_timer("tick", 0.001, interval_s=0.001)

        def on_timer(self, name):
            log.append(name)
            self.ref.tell(len(log))

        async def on_message(self, message):
            await self.clock.sleep(0.001)
            log.append(message)
            if message == 1:
                set_up.node.stop()

    set_up = stage(simulated=False, spin=True)
    set_up.node.endless = True
    set_up.add("ticks", Ticks)
    outcome = set_up.run()
    assert log[:2] == ["tick", 1]
    assert (outcome.why, outcome.errors, outcome.drained) == ("stop", 0, True)


def test_an_async_handler_finishes_what_another_left_when_it_stopped(stage):
    log = []

    class Async(Actor):
        async def on_message(self, message):
            for _ in range(3):
                await asyncio.sleep(0)
            log.append(message)

        def on_stop(self):
            log.append("stop")

    class Leaves(Actor):
        def on_stop(self):
            self.actor("async").tell("the last word")

    set_up = stage()
    set_up.quotes(0)
    set_up.add("async", Async)
    set_up.add("leaves", Leaves)
    outcome = set_up.run()
    assert (log, outcome.drained) == (["the last word", "stop"], True)


def test_what_is_under_way_when_no_answer_is_waited_for_any_longer_comes_to_its_end(stage):
    """A gateway that asks its venue again and again is at rest between two of its questions only."""

    class Asks(Actor):
        def on_start(self):
            asks.tell("anything new?")

        async def on_message(self, message):
            await asyncio.sleep(0.02)
            asyncio.get_running_loop().call_later(0.005, asks.tell, message)

    set_up = stage(simulated=False, drain_timeout_s=5.0)
    asks = set_up.add("asks", Asks)
    set_up.node.endless = True
    set_up.node._awaits_answers = lambda: True
    threading.Timer(0.1, set_up.node.stop).start()
    outcome = set_up.run()
    assert (outcome.why, outcome.drained) == ("stop", True)


def test_a_keyboard_interrupt_during_the_drain_ends_the_program_too(stage):
    log = []

    class Interrupted(Actor):
        async def on_message(self, message):
            await asyncio.sleep(0)
            raise KeyboardInterrupt

        def on_stop(self):
            log.append("on_stop")

    class Leaves(Actor):
        def on_stop(self):
            self.actor("interrupted").tell("now")

    set_up = stage(signals=False)
    set_up.quotes(0)
    set_up.add("interrupted", Interrupted)
    set_up.add("leaves", Leaves)
    with pytest.raises(KeyboardInterrupt):
        set_up.run()
    assert log == ["on_stop"]


def test_a_keyboard_interrupt_behind_an_async_handler_ends_the_program_too(stage):
    """There a sync handler runs in the actor's task."""
    log = []

    class Interrupted(Actor):
        def on_start(self):
            self.subscribe(EventType.ORDER_NEW, self.interrupt)

        async def on_message(self, message):
            self.emit(EventType.ORDER_NEW, {})
            await asyncio.sleep(0)
            log.append(message)

        def interrupt(self, event):
            raise KeyboardInterrupt

        def on_stop(self):
            log.append("on_stop")

    set_up = stage(signals=False)
    set_up.add("interrupted", Interrupted).tell("first")
    with pytest.raises(KeyboardInterrupt):
        set_up.run()
    assert log == ["first", "on_stop"]


class Disk:
    """The native side of a node with a disk that flushes, or does not."""

    def __init__(self, core: object, *, is_flushed: bool) -> None:
        self._core = core
        self._is_flushed = is_flushed

    def __getattr__(self, name: str) -> object:
        return getattr(self._core, name)

    def flush_logs(self) -> bool:
        return self._is_flushed


@pytest.mark.parametrize(("simulated", "is_flushed"), [(True, True), (False, True), (True, False)])
def test_a_panic_of_the_core_ends_the_run_and_nothing_more_is_handled(stage, caplog, simulated, is_flushed):
    log = []

    class Panics(Actor):
        def on_start(self):
            self.set_timer("panic", 0.01, interval_s=0.01)

        def on_timer(self, name):
            log.append(name)
            raise PanicException("half done")

        def on_stop(self):
            log.append("stopped")

    set_up = stage(simulated=simulated)
    set_up.node.endless = True
    set_up.quotes(0, 1)
    set_up.add("panics", Panics)
    set_up.node.core = Disk(set_up.node.core, is_flushed=is_flushed)
    with pytest.raises(PanicException, match="half done"):
        set_up.run()
    assert log == ["panic"]
    assert ("the disk did not flush the order log" in caplog.text) is not is_flushed
    assert set_up.node.failed == [], "it is a fault of ours"


def test_a_node_that_takes_too_much_memory_drains_and_says_so(stage, caplog):
    stopped = []

    class Sits(Actor):
        def on_stop(self):
            stopped.append(self.name)

    set_up = stage(simulated=False, max_rss_bytes=1 << 20)
    set_up.node.endless = True
    set_up.add("sits", Sits)
    outcome = set_up.run()
    assert (outcome.why, outcome.drained, stopped) == ("memory", True, ["sits"])
    [message] = [row.getMessage() for row in caplog.records if "memory" in row.getMessage()]
    assert message.endswith("MB of memory are in use, and 1 MB are allowed")


def test_behind_a_run_that_was_stopped_by_ctrl_c_another_one_is_passed_over():
    before = signal.getsignal(signal.SIGINT)
    try:
        end_undisturbed(time.monotonic() - 1)
        assert signal.getsignal(signal.SIGINT) is before
        end_undisturbed(time.monotonic() + 3_600)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
