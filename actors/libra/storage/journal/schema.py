"""The journal's tables and views, by version.

Declared types say what a column holds, and give SQLite the affinity that keeps it:

| type | holds |
| --- | --- |
| `DECIMAL_TEXT` | an exact decimal number, without zeros behind its last digit |
| `NS_INTEGER` | nanoseconds since the epoch |
| `INTEGER`, `TEXT` | whole numbers; names, ids and words |

`record` and `log_offset` tell which record of the log a row comes from, and where in the file that begins. A step is
never changed once it was released: what is to be different becomes the next one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["APPLICATION_ID", "STANDING", "STEPS", "TABLES", "VIEWS", "Step", "insert_statement"]

APPLICATION_ID = 0x4C_42_52_4A
"""`LBRJ`: how a journal is told from any other database."""

STANDING = {
    "orders": ("client_order_id",),
    "positions": ("instrument",),
    "balances": ("currency",),
    "daily": ("day", "currency"),
}
"""Tables of what stands, with their keys: a row is replaced. All others only grow."""

_CREATED = frozenset({"created_record", "created_offset", "created_ns"})
"""What the first row of an order says for good."""


@dataclass(frozen=True, slots=True)
class Step:
    """From one version of the schema to the next.

    Attributes:
        statements: What is done, within one transaction.
        reprojects: True where the rows have to be made anew from the log.
    """

    statements: tuple[str, ...]
    reprojects: bool = False


_PLACE = "record INTEGER NOT NULL, log_offset INTEGER NOT NULL, ts_ns NS_INTEGER NOT NULL"
_ITEM = "record INTEGER NOT NULL, item INTEGER NOT NULL, log_offset INTEGER NOT NULL, ts_ns NS_INTEGER NOT NULL"

_VERSION_1 = (
    """CREATE TABLE log_position (
        id INTEGER PRIMARY KEY CHECK (id = 1), account TEXT NOT NULL, log TEXT NOT NULL, records INTEGER NOT NULL,
        log_offset INTEGER NOT NULL, digest TEXT NOT NULL, ts_ns NS_INTEGER NOT NULL,
        written_ns NS_INTEGER NOT NULL)""",
    f"CREATE TABLE epochs ({_PLACE}, epoch INTEGER NOT NULL PRIMARY KEY, account TEXT NOT NULL)",
    f"""CREATE TABLE instruments ({_PLACE}, instrument TEXT NOT NULL, symbol TEXT NOT NULL, venue TEXT NOT NULL,
        venue_symbol TEXT, base TEXT, quote TEXT, settle TEXT, kind TEXT NOT NULL, price_decimals INTEGER NOT NULL,
        size_decimals INTEGER NOT NULL, tick_size DECIMAL_TEXT, lot_size DECIMAL_TEXT, min_size DECIMAL_TEXT,
        max_size DECIMAL_TEXT, min_notional DECIMAL_TEXT, contract_size DECIMAL_TEXT, maker_fee DECIMAL_TEXT,
        taker_fee DECIMAL_TEXT, tradable INTEGER NOT NULL, PRIMARY KEY (record))""",
    f"""CREATE TABLE orders ({_PLACE}, client_order_id TEXT NOT NULL PRIMARY KEY, venue_order_id TEXT,
        request_id TEXT NOT NULL, signal_id TEXT, strategy TEXT NOT NULL, instrument TEXT NOT NULL,
        symbol TEXT NOT NULL, side TEXT NOT NULL, type TEXT NOT NULL, time_in_force TEXT NOT NULL,
        size DECIMAL_TEXT NOT NULL, price DECIMAL_TEXT, status TEXT NOT NULL, filled DECIMAL_TEXT NOT NULL,
        average_price DECIMAL_TEXT, filled_notional DECIMAL_TEXT NOT NULL, fees DECIMAL_TEXT NOT NULL, reason TEXT,
        detail TEXT, deadline_ns NS_INTEGER, window_end_ns NS_INTEGER, cancel_asked_ns NS_INTEGER,
        created_record INTEGER NOT NULL, created_offset INTEGER NOT NULL, created_ns NS_INTEGER NOT NULL)
        WITHOUT ROWID""",
    "CREATE INDEX orders_by_record ON orders (created_record)",
    f"""CREATE TABLE order_events ({_PLACE}, ts_venue_ns NS_INTEGER, client_order_id TEXT NOT NULL, kind TEXT NOT NULL,
        status TEXT, filled DECIMAL_TEXT, code TEXT, detail TEXT, PRIMARY KEY (record))""",
    f"""CREATE TABLE fills ({_PLACE}, ts_venue_ns NS_INTEGER NOT NULL, client_order_id TEXT NOT NULL,
        trade_id TEXT NOT NULL, strategy TEXT NOT NULL, instrument TEXT NOT NULL, symbol TEXT NOT NULL,
        side TEXT NOT NULL, price DECIMAL_TEXT NOT NULL, size DECIMAL_TEXT NOT NULL, notional DECIMAL_TEXT,
        fee DECIMAL_TEXT NOT NULL, fee_currency TEXT NOT NULL, liquidity TEXT NOT NULL, realised DECIMAL_TEXT,
        position DECIMAL_TEXT NOT NULL, PRIMARY KEY (record))""",
    f"""CREATE TABLE positions ({_PLACE}, instrument TEXT NOT NULL PRIMARY KEY, symbol TEXT NOT NULL,
        size DECIMAL_TEXT NOT NULL, cost DECIMAL_TEXT NOT NULL, average_price DECIMAL_TEXT,
        realised DECIMAL_TEXT NOT NULL, fees DECIMAL_TEXT NOT NULL, trades INTEGER NOT NULL) WITHOUT ROWID""",
    f"""CREATE TABLE balances ({_PLACE}, currency TEXT NOT NULL PRIMARY KEY, opening DECIMAL_TEXT NOT NULL,
        total DECIMAL_TEXT NOT NULL, realised DECIMAL_TEXT NOT NULL, fees DECIMAL_TEXT NOT NULL,
        peak DECIMAL_TEXT NOT NULL, day TEXT NOT NULL, day_start DECIMAL_TEXT NOT NULL) WITHOUT ROWID""",
    f"""CREATE TABLE daily ({_PLACE}, day TEXT NOT NULL, currency TEXT NOT NULL, realised DECIMAL_TEXT,
        fees DECIMAL_TEXT, net DECIMAL_TEXT, total DECIMAL_TEXT NOT NULL, fills INTEGER NOT NULL,
        PRIMARY KEY (day, currency)) WITHOUT ROWID""",
    f"""CREATE TABLE rejections ({_ITEM}, client_order_id TEXT NOT NULL, request_id TEXT, signal_id TEXT,
        strategy TEXT NOT NULL, instrument TEXT, symbol TEXT, side TEXT, type TEXT, time_in_force TEXT,
        size DECIMAL_TEXT, price DECIMAL_TEXT, code TEXT NOT NULL, limit_value TEXT, value TEXT, detail TEXT,
        PRIMARY KEY (record, item)) WITHOUT ROWID""",
    f"""CREATE TABLE limit_changes ({_ITEM}, who TEXT NOT NULL, confirmed INTEGER NOT NULL, version INTEGER NOT NULL,
        limit_key TEXT NOT NULL, old TEXT, new TEXT, PRIMARY KEY (record, item)) WITHOUT ROWID""",
    f"""CREATE TABLE breaches ({_PLACE}, code TEXT NOT NULL, currency TEXT NOT NULL, limit_value DECIMAL_TEXT NOT NULL,
        value DECIMAL_TEXT NOT NULL, PRIMARY KEY (record))""",
    f"""CREATE TABLE incidents ({_ITEM}, code TEXT NOT NULL, client_order_id TEXT NOT NULL, detail TEXT,
        PRIMARY KEY (record, item)) WITHOUT ROWID""",
    f"CREATE TABLE commands ({_PLACE}, kind TEXT NOT NULL, who TEXT, detail TEXT, PRIMARY KEY (record))",
)

_VERSION_2 = (
    f"""CREATE TABLE flows ({_ITEM}, ts_venue_ns NS_INTEGER, kind TEXT NOT NULL, currency TEXT NOT NULL,
        amount DECIMAL_TEXT NOT NULL, symbol TEXT, venue_id TEXT, PRIMARY KEY (record, item)) WITHOUT ROWID""",
)

STEPS: tuple[Step, ...] = (Step(_VERSION_1), Step(_VERSION_2, reprojects=True))
"""What leads to each version, from an empty file on; the version is how many there are."""

TABLES = {
    "epochs": ("epoch",),
    "instruments": ("record",),
    "orders": ("client_order_id",),
    "order_events": ("record",),
    "fills": ("record",),
    "positions": ("instrument",),
    "balances": ("currency",),
    "daily": ("day", "currency"),
    "flows": ("record", "item"),
    "rejections": ("record", "item"),
    "limit_changes": ("record", "item"),
    "breaches": ("record",),
    "incidents": ("record", "item"),
    "commands": ("record",),
}
"""Tables that are made of the log, with their keys."""


_TIME = r"strftime('%Y-%m-%d %H:%M:%S', \1 / 1000000000, 'unixepoch') || printf('.%06d', \1 % 1000000000 / 1000)"

_VIEWS = {
    "v_orders": """SELECT TIME(created_ns) AS created, TIME(ts_ns) AS updated, strategy, symbol, side, type,
        time_in_force, size, price, status, filled, average_price, fees, reason, detail, client_order_id,
        venue_order_id, instrument, created_ns AS ts_ns, created_record AS record, created_offset AS log_offset
        FROM orders""",
    "v_fills": """SELECT TIME(ts_ns) AS time, strategy, symbol, side, size, price, notional, fee, fee_currency,
        liquidity, realised, position, client_order_id, trade_id, ts_venue_ns, instrument, ts_ns, record, log_offset
        FROM fills""",
    "v_positions": """SELECT symbol, size, average_price, cost, realised, fees, trades, TIME(ts_ns) AS updated,
        instrument, ts_ns, record, log_offset FROM positions""",
    "v_balances": """SELECT currency, total, opening, realised, fees, peak, day, day_start, TIME(ts_ns) AS updated,
        ts_ns, record, log_offset FROM balances""",
    "v_daily_pnl": "SELECT day, currency, realised, fees, net, total, fills, ts_ns, record, log_offset FROM daily",
    "v_flows": """SELECT TIME(ts_ns) AS time, kind, currency, amount, symbol, venue_id, ts_venue_ns, ts_ns, record,
        item, log_offset FROM flows""",
    "v_risk": """SELECT TIME(ts_ns) AS time, 'rejection' AS kind, code, strategy, symbol, side, size, price,
        limit_value AS "limit", value, detail, client_order_id, instrument, ts_ns, record, item, log_offset
        FROM rejections
        UNION ALL SELECT TIME(ts_ns), 'breach', code, NULL, currency, NULL, NULL, NULL, limit_value, value, NULL,
        NULL, NULL, ts_ns, record, 0, log_offset FROM breaches
        UNION ALL SELECT TIME(ts_ns), 'limit', limit_key, NULL, NULL, NULL, NULL, NULL, old, new,
        'by ' || who || iif(confirmed, ', confirmed', ''), NULL, NULL, ts_ns, record, item, log_offset
        FROM limit_changes""",
    "v_incidents": """SELECT TIME(ts_ns) AS time, code, client_order_id, detail,
        (SELECT TIME(c.ts_ns) FROM commands c WHERE c.kind = 'resume' AND c.record > incidents.record
         ORDER BY c.record LIMIT 1) AS cleared, ts_ns, record, item, log_offset FROM incidents""",
    "v_commands": """SELECT TIME(ts_ns) AS time, kind, who, detail, NULL AS client_order_id, NULL AS symbol,
        NULL AS strategy, ts_ns, record, log_offset FROM commands
        UNION ALL SELECT TIME(e.ts_ns), 'cancel', NULL, NULL, e.client_order_id, o.symbol, o.strategy, e.ts_ns,
        e.record, e.log_offset FROM order_events e LEFT JOIN orders o USING (client_order_id)
        WHERE e.kind = 'cancel_intent'""",
}

VIEWS = {name: re.sub(r"TIME\(([\w.]+)\)", _TIME, query) for name, query in _VIEWS.items()}
"""Pleasant to read; made anew whenever the version changes."""


def insert_statement(table: str, columns: list[str]) -> str:
    """The statement that takes the rows of a table as one JSON array of arrays.

    One statement is one step of SQLite, for which the interpreter's lock is given up once: a writer that took it back
    for each row would wait for a busy loop, and hold it up, each time.
    """
    values = ", ".join(f"json_extract(row, '$[{place}]')" for place in range(len(columns)))
    # Materialised, since SQLite would write each row's text anew for each of its columns.
    rows = "WITH rows_ (row) AS MATERIALIZED (SELECT value FROM json_each(?))"
    statement = f"{rows} INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM rows_ WHERE true"  # noqa: S608
    if table not in STANDING:
        return statement
    kept = _CREATED.union(STANDING[table])
    replaced = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in kept)
    return f"{statement} ON CONFLICT ({', '.join(STANDING[table])}) DO UPDATE SET {replaced}"
