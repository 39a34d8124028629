"""What has to hold between the venue's ledger and our account, however often our process died on the way."""

from collections import Counter
from decimal import Decimal

SIGKILL = -9


def check(world):
    """Compare everything; an assertion names what does not hold."""
    venue = {order["order_id"]: order for order in world.dump()}
    ours = {order["client_order_id"]: order for order in world.told["orders"]}
    _none_twice(world)
    _every_order_known(venue, ours)
    _every_intent_resolved(venue, ours)
    _every_fill_once(venue, world.told)
    _sums(venue, world.told)
    _none_sent_after_a_restart(world)
    _reconciled_before_new_orders(world)


def _sent(world):
    return [row for row in world.ledger if row["op"] == "order"]


def _none_twice(world):
    sequence = [row["seq"] for row in world.ledger]
    assert sequence == sorted(set(sequence)), "the ledger itself is torn"
    twice = [order_id for order_id, times in Counter(row["order_id"] for row in _sent(world)).items() if times > 1]
    assert not twice, f"sent twice: {twice}"


def _every_order_known(venue, ours):
    for order_id, theirs in venue.items():
        assert order_id in ours, f"the venue knows {order_id}, the account does not"
        mine = ours[order_id]
        assert mine["status"] == theirs["status"], (mine, theirs)
        assert mine["status"] in ("FILLED", "CANCELLED"), f"left open: {mine}"
        assert Decimal(mine["filled"]) == Decimal(theirs["filled"]), (mine, theirs)
        assert mine["venue_order_id"] == theirs["venue_order_id"], (mine, theirs)
        assert (mine["side"], Decimal(mine["size"])) == (theirs["side"], Decimal(theirs["size"])), (mine, theirs)


def _every_intent_resolved(venue, ours):
    # What the gate refused or held back says so; all else that the venue does not know was asked about and not found.
    refused = {"NOT_FOUND", "RECONCILING", "KILL_SWITCH", "EXPIRED", "STALE_MARKET"}
    for order_id, mine in ours.items():
        if order_id not in venue:
            held_back = mine["status"] == "CANCELLED" and mine["reason"] == "REQUESTED"
            assert held_back or (mine["status"] == "REJECTED" and mine["reason"] in refused), mine
            assert Decimal(mine["filled"]) == 0, mine


def _every_fill_once(venue, told):
    def key(fill, order_id, trade_id):
        numbers = (Decimal(fill[name]) for name in ("price", "size", "fee"))
        return (order_id, int(trade_id), *numbers)

    theirs = [key(fill, fill["order_id"], fill["trade_id"]) for order in venue.values() for fill in order["fills"]]
    mine = [key(fill, fill["client_order_id"], fill["trade_id"]) for fill in told["fills"]]
    assert sorted(mine) == sorted(theirs)


def _sums(venue, told):
    size, fees = Decimal(0), Decimal(0)
    for order in venue.values():
        for fill in order["fills"]:
            size += Decimal(fill["size"]) * (1 if order["side"] == "BUY" else -1)
            fees += Decimal(fill["fee"])
    assert sum(Decimal(row["size"]) for row in told["positions"]) == size
    (balance,) = [row for row in told["balances"] if row["currency"] == "USDT"]
    assert Decimal(balance["fees"]) == fees
    assert Decimal(balance["total"]) == Decimal(balance["opening"]) + Decimal(balance["realised"]) - fees


def _none_sent_after_a_restart(world):
    known_before = {n + 1: set(found["known"]) for n, found in enumerate(world.found)}
    again = [row for row in _sent(world) if row["order_id"] in known_before[row["session"]]]
    assert not again, f"an order of an earlier life left: {again}"


def _reconciled_before_new_orders(world):
    asked = {n + 1: set() for n in range(world.session)}
    for row in world.ledger:
        if row["op"] == "query":
            asked[row["session"]].add(row["order_id"])
        elif row["op"] == "order":
            found = world.found[row["session"] - 1]
            left_open = {*found["open"], *found.get("unanswered", [])}
            missing = left_open - asked[row["session"]]
            assert not missing, f"session {row['session']}: {row['order_id']} left before {missing} were asked about"
