"""Somebody else closes our position at the simulated exchange: its owner by hand, or the venue itself."""

import time
from decimal import Decimal

import pytest
from tests.integration.ccxt_gateway.world import SIZE, TOLD, World


class Slow(World):
    """Looks at the account once a minute, as a profile that says nothing does, and may not be short."""

    may_short = False

    def arguments(self, *accounts):
        arguments = super().arguments(*accounts)
        profile = self.folder / "trading.toml"
        text = profile.read_text(encoding="utf-8")
        assert "reconcile_every_s = 0.5, " in text
        assert "allow_short = true" in text
        text = text.replace("reconcile_every_s = 0.5, ", "")
        text = text.replace("allow_short = true", f"allow_short = {str(self.may_short).lower()}")
        profile.write_text(text, encoding="utf-8")
        return arguments

    def begin_long(self):
        self.start("linear")
        self.until("linear", lambda row: row["look"] is not None and row["look"]["settled"] and row["stopped"] is None)
        self.tell("linear", f"BUY {SIZE['linear']}")
        self.until("linear", lambda row: row["positions"])

    def position(self):
        (row,) = self.venue.ask("GET", "/fapi/v3/positionRisk", symbol="BTCUSDT") or [{"positionAmt": "0"}]
        return float(row["positionAmt"])


def test_a_position_that_somebody_else_closes_stops_new_orders_at_once(thin, world_of):
    world = world_of(thin, Slow)
    world.begin_long()
    began = time.monotonic()
    world.by_hand("linear", "SELL", SIZE["linear"], "autoclose-1")
    row = world.until("linear", lambda row: row["stopped"] is not None)
    assert row["stopped"][0] in ("RECONCILING", "INCIDENT")
    world.tell("linear", f"SELL {SIZE['linear']}")
    row = world.until("linear", lambda row: row["incident"] is not None)
    took_s = time.monotonic() - began
    assert took_s < 20, "it was found by the stream, not by the next look of the minute"
    print(f"the difference was an incident {took_s:.1f} s behind the execution")  # noqa: T201 - a figure to see
    assert "POSITION_DIFFERS" in [difference[0] for difference in row["look"]["differences"]]
    assert world.position() == 0, "the strategy's own closing never left"
    assert "INCIDENT: POSITION_DIFFERS" in world.stop(code=3)["stopped"]["linear"]
    assert "somebody else has traded" in world.life.said


def test_a_closing_order_never_turns_a_position_that_the_account_has_not_heard_is_closed(thin, world_of):
    world = world_of(thin, Slow)
    world.begin_long()
    # The stream is silent: what the account knows is the position that it had.
    thin.control("faults", {"kind": "drop_events", "account": "sim"})
    world.by_hand("linear", "SELL", SIZE["linear"], "autoclose-1")
    assert world.position() == 0
    world.tell("linear", f"SELL {SIZE['linear']}")
    world.until("linear", lambda row: "-2022" in world.life.said)
    assert world.position() == 0, "the venue knew that it may only reduce"
    thin.clear()
    world.stop()


class MayShort(Slow):
    """One that may."""

    may_short = True


class Swapping(MayShort):
    """Whose strategy, when told to CLOSE, cancels what rests and sells at once: where there is a market to sell at."""

    body = TOLD.replace(
        "    side, size, *away = lines[self.done].split()\n",
        "    side, size, *away = lines[self.done].split()\n"
        "    if side == 'CLOSE':\n"
        "        if not 0 < self.last.bid <= self.last.ask:\n"
        "            return\n"
        "        self.cancel(self.rests)\n"
        "        side = 'SELL'\n",
    ).replace("    self.submit(", "    self.rests = self.submit(")


def test_a_fill_that_the_cancel_comes_too_late_for_and_the_order_behind_it_turn_no_position(thin, world_of):
    world = world_of(thin, Swapping)
    world.begin_long()
    world.tell("linear", f"SELL {SIZE['linear']} -5")
    world.until("linear", lambda row: row["open_orders"] == len(thin.resting("linear")) == 1)
    (takes,) = [order for order in thin.orders("linear") if order["status"] == "NEW"]
    # It is filled, and the account has not heard of it.
    thin.control("faults", {"kind": "drop_events", "account": "sim"})
    world.sweep("linear", takes["price"], side="BUY", quantity="10.000")
    assert world.position() == 0
    world.tell("linear", f"CLOSE {SIZE['linear']}")
    world.until("linear", lambda row: "-2022" in world.life.said)
    assert world.position() == 0, "what was closed already is not sold twice"
    world.until("linear", lambda row: row["open_orders"] == 0 and not row["positions"])
    thin.clear()
    world.stop()
    assert world.incidents("linear") == []


@pytest.mark.parametrize("sides", [("BUY", "SELL"), ("SELL", "BUY")])
def test_several_orders_that_reduce_rest_together_and_all_are_executed(thin, world_of, sides):
    opens, closes = sides
    world = world_of(thin, MayShort)
    world.start("linear")
    world.until("linear", lambda row: row["look"] is not None and row["look"]["settled"] and row["stopped"] is None)
    world.tell("linear", f"{opens} 0.006")
    world.until("linear", lambda row: row["positions"])
    world.tell("linear", *[f"{closes} 0.002 {-5 if closes == 'SELL' else 5}"] * 3)
    # What is open here may still be on its way there.
    world.until("linear", lambda row: row["open_orders"] == len(thin.resting("linear")) == 3)
    resting = [order for order in thin.orders("linear") if order["status"] == "NEW"]
    assert [order["reduceOnly"] for order in resting] == [True] * 3
    prices = sorted((order["price"] for order in resting), key=Decimal)
    price, side = (prices[-1], "BUY") if closes == "SELL" else (prices[0], "SELL")
    world.sweep("linear", price, side=side, quantity="10.000")
    world.until("linear", lambda row: row["open_orders"] == 0 and not row["positions"])
    world.stop()
    assert world.position() == 0
