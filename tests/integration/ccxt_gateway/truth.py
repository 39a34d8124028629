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
        symbol = trade["symbol"]
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
    return {currency: total for currency, total in totals.items() if total}, rounded


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
