"""Short words of the bus's tests."""

import asyncio

from libra.core.events import Event, EventType

TICK, SIGNAL, ORDER, RISK = EventType.TICK, EventType.SIGNAL, EventType.ORDER_NEW, EventType.RISK_LIMIT_BREACH


def event(payload=None, event_type=TICK):
    return Event.create(event_type, "test", payload)


async def until(condition, seconds=5.0):
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - conditions are any, and the wait is bounded
            await asyncio.sleep(0.001)
