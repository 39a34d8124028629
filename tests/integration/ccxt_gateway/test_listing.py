"""The venue halts a symbol, or changes its tick, while an account trades there and its connection is made anew."""

import asyncio
import copy
import threading

import pytest
from tests.integration.ccxt_gateway.venue import exchange
from tests.integration.ccxt_gateway.world import SIZE, VENUE, World


class Proxy:
    """In front of the exchange: as it is, or with other words in its answers."""

    def __init__(self, url):
        self._target = url.removeprefix("http://").split(":")
        self.change = None
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(ready,))
        self._thread.start()
        assert ready.wait(10)

    def end(self):
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _run(self, ready):
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(ready))

    async def _serve(self, ready):
        self._over = asyncio.Event()
        server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        await self._over.wait()
        server.close()

    async def _forward(self, reader, writer):
        there, out = await asyncio.open_connection(*self._target)

        async def carry(source, sink, *, back):
            try:
                while data := await source.read(1 << 20):
                    sink.write(data.replace(*self.change) if back and self.change else data)
                    await sink.drain()
            except OSError:
                pass
            finally:
                sink.close()

        await asyncio.gather(carry(reader, out, back=False), carry(there, writer, back=True))


class AsInTheGuide(World):
    """With the three restarts that a profile has by default."""

    def arguments(self, *accounts):
        arguments = super().arguments(*accounts)
        profile = self.folder / "trading.toml"
        text = profile.read_text(encoding="utf-8")
        assert "max_restarts = 20" in text
        profile.write_text(text.replace("max_restarts = 20", "max_restarts = 3"), encoding="utf-8")
        return arguments

    def look_at_errors(self, said):
        """A lost stream of reports ends its actor; that one begins again, at its first try."""
        assert "raised while starting" not in said, said
        assert "ConfigError" not in said, said


# Of one length, since an answer says how long it is.
CHANGES = {
    "halted": (b'"status":"TRADING"', b'"status":"BREAK"  '),
    "another tick": (b'"tickSize":"0.1"', b'"tickSize":"0.3"'),
}


@pytest.mark.parametrize("what", CHANGES)
def test_new_orders_of_it_are_refused_and_what_is_open_can_be_cancelled(thin, world_of, what):
    proxy = Proxy(thin.url)
    try:
        venue = copy.copy(thin)
        venue.url = proxy.url
        world = world_of(venue, AsInTheGuide)
        world.start("linear")
        world.until_agreed("linear")
        world.tell("linear", f"BUY {SIZE['linear']}", f"BUY {SIZE['linear']} 5")
        world.until("linear", lambda row: row["open_orders"] == 1 and row["positions"])
        proxy.change = CHANGES[what]
        thin.control("faults", {"kind": "disconnect", "stream": "user"})
        world.life.wait_for("lists BTC/USDT:USDT otherwise than the profile, no order of it leaves")
        world.until_agreed("linear")
        row = world.row("linear")
        assert (row["stopped"], row["open_orders"]) == (None, 1)
        before = len(thin.asked("linear"))
        world.tell("linear", f"BUY {SIZE['linear']}")
        world.life.wait_for("order REJECTED LISTING_CHANGED")
        assert len(thin.asked("linear")) == before
        killed = world.trading.shell.run("kill-switch", env=world.env)
        assert killed.code == 0, killed.err
        assert thin.orders("linear") == []
        world.stop(3)
    finally:
        proxy.end()


def test_an_order_that_is_worth_more_than_the_venue_takes_is_rejected_in_its_words(tmp_path, world_of):
    config, lots = tmp_path / "venue.toml", "lot_size = 0.00001\n"
    text = VENUE.format(funding_s=28_800)
    assert text.count(lots) == 1
    config.write_text(text.replace(lots, f"{lots}max_notional = 200\n"), encoding="utf-8")
    with exchange("--config", config) as venue:
        world = world_of(venue)
        world.start("spot")
        world.until_agreed("spot")
        world.tell("spot", f"BUY {SIZE['spot']}")
        world.until("spot", lambda row: "order REJECTED -1013 " in world.life.said)
        world.tell("spot", "BUY 0.00200")
        world.until_venue("spot", 1)
        world.until_agreed("spot")
        world.stop()
        assert world.incidents("spot") == []
