"""The reader by which native threads wake a node's loop, on either kind of loop: refused, told and put back."""

import asyncio
import socket

import pytest
import uvloop

from libra.core.wake_up import WakeUp
from libra_core import NodeCore


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def on_loop(request):
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner.run


async def wakes(core, calls):
    """The native side signals: True when the loop is called for it."""
    before = len(calls)
    core.signal()
    await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0.001)
        if len(calls) > before:
            break
    core.unpark()
    return len(calls) > before


def made():
    core, calls = NodeCore(simulated=False), []
    wake_up = WakeUp(core)

    def call():
        # What was written is taken out, as the engine does it.
        core.unpark()
        calls.append(1)

    return core, wake_up, call, calls


def test_whoever_takes_it_back_or_sets_another_is_refused_and_told(on_loop, caplog):
    async def main():
        core, wake_up, call, calls = made()
        loop = asyncio.get_running_loop()
        wake_up.install(call)
        assert await wakes(core, calls)
        for _ in range(2):
            assert loop.remove_reader(core.fileno) is False
            loop.add_reader(core.fileno, pytest.fail)
        assert wake_up.look() == []
        assert await wakes(core, calls)
        told = [record.getMessage() for record in caplog.records]
        assert told == [
            f"somebody's code calls {name} for the descriptor that wakes the node: it does nothing, "
            "and it is not told again"
            for name in ("remove_reader", "add_reader")
        ]
        wake_up.uninstall()
        wake_up.uninstall()
        assert not loop.remove_reader(core.fileno)
        assert not await wakes(core, calls)
        assert not {"add_reader", "remove_reader"} & vars(loop).keys()
        assert wake_up.look() == []

    on_loop(main())


def test_whoever_goes_around_that_has_it_put_back(on_loop):
    async def main():
        core, wake_up, call, calls = made()
        loop = asyncio.get_running_loop()
        wake_up.install(call)
        # uvloop does not say whether it has removed one.
        says = type(loop).remove_reader(loop, core.fileno) is not None
        assert not await wakes(core, calls)
        assert wake_up.look() == ["the reader that wakes the node"] * says
        assert wake_up.look() == []
        assert await wakes(core, calls)
        type(loop).add_reader(loop, core.fileno, pytest.fail)
        assert wake_up.look() == []
        assert await wakes(core, calls)
        wake_up.uninstall()

    on_loop(main())


def test_what_somebody_has_given_the_loop_can_be_taken_back_and_what_the_loop_waits_for_itself_cannot(on_loop):
    async def main():
        core, wake_up, call, _calls = made()
        loop = asyncio.get_running_loop()
        wake_up.install(call)
        slot = core.add_actor("mine")
        core.install_guard(10.0, signals=False)
        mine, yours = socket.socketpair()
        with mine, yours:
            for end in (mine, yours):
                end.setblocking(False)
            heard = asyncio.Event()
            loop.add_reader(mine, heard.set)
            yours.send(b"1")
            await asyncio.wait_for(heard.wait(), 5)
            assert core.turn(slot, loop.remove_reader, mine.fileno()) is not False
            assert mine.recv(1) == b"1"
            waits = asyncio.ensure_future(loop.sock_recv(mine, 1))
            await asyncio.sleep(0)
            assert core.turn(slot, loop.remove_reader, mine.fileno()) is False
            yours.send(b"2")
            assert await asyncio.wait_for(waits, 5) == b"2"
            # A wait that is given up in a turn: the loop lets go of it, or it would be called without end.
            waits = asyncio.ensure_future(loop.sock_recv(mine, 1))
            await asyncio.sleep(0)
            core.turn(slot, waits.cancel)
            core.turn(slot, loop.remove_reader, mine)
            assert type(loop).remove_reader(loop, mine.fileno()) is not True
        core.remove_guard()
        with pytest.raises((TypeError, ValueError)):
            core.turn(slot, loop.remove_reader, "no descriptor")
        wake_up.uninstall()

    on_loop(main())
