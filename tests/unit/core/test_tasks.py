"""Tasks that actors make, and what actors do to the loop: supervised as handlers are, and no end of the node."""

import asyncio
import time

import pytest

from libra.core.actor import Actor
from libra.core.supervision import RestartPolicy
from libra_core import PanicException

ONCE = RestartPolicy(max_restarts=0)


class CustomError(BaseException):
    """No Exception, and nothing that asyncio knows."""


async def raises(error):
    await asyncio.sleep(0)
    raise error


@pytest.fixture
def run(stage):
    """Runs what an actor does at its first message, beside one that goes on; gives the outcome and what that saw."""

    def run(act, *, is_async=False, simulated=True, restarts=ONCE, **options):
        seen = []

        class Acts(Actor):
            def on_start(self):
                self.kept = []
                if not seen:
                    self.ref.tell("go")

            if is_async:

                async def on_message(self, message):
                    await act(self)
            else:

                def on_message(self, message):
                    act(self)

        class Fine(Actor):
            def on_start(self):
                self.watch("acts")
                self.set_timer("beat", 0.05, interval_s=0.05)

            async def on_timer(self, name):
                await self.clock.sleep(0.01)
                seen.append(name)
                if not simulated and len(seen) > 12:
                    set_up.node.stop()

            def on_terminated(self, terminated):
                seen.extend([terminated.detail] if terminated.detail else [])

        set_up = stage(simulated=simulated, restarts=restarts, **options)
        if simulated:
            set_up.quotes(0, 1)
        else:
            set_up.node.endless = True
        set_up.add("fine", Fine)
        set_up.add("acts", Acts)
        outcome = set_up.run()
        assert outcome.drained
        assert seen.count("beat") > 8
        return outcome, [row for row in seen if row != "beat"]

    return run


@pytest.mark.parametrize("simulated", [True, False])
@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(0), KeyboardInterrupt("no"), CustomError("no")])
def test_what_a_task_raises_is_its_actors_failure(run, error, simulated):
    def act(actor):
        actor.kept.append(asyncio.create_task(raises(error)))

    outcome, told = run(act, simulated=simulated)
    assert (outcome.failed, outcome.errors) == (["acts"], 1)
    assert told == [f"{type(error).__name__}: {error}"]


def test_tasks_made_by_tasks_are_supervised_as_well(run):
    async def makes(actor):
        actor.kept.append(asyncio.create_task(raises(SystemExit(0))))
        await asyncio.sleep(0)

    outcome, told = run(lambda actor: actor.kept.append(asyncio.create_task(makes(actor))))
    assert (outcome.failed, told) == (["acts"], ["SystemExit: 0"])


def test_what_somebody_awaits_is_his(run):
    taken = []

    async def gives(value):
        await asyncio.sleep(0)
        return value

    async def act(actor):
        for value in (None, 7, (1, 2), StopAsyncIteration):
            taken.append(await asyncio.create_task(gives(value)))
        for error in (ValueError("a"), KeyError("b")):
            try:
                await asyncio.create_task(raises(error))
            except (ValueError, KeyError) as caught:
                taken.append(caught)
        taken.extend(await asyncio.gather(gives(1), raises(ValueError("c")), return_exceptions=True))
        done, _ = await asyncio.wait([asyncio.create_task(raises(ValueError("d")))])
        taken.extend(str(task.exception()) for task in done)
        try:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        except TimeoutError:
            taken.append("late")

    outcome, told = run(act, is_async=True, simulated=False)
    assert (outcome.failed, outcome.errors, told) == ([], 0, [])
    assert taken[:4] == [None, 7, (1, 2), StopAsyncIteration]
    assert [str(row) for row in taken[4:]] == ["a", "'b'", "1", "c", "d", "late"]


def test_a_task_that_never_returns_is_named_and_ended(run, caplog):
    async def spins():
        while True:
            pass

    outcome, told = run(
        lambda actor: actor.kept.append(asyncio.create_task(spins())),
        simulated=False,
        slow_handler_s=0.02,
        handler_timeout_s=0.1,
    )
    assert outcome.failed == ["acts"]
    assert [row.partition(":")[0] for row in told] == ["HandlerTimedOut"]
    assert "actor acts has blocked the loop for" in caplog.text


def test_a_failed_instance_leaves_no_task_behind(run):
    ended = []

    async def forever():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async def never_begun():
        ended.append("begun")

    def act(actor):
        actor.kept.append(asyncio.create_task(forever()))
        actor.set_timer("fail", 0.2)
        actor.on_timer = fail

    def fail(name):
        asyncio.create_task(never_begun())  # noqa: RUF006 - it must not even begin
        raise ValueError("now")

    outcome, told = run(act)
    assert (outcome.failed, told, ended) == (["acts"], ["ValueError: now"], ["cancelled"])


