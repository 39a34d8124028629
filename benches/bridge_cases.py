"""What `bridge.py` measures: each case starts its processes, and gives its numbers by name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bridge_server import Process, Server

__all__ = ["BEHIND", "LONE_PER_S", "MARKET_PER_S", "PACED_PER_S", "cases"]

Found = dict[str, float]
Case = Callable[[], Found]

PACED_PER_S = 1_000_000
MARKET_PER_S = 200_000
LONE_PER_S = 500
RAMP = [pace * 500_000 for pace in range(1, 21)]
SLACK_US = 1_000
BEHIND = 256
"""Durable events that are published at a time where they come in batches."""


class Cases:
    """The cases on one server; ``binary`` is the native node, ``peer`` the Python that has redis-py."""

    def __init__(self, server: Server, binary: str, peer: str | None, seconds: float) -> None:
        self._server = server
        self._peer = peer or ""
        self._binary = binary
        self._seconds = seconds

    @contextmanager
    def _native(self, **load: float) -> Iterator[tuple[Process, Process]]:
        """A publisher and its consumer, both native."""
        self._server.clear()
        keys = [f"{name}={value}" for name, value in ({"seconds": self._seconds} | load).items()]
        consumer = Process(self._binary, "consume", self._server.socket, *keys)
        publisher = Process(self._binary, "publish", self._server.socket, *keys)
        try:
            yield publisher, consumer
        finally:
            publisher.close()
            consumer.close()

    def _run(self, **load: float) -> tuple[dict[str, Any], dict[str, Any]]:
        with self._native(**load) as (publisher, consumer):
            published = publisher.wait()
            consumed = consumer.result()
        if not published["applied"]:
            raise RuntimeError("durable events were not applied in time")
        return published, consumed

    def saturated(self, shards: int) -> Found:
        """Trades, as many as leave."""
        published, consumed = self._run(market=-1, shards=shards)
        lags = consumed["lag_us"]
        return {
            "events/s": consumed["market"] / consumed["seconds"],
            "missing": 1 - consumed["market"] / published["market"],
            "lag in the second quarter, us": lags[1],
            "lag in the last quarter, us": lags[3],
        }

    def sustained(self) -> Found:
        """The highest pace of trades that all arrive, and at which they wait no longer in the end than before.

        One pace may meet a moment at which the machine does something else; two in a row that fail end the search.
        """
        held, failed = {"events/s": 0.0, "lag, us": 0.0}, 0
        for pace in RAMP:
            published, consumed = self._run(market=pace)
            before, after = consumed["lag_us"][1], consumed["lag_us"][3]
            is_late = published["market"] < 0.98 * pace * self._seconds
            if is_late or consumed["market"] < published["market"] or after > 2 * before + SLACK_US:
                failed += 1
                if failed == 2:
                    break
                continue
            failed = 0
            held = {"events/s": consumed["market"] / published["seconds"], "lag, us": after}
        return held

    def paced(self) -> Found:
        """Trades at a pace: what the three processes use of a core."""
        before = self._server.cpu_s()
        published, consumed = self._run(market=PACED_PER_S)
        server = self._server.cpu_s() - before
        shares = {
            "publisher": published["cpu_s"] / published["settled_s"],
            "server": server / published["settled_s"],
            "subscriber": consumed["cpu_s"] / max(consumed["seconds"], published["settled_s"]),
        }
        missing = 1 - consumed["market"] / published["market"]
        rates = {"events/s": consumed["market"] / consumed["seconds"], "lag, us": consumed["lag_us"][3]}
        return shares | rates | {"missing": missing, "all three": sum(shares.values())}

    def durable(self, batch: int) -> Found:
        """Durable events as many as leave: published, applied and acknowledged."""
        published, consumed = self._run(durable=batch)
        if published["durable"] != consumed["durable"]:
            raise RuntimeError(f"{published['durable']} were published, {consumed['durable']} applied")
        return {"events/s": published["durable"] / published["settled_s"], "wait p50, us": consumed["p50_us"]}

    def order(self, market: float) -> Found:
        """A lone durable event from loop to loop, both native, alone or beside market data of the same nodes."""
        _, consumed = self._run(orders=LONE_PER_S, market=market)
        return {name: consumed[name] for name in ("p50_us", "p99_us", "p999_us")}

    def order_in_python(self, market: float) -> Found:
        """The same from a Python loop to a Python handler; the market data is that of two other nodes."""
        with self._beside(market):
            published, consumed = self._loops(LONE_PER_S)
        if published["sent"] != consumed["durable"]:
            raise RuntimeError(f"{published['sent']} were published, {consumed['durable']} applied")
        return {name: consumed[name] for name in ("p50_us", "p99_us", "p999_us")}

    @contextmanager
    def _beside(self, market: float) -> Iterator[None]:
        if not market:
            self._server.clear()
            yield
            return
        # It ends with the block, whatever is left of its time.
        with self._native(market=market, seconds=self._seconds * 10 + 20):
            yield

    def _loops(self, per_s: float) -> tuple[dict[str, Any], dict[str, Any]]:
        settings = (self._server.socket, str(self._seconds), str(per_s))
        consumer = Process.python("bridge_loop.py", "consume", *settings)
        publisher = Process.python("bridge_loop.py", "publish", *settings)
        try:
            return publisher.wait(), consumer.result()
        finally:
            publisher.close()
            consumer.close()

    def idle(self) -> Found:
        """Two nodes that have nothing to say."""
        self._server.clear()
        before = self._server.cpu_s()
        published, _ = self._loops(0)
        server = self._server.cpu_s() - before
        return {"a node": published["cpu_s"] / self._seconds, "server, with the nodes' start": server / self._seconds}

    def redis_py(self, batch: int) -> Found:
        """The usual way."""
        settings = (self._server.socket, str(self._seconds), str(batch))
        consumer = Process.python("redis_py_peer.py", "consume", *settings, interpreter=self._peer)
        publisher = Process.python("redis_py_peer.py", "publish", *settings, interpreter=self._peer)
        try:
            published, consumed = publisher.wait(), consumer.wait()
        finally:
            publisher.close()
            consumer.close()
        if published["sent"] != consumed["received"]:
            raise RuntimeError(f"redis-py: {published['sent']} were sent, {consumed['received']} received")
        return {"events/s": consumed["received"] / consumed["seconds"]}


def cases(server: Server, binary: str, peer: str | None, seconds: float) -> dict[str, Case]:
    """All of them by name; without redis-py those of ours."""
    of = Cases(server, binary, peer, seconds)
    todo = {
        "sustained": of.sustained,
        "saturated": functools.partial(of.saturated, 8),
        "saturated, one shard": functools.partial(of.saturated, 1),
        "paced": of.paced,
        "redis-py": functools.partial(of.redis_py, 1),
        "redis-py, 128 a message": functools.partial(of.redis_py, 128),
        "order": functools.partial(of.order, 0),
        "order beside market data": functools.partial(of.order, MARKET_PER_S),
        "order in Python": functools.partial(of.order_in_python, 0),
        "order in Python beside market data": functools.partial(of.order_in_python, MARKET_PER_S),
        "durable": functools.partial(of.durable, 1),
        "durable in batches": functools.partial(of.durable, BEHIND),
        "idle": of.idle,
    }
    return todo if peer else {name: case for name, case in todo.items() if not name.startswith("redis-py")}
