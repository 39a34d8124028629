"""A handler that holds the loop: named with its line while it still does, counted, and not in every line of the log."""

import contextlib
import faulthandler
import gc
import json
import logging
import queue
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from libra.core import blocking
from libra.core.actor import Actor
from libra.core.blocking import Blocking
from libra.core.events import EventType
from libra.core.supervision import RestartPolicy


def load_until(predicate):
    """The line that blocks is a library's as often as not."""
    until = time.monotonic() + 20
    while not predicate() and time.monotonic() < until:
        json.loads('{"a": ' * 300 + "1" + "}" * 300, object_hook=lambda tree: tree)


def wait_until(predicate):
    """Hold the loop until the warning is there; a test that fails gives up after some time."""
    until = time.monotonic() + 20
    while not predicate() and time.monotonic() < until:
        time.sleep(0.001)


def spin_until(predicate):
    until = time.monotonic() + 20
    while not predicate() and time.monotonic() < until:
        pass


@pytest.mark.parametrize("simulated", [True, False])
@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize("block", [wait_until, spin_until, load_until])
def test_it_is_named_with_its_line_while_it_still_runs(stage, caplog, simulated, is_async, block):
    class Blocks(Actor):
        def work(self):
            block(lambda: set_up.node.blocking.counts["blocks"])

        if is_async:

            async def on_message(self, message):
                await self.clock.sleep(0)
                self.work()

        else:

            def on_message(self, message):
                self.work()

        def on_start(self):
            self.ref.tell("go")

    set_up = stage(simulated=simulated, slow_handler_s=0.02)
    if simulated:
        set_up.quotes(0, 1)
    set_up.add("blocks", Blocks)
    assert set_up.run().errors == 0
    assert set_up.node.blocking.counts == {"blocks": 1}
    [record] = [record for record in caplog.records if record.name == "libra.core.blocking"]
    assert record.levelno == logging.WARNING
    message = record.getMessage()
    assert message.startswith("actor blocks has blocked the loop for ")
    assert "test_blocking.py:" in message
    # The line itself, or where a library was called from.
    assert message.count(".py:") in (1, 2)


def test_start_and_stop_hooks_are_watched_too(stage):
    class Blocks(Actor):
        def on_start(self):
            wait_until(lambda: set_up.node.blocking.counts["blocks"] == 1)

        def on_stop(self):
            wait_until(lambda: set_up.node.blocking.counts["blocks"] == 2)

    set_up = stage(slow_handler_s=0.02, drain_timeout_s=30)
    set_up.quotes(0)
    set_up.add("blocks", Blocks)
    set_up.run()
    assert set_up.node.blocking.counts == {"blocks": 2}


@contextlib.contextmanager
def traced():
    """As under a debugger: where a trace function is set, an interpreter that is left with half an exception hangs.

    No Python would run any more to say so: then the process is ended.
    """
    before = sys.gettrace()
    faulthandler.dump_traceback_later(60, exit=True)
    if before is None:
        sys.settrace(lambda *_: None)
    try:
        yield
    finally:
        sys.settrace(before)
        faulthandler.cancel_dump_traceback_later()


@pytest.mark.parametrize("is_async", [False, True])
def test_a_handler_that_never_returns_is_ended_and_the_others_go_on(stage, is_async):
    log = []

    class Loops(Actor):
        def work(self):
            while True:
                with contextlib.suppress(Exception):
                    time.sleep(0)

        def on_start(self):
            log.append("start")
            self.ref.tell("go")

        if is_async:

            async def on_message(self, message):
                await self.clock.sleep(0)
                self.work()

        else:

            def on_message(self, message):
                self.work()

    class Fine(Actor):
        def on_start(self):
            self.watch("loops")

        def on_terminated(self, terminated):
            log.append(terminated.detail)
            if not terminated.comes_back:
                set_up.node.stop()

    restarts = RestartPolicy(max_restarts=1, backoff_s=0.01)
    set_up = stage(simulated=False, restarts=restarts, slow_handler_s=0.02, handler_timeout_s=0.1)
    set_up.node.endless = True
    set_up.add("fine", Fine)
    set_up.add("loops", Loops)
    with traced():
        outcome = set_up.run()
    assert log == ["start", "HandlerTimedOut: ", "start", "HandlerTimedOut: "]
    assert (outcome.failed, outcome.errors, outcome.drained) == (["loops"], 2, True)
    assert set_up.node.blocking.counts == {"loops": 2}


def test_what_is_meant_for_one_handler_never_reaches_another(stage):
    """Handlers that end just when their time is over: the exception is raised in them, or nowhere."""
    victims, tries = [], []

    class Late(Actor):
        def on_start(self):
            self.set_timer("again", 0.0, interval_s=0.001)

        def on_timer(self, name):
            tries.append(1)
            time.sleep(0.0006 * (len(tries) % 80))
            if len(tries) == 240:
                set_up.node.stop()

    class Innocent(Actor):
        def on_start(self):
            self.ref.tell(2_000)

        def on_message(self, left):
            victims.append(left)
            if left:
                self.ref.tell(left - 1)

    policy = RestartPolicy(max_restarts=1_000, backoff_s=0)
    # So long that a busy machine does not end the innocent one, too, whose own time would be over then.
    set_up = stage(simulated=False, restarts=policy, slow_handler_s=0.0, handler_timeout_s=0.03, drain_timeout_s=30)
    set_up.node.endless = True
    set_up.add("innocent", Innocent)
    set_up.add("late", Late)
    outcome = set_up.run()
    assert victims == list(range(2_000, -1, -1))
    assert outcome.failed == []
    assert set_up.node.dead_letters.counts().get("RAISED", {}).get("innocent") is None