def test_a_task_that_fails_takes_the_handler_that_waits_with_it(stage):
    log = []

    class Acts(Actor):
        def on_start(self):
            log.append("start")

        async def on_quote(self, quote):
            log.append(int(quote.bid))
            if quote.bid == 100:
                self.task = asyncio.create_task(raises(SystemExit(0)))
                try:
                    await asyncio.Event().wait()
                finally:
                    log.append("cancelled")

    set_up = stage(restarts=RestartPolicy(max_restarts=2, backoff_s=0.1, jitter=0))
    set_up.quotes(0, 1, 2)
    set_up.add("acts", Acts)
    outcome = set_up.run()
    assert (outcome.failed, outcome.errors) == ([], 1)
    assert log == ["start", 100, "cancelled", "start", 101, 102]
    assert set_up.node.dead_letters.by_reason() == {"CANCELLED": 1}


@pytest.mark.parametrize("simulated", [True, False])
def test_who_cancels_every_task_and_stops_the_loop_ends_only_its_own(run, simulated, caplog):
    def act(actor):
        actor.kept.append(asyncio.create_task(asyncio.Event().wait()))
        loop = asyncio.get_running_loop()
        for task in [*asyncio.all_tasks()] * 2:
            task.cancel()
        loop.stop()

    outcome, told = run(act, simulated=simulated)
    assert (outcome.failed, outcome.errors, told) == ([], 0, [])
    assert "somebody's code stopped the loop: it goes on" in caplog.text
    assert caplog.text.count("actor acts cancels tasks that are not its own: they go on") == 1


def test_an_actor_that_cancels_every_task_between_two_async_handlers_has_the_next_one(stage):
    seen = []

    class Cancels(Actor):
        async def on_start(self):
            await asyncio.sleep(0)

        def on_quote(self, quote):
            if quote.bid == 100:
                for task in asyncio.all_tasks():
                    task.cancel()
                return None
            return self.handle(quote)

        async def handle(self, quote):
            await asyncio.sleep(0)
            seen.append(int(quote.bid))

    set_up = stage()
    set_up.quotes(0, 1, 2)
    set_up.add("cancels", Cancels)
    assert (set_up.run().errors, seen) == (0, [101, 102])


def test_an_actor_cancels_its_own_tasks_and_no_others(stage):
    cancelled = {}

    class Keeps(Actor):
        def on_start(self):
            self.task = asyncio.create_task(asyncio.Event().wait())

        def on_quote(self, quote):
            if self.name == "acts" and quote.bid == 101:
                for task in asyncio.all_tasks():
                    task.cancel()

        def on_stop(self):
            cancelled[self.name] = self.task.cancelling()
            self.task.cancel()

    set_up = stage()
    set_up.quotes(0, 1, 2)
    set_up.add("fine", Keeps)
    set_up.add("acts", Keeps)
    outcome = set_up.run()
    assert (outcome.failed, outcome.errors) == ([], 0)
    assert cancelled == {"acts": 1, "fine": 0}


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(0), KeyboardInterrupt("no")])
def test_a_callback_that_raises_ends_nothing(run, error, caplog):
    def callback():
        raise error

    outcome, told = run(lambda actor: asyncio.get_running_loop().call_soon(callback), simulated=False)
    assert (outcome.failed, outcome.errors, told) == ([], 0, [])
    assert type(error).__name__ in caplog.text


def test_a_callback_that_holds_the_loop_is_told_of_with_its_line(run, caplog):
    def holds():
        until = time.monotonic() + 20
        while "no actor's handler runs" not in caplog.text and time.monotonic() < until:
            time.sleep(0.001)

    run(lambda actor: asyncio.get_running_loop().call_soon(holds), simulated=False, slow_handler_s=0.02)
    messages = [row.getMessage() for row in caplog.records if "no actor's handler runs" in row.getMessage()]
    # A busy machine may hold the loop elsewhere later.
    assert "test_tasks.py:" in messages[0]


def test_the_loop_is_given_back_as_it_was(stage):
    async def script():
        loop = asyncio.get_running_loop()
        before = (loop.get_task_factory(), loop.get_exception_handler())
        set_up = stage()
        set_up.quotes(0, 1)
        set_up.add("acts", Actor)
        await set_up.node.run_async()
        return before == (loop.get_task_factory(), loop.get_exception_handler())

    assert asyncio.run(script())


def test_who_calls_what_belongs_to_the_nodes_loop_is_told_once(run, caplog):
    def calls(_actor):
        for _ in range(2):
            asyncio.get_running_loop().set_task_factory(None)

    assert run(calls)[0].errors == 0
    [message] = [row.getMessage() for row in caplog.records if "set_task_factory" in row.getMessage()]
    assert message.startswith("actor acts calls set_task_factory of the node's loop: it does nothing")


def test_what_ends_the_run_ends_it_from_a_task_too(run):
    with pytest.raises(PanicException, match="within"):
        run(lambda actor: actor.kept.append(asyncio.create_task(raises(PanicException("within")))))


def test_a_task_that_is_still_there_at_the_end_holds_nothing_up(run):
    outcome, told = run(lambda actor: actor.kept.append(asyncio.create_task(asyncio.Event().wait())))
    assert (outcome.failed, outcome.errors, told) == ([], 0, [])


