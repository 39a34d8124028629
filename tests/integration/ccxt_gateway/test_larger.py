"""An order of ours that its owner makes larger at the venue: more of it works there than anything here counts."""

import json
import time
import urllib.request
from decimal import Decimal

from tests.integration.ccxt_gateway.world import PATHS, SIZE


def make_larger(venue, quantity):
    base, _, symbol = PATHS["linear"]
    (order,) = venue.orders("linear")
    terms = {"side": order["side"], "quantity": quantity, "price": order["price"]}
    answer = venue.ask("PUT", f"{base}/order", symbol=symbol, orderId=order["orderId"], **terms)
    assert isinstance(answer, dict), answer
    return order["price"]


def begun(thin, world_of):
    world = world_of(thin)
    world.start("linear")
    world.until_agreed("linear")
    world.tell("linear", f"BUY {SIZE['linear']} 5")
    world.until("linear", lambda row: row["open_orders"] == 1)
    return world


def execute(world, price):
    """Somebody trades down to our order, and takes what we asked for of it."""
    base, _, symbol = PATHS["linear"]
    left = Decimal(SIZE["linear"])
    while left > 0:
        with urllib.request.urlopen(f"{world.venue.url}{base}/depth?symbol={symbol}&limit=500") as answer:
            bids = json.load(answer)["bids"]
        better = sum(Decimal(size) for at, size in bids if Decimal(at) > Decimal(price))
        world.sweep("linear", price, quantity=str(better + left))
        (order,) = world.venue.orders("linear") or [{"executedQty": SIZE["linear"]}]
        left = Decimal(SIZE["linear"]) - Decimal(order["executedQty"])


def test_more_of_an_order_at_the_venue_than_here_stops_new_orders(thin, world_of):
    world = begun(thin, world_of)
    make_larger(thin, "0.300")
    row = world.until("linear", lambda row: row["incident"])
    assert row["incident"][0] == "ORDER_DIFFERS"
    assert "the venue has it with size 0.3, not 0.004" in row["incident"][1]
    # It is open here as well, and goes with the kill switch.
    world.trading.shell.run("kill-switch", env=world.env)
    world.until("linear", lambda row: row["open_orders"] == 0)
    assert thin.orders("linear") == []
    world.stop(code=3)


def test_what_works_on_behind_all_that_was_asked_for_is_cancelled(thin, world_of):
    world = begun(thin, world_of)
    price = make_larger(thin, "3.000")
    execute(world, price)
    world.until("linear", lambda row: row["open_orders"] == 0)
    end = time.monotonic() + 60
    while thin.orders("linear"):
        assert time.monotonic() < end, world.life.said[-4_000:]
        time.sleep(0.05)
    assert "ACCEPTED_AFTER_END" in world.life.said
    world.stop(code=3)
    assert "ACCEPTED_AFTER_END" in {incident["code"] for incident in world.incidents("linear")}
