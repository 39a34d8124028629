"""What an account of the simulated exchange must have, recomputed by exact fractions from the venue's raw log.

It imports nothing of Libra's: only what the exchange says of each trade, payment and movement, and how it says that
it rounds.
"""

import sqlite3
from collections import defaultdict
from fractions import Fraction

UNIT = Fraction(1, 10**8)


def cut(amount):
    """Toward zero, to the venue's unit."""
    units = abs(amount) // UNIT * UNIT
    return units if amount >= 0 else -units


def wallets(exchange, market):
    """Totals by currency, what is not zero; and how often a realised profit was no whole unit."""
    totals, _, rounded = replayed(exchange, market)
    return totals, rounded


def replayed(exchange, market):
    """Totals by currency and positions (size and cost) by symbol, what is not zero; and how often it rounded."""
    log = exchange.control("trades?account=sim")
    (account,) = [row for row in exchange.control("accounts") if row["name"] == "sim"]
    totals = defaultdict(Fraction)
    for currency, amounts in account[market].items():
        totals[currency] += Fraction(amounts["opening"])
    for moved in log["movements"]:
        totals[moved["asset"]] += Fraction(moved[market])
    rounded = 0
    sizes, costs = defaultdict(Fraction), defaultdict(Fraction)
    for trade in (row for row in log["trades"] if row["side"] == market):
        price, size = Fraction(trade["price"]), Fraction(trade["quantity"])
        signed = size if trade["buys"] else -size
        totals[trade["fee_asset"]] -= Fraction(trade["fee"])
        if market == "spot":
            totals[trade["base"]] += signed
            totals[trade["quote"]] -= signed * price
            continue
        symbol = trade["market"]
        if sizes[symbol] * signed < 0:
            closed = min(size, abs(sizes[symbol])) * (1 if signed > 0 else -1)
            exact = -costs[symbol] * closed / sizes[symbol]
            released = cut(exact)
            rounded += released != exact
            totals[trade["quote"]] += -closed * price - released
            costs[symbol] -= released
            sizes[symbol] += closed
            signed -= closed
        costs[symbol] += signed * price
        sizes[symbol] += signed
    if market == "linear":
        for paid in log["funding"]:
            totals[paid["asset"]] -= Fraction(paid["paid"])
    positions = {symbol: (size, costs[symbol]) for symbol, size in sizes.items() if size}
    return {currency: total for currency, total in totals.items() if total}, positions, rounded


def shown(exchange, market):
    """Totals as the venue shows them."""
    if market == "spot":
        rows = exchange.ask("GET", "/api/v3/account")["balances"]
        totals = {row["asset"]: Fraction(row["free"]) + Fraction(row["locked"]) for row in rows}
    else:
        totals = {row["asset"]: Fraction(row["balance"]) for row in exchange.ask("GET", "/fapi/v2/balance")}
    return {currency: total for currency, total in totals.items() if total}


def ours(journal):
    """Totals as the account's journal has them at its end."""
    with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as database:
        rows = database.execute("SELECT currency, total FROM balances ORDER BY record").fetchall()
    database.close()
    return {currency: Fraction(total) for currency, total in dict(rows).items() if Fraction(total)}


_STATES = {"NEW": "ACCEPTED", "CANCELED": "CANCELLED", "EXPIRED_IN_MATCH": "EXPIRED"}


def theirs(exchange, market):
    """Orders, executions, positions and balances as the venue's log has them."""
    orders = {
        row["clientOrderId"]: (_STATES.get(row["status"], row["status"]), Fraction(row["executedQty"]))
        for row in exchange.control("orders?account=sim")
        if row["side_of_venue"] == market
    }
    trades = [row for row in exchange.control("trades?account=sim")["trades"] if row["side"] == market]
    fills = [(row["client_order_id"], row["trade_id"], row["fee_asset"], *_exact(row, "quantity")) for row in trades]
    totals, positions, rounded = replayed(exchange, market)
    found = {"orders": orders, "fills": sorted(fills), "balances": totals}
    return found | {"positions": Positions(positions, rounded)} if market == "linear" else found


class Positions(dict):
    """Size and cost by symbol. We keep costs whole, so that ours differ by what the venue has rounded, a unit each."""

    def __init__(self, positions, rounded):
        super().__init__(positions)
        self.rounded = rounded

    def __eq__(self, other):
        if self.keys() != other.keys():
            return False
        pairs = [(self[symbol], other[symbol]) for symbol in self]
        return all(
            size == our_size and abs(cost - ours) <= self.rounded * UNIT for (size, cost), (our_size, ours) in pairs
        )

    def __ne__(self, other):
        return not self == other

    __hash__ = None


def journalled(journal, market):
    """The same as our journal has it; of orders, those that the venue should know."""
    with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as database:
        database.row_factory = sqlite3.Row
        orders, fills, positions = (
            database.execute(f"SELECT * FROM {table}").fetchall() for table in ("orders", "fills", "positions")
        )
    database.close()
    # What the venue never took was found nowhere, or came back with its refusal.
    refused = [row for row in orders if row["status"] == "REJECTED" and Fraction(row["filled"]) == 0]
    found = {
        "orders": {
            row["client_order_id"]: (row["status"], Fraction(row["filled"])) for row in orders if row not in refused
        },
        "fills": sorted(
            (row["client_order_id"], int(row["trade_id"]), row["fee_currency"], *_exact(row, "size")) for row in fills
        ),
        "balances": ours(journal),
    }
    if market == "linear":
        held = {row["symbol"]: (Fraction(row["size"]), Fraction(row["cost"])) for row in positions}
        found["positions"] = {symbol: row for symbol, row in held.items() if row[0]}
    return found


def differences(exchange, market, journal):
    """What is not the same on both sides, in words; empty where all is."""
    there, here = theirs(exchange, market), journalled(journal, market)
    found = [f"{what}: the venue has {there[what]}, and we {here[what]}" for what in there if there[what] != here[what]]
    shows, expected = shown(exchange, market), there["balances"]
    found += [f"the venue shows {shows}, and its log says {expected}"] if shows != expected else []
    asked = exchange.asked(market)
    twice = sorted({order_id for order_id in asked if asked.count(order_id) > 1})
    return found + [f"sent twice: {order_id}" for order_id in twice]


def _exact(row, size):
    return Fraction(row["price"]), Fraction(row[size]), Fraction(row["fee"])
