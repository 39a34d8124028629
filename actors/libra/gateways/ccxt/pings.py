"""Pings of a socket that orders leave by: a half-open one takes an order and says nothing, so it is found early.

CCXT misses pongs by the wall clock, and only behind three of its pings. Here one that is not answered counts, by how
often the loop has come round meanwhile: a loop that something else held has not read what came, and proves nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any

from libra.gateways.ccxt.errors import library

__all__ = ["ping_often"]

_PARTS = 3
"""A socket is pinged so often within the time in which the others are once; two of these parts are for the answer."""

_GLANCES = 4
"""How often it is looked for the answer in each part."""


async def ping_often(client: Any) -> None:  # noqa: ANN401 - CCXT's
    """Ping a connection until it is closed; fail it, and what is in flight on it, where a ping has no answer.

    What was in flight is open then: whoever sent it has to ask what became of it.

    Args:
        client: CCXT's connection, in the place of whose ``ping_loop`` this runs; its ``keepAlive`` is the time in which
            a dead one is found.
    """
    glance_s = client.keepAlive / 1e3 / _PARTS / _GLANCES
    while not client.closed():
        await asyncio.sleep(_GLANCES * glance_s)
        client.lastPong, heard_ns = None, client.heard_ns
        try:
            await client.connection.ping()
        except Exception as error:
            if not client.closed():
                client.on_error(error)
            return
        for _ in range((_PARTS - 1) * _GLANCES):
            await asyncio.sleep(glance_s)
            if client.closed() or client.lastPong is not None or client.heard_ns != heard_ns:
                break
        else:
            client.on_error(library().RequestTimeout(f"the connection to {client.url} answers no ping: it is given up"))
            return
