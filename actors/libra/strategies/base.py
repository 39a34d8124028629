"""The base class of strategies."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

from libra.core.actor import Actor
from libra.core.clock import delay_ns
from libra.model import OrderSide, TimeInForce

if TYPE_CHECKING:
    from collections.abc import Mapping

    from libra.model import Instrument, SignalType
    from libra.strategies.scope import Scope

__all__ = ["Strategy"]


class Strategy(Actor):
    """An actor that watches instruments and says what it thinks of them.

    Typed hooks (``on_quote``, ``on_trade``, ``on_book``, ``on_bar``) get the market data of its own symbols,
    ``on_order`` and ``on_fill`` what became of its own orders, ``on_refused`` which cancels and signals of its own came
    to nothing.

    Example:
        >>> from libra.model import SignalType
        >>> class BuyOnce(Strategy):
        ...     def on_start(self):
        ...         self.done = False
        ...
        ...     def on_quote(self, quote):
        ...         if not self.done:
        ...             self.done = self.signal(quote.symbol, SignalType.LONG, reason="a first quote")
    """

    _hears_its_own: ClassVar[bool] = True
    _scope: Scope

    @property
    def account(self) -> str:
        """The account group that it trades for."""
        return self._scope.account

    @property
    def symbols(self) -> tuple[str, ...]:
        """Its symbols, in CCXT notation."""
        return tuple(name.partition("@")[0] for name in self._scope.names)

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Its listed instruments, by symbol."""
        return self._scope.instruments

    def signal(
        self,
        symbol: str,
        signal_type: SignalType,
        *,
        strength: float = 1.0,
        price: Decimal | str | None = None,
        ttl_s: float | None = None,
        reason: str = "",
    ) -> bool:
        """Say what to do with an instrument.

        Args:
            symbol: One of its symbols.
            signal_type: LONG, SHORT, CLOSE_LONG, CLOSE_SHORT or HOLD.
            strength: 0 to 1, scales the size.
            price: A limit price; None for a market order.
            ttl_s: Seconds after which the signal is dropped, which ``on_refused`` tells; 0 for never. Without it never
                where the account is in this process, and else after `bridge.request_deadline_ms`.
            reason: For people.

        Returns:
            False when the queue of signals is full, or the accounts' node was given up.

        Raises:
            KeyError: For a symbol that it does not trade.
            ValueError: For a time that is negative, not a number, or longer than thirty years.
        """
        context = self._context
        instrument = self._scope.instruments[symbol].id
        return context.core.emit_signal(
            context.slot, instrument, signal_type, strength, price, self._ttl_ns(ttl_s), reason
        )

    def submit(
        self,
        symbol: str,
        side: OrderSide,
        size: Decimal | str | int,
        *,
        price: Decimal | str | None = None,
        time_in_force: TimeInForce | None = None,
        ttl_s: float | None = None,
    ) -> str | None:
        """Ask for an order of its own; it takes the same way through risk as any other.

        Args:
            symbol: One of its symbols.
            side: BUY or SELL.
            size: In size units of the instrument: base currency, or contracts.
            price: A limit price; None for a market order.
            time_in_force: GTC for a limit order, IOC for a market order where left out.
            ttl_s: Seconds after which it must not leave any more, and ends as ``EXPIRED``; 0 for never. Without it as
                for a signal.

        Returns:
            The id that the order will have, or None when the queue of requests is full, or its account's node
            was given up.

        Raises:
            KeyError: For a symbol that it does not trade.
            ValueError: For a time that is negative, not a number, or longer than thirty years.
        """
        context = self._context
        default = TimeInForce.IOC if price is None else TimeInForce.GTC
        return context.core.emit_order_request(
            context.slot,
            self.account,
            self._scope.instruments[symbol].id,
            side,
            size,
            price,
            time_in_force or default,
            self._ttl_ns(ttl_s),
            None,
        )

    def cancel(self, order_id: str) -> bool:
        """Ask to cancel an order; False when the queue of requests is full, or its node was given up."""
        return self._context.core.emit_cancel_request(self._context.slot, self.account, order_id)

    def _ttl_ns(self, ttl_s: float | None) -> int:
        return _ttl_ns(self._scope.ttl_s if ttl_s is None else ttl_s)

    def _assign(self, scope: Scope) -> None:
        self._scope = scope

    def _instruments(self) -> list[str]:
        return list(self._scope.names)


def _ttl_ns(ttl_s: float) -> int:
    """A time to live in whole nanoseconds. One that is shorter than a nanosecond is not the 0 that stands for ever."""
    whole = delay_ns("ttl_s", ttl_s)
    return max(whole, 1) if ttl_s > 0 else 0
