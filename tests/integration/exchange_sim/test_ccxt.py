"""An unmodified ccxt.pro client does on the simulated exchange what it does at Binance."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pytest

SYMBOLS = ("BTC/USDT", "BTC/USDT:USDT")

pytestmark = pytest.mark.filterwarnings("default")


async def within(awaitable: Any, seconds: float = 30) -> Any:
    return await asyncio.wait_for(awaitable, seconds)


@pytest.mark.parametrize("symbol", SYMBOLS)
async def test_it_loads_markets_and_streams_what_everybody_may_see(exchange: Any, client_of: Any, symbol: str):
    client = client_of(exchange.url, symbol)
    markets = await within(client.load_markets())
    market = markets[symbol]
    assert (market["active"], market["swap"]) == (True, ":" in symbol)
    assert market["limits"]["cost"]["min"] > 0
    quotes = await within(client.watch_bids_asks([symbol]))
    assert 0 < quotes[symbol]["bid"] < quotes[symbol]["ask"]
    trades = await within(client.watch_trades(symbol))
    assert trades[0]["side"] in {"buy", "sell"}
    assert trades[0]["amount"] > 0
    ticker = await within(client.watch_ticker(symbol))
    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    candles = await within(client.watch_ohlcv(symbol, "1m"))
    assert candles[-1][3] <= candles[-1][4] <= candles[-1][2]
    assert len(await within(client.fetch_ohlcv(symbol, "1m"))) >= 5
    assert (await within(client.fetch_trades(symbol)))[-1]["id"] is not None


@pytest.mark.parametrize("symbol", SYMBOLS)
async def test_its_book_is_never_crossed_and_never_lost(exchange: Any, client_of: Any, symbol: str):
    client = client_of(exchange.url, symbol)
    last = 0
    for _ in range(40):
        # A gap raises: ccxt checks the sequence of each side by its own rule.
        book = await within(client.watch_order_book(symbol))
        assert book["bids"][0][0] < book["asks"][0][0]
        assert len(book["bids"]) > 10 < len(book["asks"])
        assert book["nonce"] >= last
        last = book["nonce"]


@pytest.mark.parametrize("symbol", SYMBOLS)
async def test_it_places_edits_cancels_lists_and_watches_its_orders(
    exchange: Any, client_of: Callable[..., Any], symbol: str
):
    client = client_of(exchange.url, symbol)
    updates: list[dict[str, Any]] = []

    async def watch() -> None:
        while True:
            updates.extend(await client.watch_orders(symbol))

    def seen(order_id: str) -> set[str]:
        return {order["status"] for order in updates if order["id"] == order_id}

    await client.load_markets()
    watching = asyncio.create_task(watch())
    try:
        async with asyncio.timeout(60):
            while not client.clients or not any(one.subscriptions for one in client.clients.values()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            bid = (await client.fetch_order_book(symbol, 5))["bids"][0][0]
            far = float(client.price_to_precision(symbol, bid * 0.95))
            await client.fetch_balance()
            placed = await client.create_order(
                symbol, "limit", "buy", 0.01, far, {"newClientOrderId": f"m{id(client)}"}
            )
            assert (placed["status"], placed["clientOrderId"]) == ("open", f"m{id(client)}")
            assert placed["id"] in {order["id"] for order in await client.fetch_open_orders(symbol)}
            farther = float(client.price_to_precision(symbol, bid * 0.94))
            edited = await client.edit_order(placed["id"], symbol, "limit", "buy", 0.02, farther)
            shown = await client.fetch_order(edited["id"], symbol)
            assert (shown["price"], shown["amount"], shown["filled"]) == (farther, 0.02, 0)
            await client.cancel_order(edited["id"], symbol)
            assert (await client.fetch_order(edited["id"], symbol))["status"] == "canceled"
            with pytest.raises(ccxt.OrderNotFound):
                await client.cancel_order(edited["id"], symbol)
            # The same by ws-api.
            over = await client.create_order_ws(symbol, "limit", "buy", 0.01, far)
            await client.cancel_order_ws(over["id"], symbol)
            bought = await client.create_order(symbol, "market", "buy", 0.01)
            assert (bought["status"], bought["filled"]) == ("closed", 0.01)
            mine = [one for one in await client.fetch_my_trades(symbol) if one["order"] == bought["id"]]
            assert sum(Decimal(str(one["amount"])) for one in mine) == Decimal("0.01")
            while not ("canceled" in seen(over["id"]) and "closed" in seen(bought["id"])):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert seen(placed["id"])
            if ":" in symbol:
                (position,) = await client.fetch_positions([symbol])
                assert (position["side"], position["contracts"]) == ("long", 0.01)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_the_guides_snippet_trades_on_both_sides_by_both_ways(exchange: Any):
    guide = (Path(__file__).parents[3] / "docs/guides/exchange-sim.md").read_text(encoding="utf-8")
    snippet = guide[guide.index("import ccxt.pro") :]
    made: dict[str, Any] = {}
    exec(snippet[: snippet.index("```")].replace("127.0.0.1:9000", exchange.url.removeprefix("http://")), made)
    for name, symbol in zip(("spot", "linear"), SYMBOLS, strict=True):
        client = made[name]
        try:
            ticker = await within(client.fetch_ticker(symbol))
            far = float(client.price_to_precision(symbol, ticker["last"] * 0.95))
            for create, cancel in (("create_order", "cancel_order"), ("create_order_ws", "cancel_order_ws")):
                placed = await within(getattr(client, create)(symbol, "limit", "buy", 0.01, far))
                assert placed["id"] in {order["id"] for order in await within(client.fetch_open_orders(symbol))}
                await within(getattr(client, cancel)(placed["id"], symbol))
        finally:
            await client.close()


async def test_several_clients_see_the_same_at_once(exchange: Any, client_of: Callable[..., Any]):
    clients = [client_of(exchange.url, symbol) for symbol in SYMBOLS for _ in range(3)]

    async def trades(client: Any, symbol: str) -> dict[str, float]:
        seen: dict[str, float] = {}
        while len(seen) < 8:
            seen |= {one["id"]: one["price"] for one in await client.watch_trades(symbol)}
        return seen

    symbols = [symbol for symbol in SYMBOLS for _ in range(3)]
    seen = await within(asyncio.gather(*map(trades, clients, symbols)))
    for side in (seen[:3], seen[3:]):
        shared = set(side[0]) & set(side[1]) & set(side[2])
        assert shared
        assert all(side[0][number] == side[1][number] == side[2][number] for number in shared)


async def test_a_wrong_secret_gets_nowhere(exchange: Any, client_of: Callable[..., Any]):
    for symbol in SYMBOLS:
        wrong = client_of(exchange.url, symbol, apiKey="sim-key", secret="another")
        with pytest.raises(ccxt.AuthenticationError, match="-1022"):
            await within(wrong.fetch_balance())
        stranger = client_of(exchange.url, symbol, apiKey="another", secret="sim-secret")
        with pytest.raises(ccxt.AuthenticationError, match="-2015"):
            await within(stranger.fetch_balance())


async def test_it_reads_positions_by_both_versions(exchange: Any, client_of: Callable[..., Any]):
    client = client_of(exchange.url, SYMBOLS[1])
    await within(client.load_markets())
    await within(client.create_order(SYMBOLS[1], "market", "buy", 0.1))
    (new,) = await within(client.fetch_positions([SYMBOLS[1]]))
    (old,) = await within(client.fetch_positions([SYMBOLS[1]], {"useV2": True}))
    told = [[one[name] for name in ("symbol", "side", "contracts", "entryPrice", "marginMode")] for one in (new, old)]
    assert told[0] == told[1]
    assert (told[0][:2], told[0][4]) == ([SYMBOLS[1], "long"], "cross")
    # Leverage is told by the older one alone, and what margin it takes by the newer one.
    assert ("leverage" in new["info"], old["leverage"]) == (False, 20)
    assert (new["info"]["marginAsset"], "marginAsset" in old["info"]) == ("USDT", False)
