"""What a CCXT gateway is told: which venue, where it is, with which keys, and how patient it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from libra.gateways.ccxt.credentials import Credentials

__all__ = ["CcxtOptions"]


@dataclass(frozen=True, slots=True)
class CcxtOptions:
    """Options of one connection.

    Attributes:
        venue: CCXT's name of it, which instruments carry behind their ``@``.
        market: ``spot`` or ``swap``: which of the venue's markets an account trades.
        testnet: Connect to its test network.
        redirect: An address to connect to instead, as of ``libra exchange-sim``.
        credentials: The account's keys; none for market data.
        account: Name of the account group, whose own rate limits count.
        use_websocket_orders: Send orders over a WebSocket where the venue takes them so.
        window_ms: How long a request may be on its way: the venue is told to refuse what comes later.
        stale_after_ms: Silence of a stream behind which its connection is given up, and made anew.
        max_clock_skew_ms: How far our clock may be from the venue's.
        timeout_ms: How long an answer is waited for.
    """

    venue: str
    market: str = "spot"
    testnet: bool = False
    redirect: str | None = None
    credentials: Credentials = field(default_factory=Credentials)
    account: str = ""
    use_websocket_orders: bool = True
    window_ms: int = 5_000
    stale_after_ms: int = 10_000
    max_clock_skew_ms: int = 5_000
    timeout_ms: int = 5_000
