"""The bus and its loop: it gives way, wakes from other threads, and sleeps."""

import asyncio
import threading
import time

from tests.unit.core.bus.tools import TICK, event, until

from libra.core.message_bus import MessageBus


def test_a_long_queue_leaves_the_loop_to_others(run):
    async def main():
        bus, others, most = MessageBus(), 0, 0
        done = 0

        def handle(event):
            nonlocal done
            done += 1

        async def other():
            nonlocal others, most
            while done < 50_000:
                before = done
                await asyncio.sleep(0)
                others, most = others + 1, max(most, done - before)

        bus.subscribe(TICK, handle)
        await bus.publish_many([event(n) for n in range(50_000)])
        async with bus:
            await other()
        assert others >= 50_000 / 512
        assert most <= 512, "a drain is bounded"

    run(main())


def test_emit_from_another_thread_wakes_the_loop(run):
    async def main():
        bus, seen = MessageBus(), []
        bus.subscribe(TICK, lambda event: seen.append((event.payload, threading.get_ident())))

        def produce():
            for n in range(200):
                time.sleep(0.0002 if n % 3 else 0)
                assert bus.emit(event(n))

        async with bus:
            await asyncio.sleep(0.01)
            thread = threading.Thread(target=produce)
            thread.start()
            await until(lambda: len(seen) == 200)
            thread.join()
        assert [n for n, _ in seen] == list(range(200))
        assert {ident for _, ident in seen} == {threading.get_ident()}, "handlers run in the loop's thread"

    run(main())


def test_many_threads_lose_nothing(run):
    async def main():
        bus, seen = MessageBus(), []
        bus.subscribe(TICK, lambda event: seen.append(event.payload))
        begin = threading.Barrier(4)

        def produce(who):
            begin.wait()
            for n in range(2000):
                assert bus.emit(event((who, n)))

        async with bus:
            threads = [threading.Thread(target=produce, args=(who,)) for who in range(4)]
            for thread in threads:
                thread.start()
            await until(lambda: len(seen) == 8000)
        for who in range(4):
            assert [n for w, n in seen if w == who] == list(range(2000))

    run(main())


def test_a_parked_loop_costs_nothing(run):
    async def main():
        bus = MessageBus()
        async with bus:
            await asyncio.sleep(0.02)
            before = time.thread_time()
            await asyncio.sleep(0.2)
            return time.thread_time() - before

    assert run(main()) < 0.05