def test_what_a_native_handler_never_met_is_taken_back(stage):
    """Its time is over while it waits in native code, and it returns without a step of Python in which to be ended."""
    answers = queue.SimpleQueue()
    told = []

    class Native(Actor):
        def on_start(self):
            # Given an event as its first argument, it waits for an answer, and returns what that is: None.
            self.subscribe(EventType.BAR, answers.get)
            self.emit(EventType.BAR)
            self.ref.tell("after it")
            self.actor("other").tell("after it")
            threading.Thread(target=answer).start()

        def on_message(self, message):
            told.append((self.name, message))

    class Other(Native):
        def on_start(self):
            pass

    def answer():
        wait_until(lambda: set_up.node.blocking.counts["native"])
        time.sleep(0.3)
        answers.put(None)

    set_up = stage(simulated=False, slow_handler_s=0.02, handler_timeout_s=0.05, drain_timeout_s=30)
    set_up.add("other", Other)
    set_up.add("native", Native)
    outcome = set_up.run()
    assert sorted(told) == [("native", "after it"), ("other", "after it")]
    assert (outcome.errors, outcome.failed) == (0, [])
    assert set_up.node.blocking.counts == {"native": 1}


def test_quick_handlers_are_never_named_however_many_there_are(stage):
    class Quick(Actor):
        def on_start(self):
            self.ref.tell(20_000)

        def on_message(self, left):
            if left:
                self.ref.tell(left - 1)

    set_up = stage(simulated=False, slow_handler_s=10.0)
    set_up.add("quick", Quick)
    set_up.run()
    assert set_up.node.blocking.counts == {}


def test_each_episode_is_counted_and_few_are_logged(caplog):
    seen = Blocking()
    assert [seen.look("a", 0.2, still) for still in (True, True, False)] == [None] * 3
    assert seen.look("b", 0.3, False) is None
    assert seen.counts == {"a": 3, "b": 1}
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert messages[0].startswith("actor a has blocked the loop for 200 ms, at ")
    assert messages[1].startswith(
        "actor b has blocked the loop for 300 ms, in native code that held the interpreter, or "
    )


def test_who_was_named_without_a_line_is_named_with_it_when_there_is_one(caplog):
    seen = Blocking()
    for still in (False, False, True, True, False):
        seen.look("a", 0.2, still)
    first, second = [record.getMessage() for record in caplog.records]
    assert "it has just ended (1 so far)" in first
    assert " ms, at " in second
    assert "(3 so far)" in second


def test_where_the_loop_stands_is_a_line_of_its_thread():
    blocking = Blocking()
    seen = []
    thread = threading.Thread(target=lambda: seen.append(blocking.look(None, 0.0, True)))
    thread.start()
    thread.join()
    assert "test_blocking.py:" in seen[0] or "threading.py:" in seen[0]
    made_elsewhere = []
    thread = threading.Thread(target=lambda: made_elsewhere.append(Blocking()))
    thread.start()
    thread.join()
    gc.collect()
    assert made_elsewhere[0].look(None, 0.0, True) is None, "its thread is no more"


def test_a_loop_that_nobodys_handler_holds_is_told_of_where_it_should_come_round(caplog):
    blocking = Blocking()
    assert blocking.look("", 0.02, True) is None
    assert not caplog.records, "a simulated loop owes nobody a beat"
    blocking.is_watched = True
    assert blocking.look("", 0.02, True) is None
    [message] = [row.getMessage() for row in caplog.records]
    assert message.startswith("the loop has not come round for 20 ms, and no actor's handler runs: it is ")
    assert not blocking.counts


def test_the_line_is_the_callers_where_our_own_code_is_what_takes_so_long():
    made: dict[str, Any] = {}
    path = Path(blocking.__file__).with_name("made.py")
    exec(compile("import sys\ndef held(look):\n    return look(sys._getframe())\n", path, "exec"), made)
    place = made["held"](blocking._place_of)
    assert place.startswith(f"{path}:3 in held, called at {__file__}:"), place


def test_whose_threads_keep_the_loop_waiting_is_told_once_in_a_while(caplog):
    is_over = threading.Event()
    threads = [threading.Thread(target=is_over.wait, args=(20,), name=f"computes-{n}") for n in range(6)]
    for thread in threads:
        thread.start()
    seen = Blocking()
    try:
        for actor in ("a", "b", ""):
            assert seen.look(actor, 0.2, True, 0.15) is None
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    [message] = [record.getMessage() for record in caplog.records]
    assert "of the last 200 ms they took 150 from the loop, in a turn of a (" in message
    assert "computes-0" in message
    assert " more); what computes for long belongs into a process of its own" in message
    assert seen.counts == {}
    caplog.clear()
    Blocking().look("", 0.2, True, 0.15)
    assert "in nobody's turn" in caplog.text


def test_nobodys_callback_that_holds_the_loop_is_told_where_the_loop_says_that_it_comes_round(caplog):
    seen = Blocking()
    seen.look("", 0.3, True)
    assert caplog.records == []
    seen.is_watched = True
    seen.look("", 0.3, True)
    assert "the loop has not come round for 300 ms, and no actor's handler runs: it is at " in caplog.text
    caplog.clear()
    seen._thread_id = -1
    seen.look("", 0.3, True)
    assert "it is in native code" in caplog.text


def test_where_all_of_it_is_a_librarys_the_innermost_line_is_told():
    is_over = threading.Event()
    thread = threading.Thread(target=is_over.wait, args=(20,))
    thread.start()
    seen = Blocking()
    seen._thread_id = thread.ident
    line = seen.look(None, 0.0, True)
    is_over.set()
    thread.join()
    assert "threading.py:" in line
    assert "called at" not in line
