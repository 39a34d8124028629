"""The live table of a run on a terminal.

The node only leaves its latest status here; a thread of rich draws it, so that nothing is rendered in the node's loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from libra.cli import text

LAST_ORDERS = 6
REFRESH_HZ = 4

Status = Mapping[str, Any]


class LiveDisplay:
    """Draws the latest status until it is left; a context manager."""

    def __init__(self, console: Console, title: str) -> None:
        self._title = title
        self._status: Status = {}
        self._live = Live(
            console=console,
            get_renderable=self._render,
            refresh_per_second=REFRESH_HZ,
            transient=True,
            redirect_stdout=True,
            redirect_stderr=True,
        )

    def __enter__(self) -> LiveDisplay:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, status: Status) -> None:
        """Takes the latest status."""
        self._status = status

    def _render(self) -> RenderableType:
        return render(self._status, self._title)


def render(status: Status, title: str) -> RenderableType:
    """One picture of a run.

    Args:
        status: What the node reported.
        title: The profile's name.

    Returns:
        Something that rich prints.
    """
    if not status:
        return Text(f"{title}: starting...", style="dim")
    return Group(_head(status, title), _symbols(status.get("symbols", ())), _orders(status.get("orders", ())))


def _head(status: Status, title: str) -> Text:
    equity = status.get("equity")
    head = Text.assemble(
        (f" {title} ", "bold reverse"),
        f"  {text.clock(status.get('time_ns'))} UTC",
        f"   {text.rate(status.get('events_per_s'))}",
        ("   equity ", "dim"),
        (text.money(equity), "bold"),
    )
    for label in ("signals", "fills", "errors"):
        shown = text.count(status.get(label, 0))
        head.append(f"   {label} ", "dim")
        head.append(shown, "bold red" if label == "errors" and shown != "0" else "")
    for currency, figures in _pnl_rows(status.get("pnl")):
        head.append("   P&L ", "dim")
        head.append(f"{text.money(figures.get('total'))} {currency}", text.colour(figures.get("total")))
    return head


def _pnl_rows(pnl: object) -> list[tuple[str, Mapping[str, Any]]]:
    if not isinstance(pnl, Mapping):
        return []
    return [(str(currency), figures) for currency, figures in pnl.items() if isinstance(figures, Mapping)]


def _symbols(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("symbol", style="cyan")
    for name in ("bid", "ask", "position", "unrealised", "realised", "trades"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            str(row.get("symbol", "-")),
            *(text.plain(row.get(name)) for name in ("bid", "ask", "position")),
            *(Text(text.money(row.get(name)), text.colour(row.get(name))) for name in ("unrealised", "realised")),
            text.count(row.get("trades", 0)),
        )
    return table


def _orders(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="last orders", title_justify="left", title_style="dim")
    for name in ("time", "symbol", "side", "type"):
        table.add_column(name)
    for name in ("size", "price"):
        table.add_column(name, justify="right")
    for name in ("status", "strategy"):
        table.add_column(name)
    for row in list(rows)[-LAST_ORDERS:]:
        side = str(row.get("side", "-"))
        table.add_row(
            text.clock(row.get("time_ns")),
            text.plain(row.get("symbol")),
            Text(side, "green" if side.upper() == "BUY" else "red"),
            *(text.plain(row.get(name)) for name in ("type", "size", "price", "status", "strategy")),
        )
    return table