def test_what_a_task_of_an_instance_raises_that_is_no_more_is_told_and_that_is_all(run, caplog):
    async def clings():
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("late")

    async def act(actor):
        task = asyncio.create_task(clings())
        await asyncio.sleep(0)
        actor.kept.append(task)
        raise ValueError("now")

    outcome, told = run(act, is_async=True)
    assert (outcome.failed, outcome.errors, told) == (["acts"], 2, ["ValueError: now"])
    assert "it was gone already, in a task" in caplog.text


def test_what_the_loop_has_to_say_without_an_exception_is_logged(run, caplog):
    outcome, _ = run(lambda actor: asyncio.get_running_loop().call_exception_handler({"message": "odd, that"}))
    assert outcome.errors == 0
    assert "odd, that" in caplog.text


def test_a_loop_that_had_a_handler_of_its_own_keeps_it(stage):
    told = []

    async def script():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: told.append(context["message"]))
        set_up = stage()
        set_up.quotes(0, 1)

        class Acts(Actor):
            def on_quote(self, quote):
                asyncio.get_running_loop().call_exception_handler({"message": f"{quote.bid}"})

        set_up.add("acts", Acts)
        return await set_up.node.run_async()

    assert asyncio.run(script()).errors == 0
    assert told == ["100.00", "101.00"]


def test_who_stops_the_loop_again_and_again_is_told_of_once(run, caplog):
    def stops(left):
        loop = asyncio.get_running_loop()
        if left:
            loop.call_soon(stops, left - 1)
        loop.stop()

    outcome, _ = run(lambda actor: stops(3), simulated=False)
    assert (outcome.failed, outcome.errors) == ([], 0)
    assert caplog.text.count("somebody's code stopped the loop: it goes on") == 1


def test_one_whose_handler_still_cleans_up_is_not_started_beside_it(stage):
    log = []

    class Acts(Actor):
        def on_start(self):
            log.append("start")

        async def on_quote(self, quote):
            log.append(int(quote.bid))
            if quote.bid == 100:
                self.task = asyncio.create_task(raises(ValueError("no")))
                clock = self.clock
                try:
                    await asyncio.Event().wait()
                finally:
                    await clock.sleep(1.0)
                    log.append("cleaned up")

    set_up = stage(restarts=RestartPolicy(max_restarts=2, backoff_s=0.1, jitter=0))
    set_up.quotes(0, 3, 4)
    set_up.add("acts", Acts)
    outcome = set_up.run()
    assert (outcome.failed, outcome.errors) == ([], 1)
    assert log == ["start", 100, "cleaned up", "start", 101, 102]


def test_a_task_is_made_for_those_that_are_there(stage):
    made = []

    class Asks(Actor):
        async def on_quote(self, quote):
            for name in ("asks", "nobody"):
                idle = asyncio.sleep(0)
                try:
                    made.append(await set_up.node.make_task(name, idle))
                except KeyError as error:
                    idle.close()
                    made.append(str(error))

    set_up = stage()
    set_up.quotes(0)
    set_up.add("asks", Asks)
    assert set_up.run().errors == 0
    assert made == [None, "'nobody'"]


def test_what_ends_the_run_ends_it_from_an_attribute_too(stage):
    class Panics(Actor):
        has_started = False

        def on_start(self):
            self.has_started = True

        @property
        def snapshot_interval_s(self):
            if self.has_started:
                raise PanicException("within")
            return 1

    set_up = stage()
    set_up.quotes(0)
    set_up.add("panics", Panics)
    with pytest.raises(PanicException, match="within"):
        set_up.run()


def test_what_a_constructor_began_ends_with_its_instance_and_fails_no_later_one(stage):
    """Also where it raised, and there was none."""
    ticks, lives = [], []

    class Begins(Actor):
        def __init__(self):
            super().__init__()
            self.life = len(lives)
            lives.append(self.life)
            self.task = asyncio.get_running_loop().create_task(self.tick(self.life))
            if self.life == 0:
                raise ConnectionError("not yet")

        async def tick(self, life):
            try:
                while True:
                    await asyncio.sleep(0.005)
                    ticks.append(life)
            finally:
                if life == 1:
                    # It cleans up, and fails, when the next one runs.
                    await asyncio.sleep(0.1)
                    raise ValueError("cleaning up")

        def on_start(self):
            self.set_timer("end", 0.05 if self.life == 1 else 0.3)

        def on_timer(self, name):
            if self.life == 1:
                raise ValueError("once")
            set_up.node.stop()

    set_up = stage(simulated=False, restarts=RestartPolicy(max_restarts=2, backoff_s=0.02))
    set_up.node.endless = True
    set_up.add("begins", Begins)
    outcome = set_up.run()
    assert (set(ticks), lives) == ({1, 2}, [0, 1, 2])
    assert (outcome.errors, outcome.failed) == (3, [])
