"""What an account is told of its own: listen keys and subscriptions, and who reads them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import msgspec

from libra.exchange_sim.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from libra.exchange_sim.accounts import Account
    from libra.exchange_sim.clients import Client
    from libra.exchange_sim.clock import Clock

__all__ = ["UserStreams"]

_encode = msgspec.json.Encoder().encode


class UserStreams:
    """The user streams of all accounts.

    Args:
        clock: The venue's.
        listen_key_ms: How long a listen key lives without being kept alive.
    """

    def __init__(self, clock: Clock, listen_key_ms: int) -> None:
        self._clock = clock
        self._listen_key_ms = listen_key_ms
        self._keys: dict[tuple[str, str], tuple[str, int]] = {}
        """The key of a side and account, and when it ends."""
        self._readers: dict[tuple[str, str], dict[Client, Callable[[dict[str, Any]], dict[str, Any]]]] = {}
        self.on_event: Callable[[Account, str, dict[str, Any], Callable[[dict[str, Any]], None]], bool] | None = None
        """Faults: takes an event instead of its readers where it says True."""
        self.touched: set[Client] = set()
        """Who has something waiting."""

    def open_key(self, account: Account, side: str) -> str:
        """The listen key of an account: a new one, or the old one for another hour."""
        now_ms = self._clock.now_ms()
        key, ends_ms = self._keys.get((side, account.name), ("", 0))
        if ends_ms <= now_ms:
            key = secrets.token_hex(32)
        self._keys[side, account.name] = (key, now_ms + self._listen_key_ms)
        return key

    def keep_key(self, account: Account, side: str) -> str:
        """Keeps a listen key alive.

        Raises:
            ApiError: -1125 when there is none.
        """
        if self._keys.get((side, account.name), ("", 0))[1] <= self._clock.now_ms():
            raise ApiError.bad_listen_key()
        return self.open_key(account, side)

    def close_key(self, account: Account, side: str) -> None:
        """Ends a listen key, and the streams that read by it."""
        self._keys.pop((side, account.name), None)
        for client in list(self._readers.get((side, account.name), {})):
            client.cut()

    def expire_key(self, account: str, side: str) -> None:
        """Lets a listen key end now."""
        known = self._keys.get((side, account))
        if known is not None:
            self._keys[side, account] = (known[0], self._clock.now_ms())
            self.expire()

    def owner(self, side: str, listen_key: str) -> str | None:
        """Whose key it is, if it is good."""
        now_ms = self._clock.now_ms()
        for (key_side, name), (key, ends_ms) in self._keys.items():
            if key_side == side and ends_ms > now_ms and secrets.compare_digest(key.encode(), listen_key.encode()):
                return name
        return None

    def expire(self) -> None:
        """Ends listen keys whose time is over: their readers are told, and read nothing more."""
        now_ms = self._clock.now_ms()
        for (side, name), (key, ends_ms) in list(self._keys.items()):
            if ends_ms > now_ms:
                continue
            del self._keys[side, name]
            event = {"e": "listenKeyExpired", "E": now_ms, "listenKey": key}
            for client, wrap in self._readers.pop((side, name), {}).items():
                client.send(_encode(wrap(event)))
                self.touched.add(client)

    def attach(
        self,
        side: str,
        account: str,
        client: Client,
        wrap: Callable[[dict[str, Any]], dict[str, Any]] = lambda event: event,
    ) -> None:
        """Lets a client read an account's events, each as `wrap` makes it."""
        self._readers.setdefault((side, account), {})[client] = wrap
        client.account = account

    def detach(self, client: Client) -> None:
        """Takes a client away from all streams."""
        for readers in self._readers.values():
            readers.pop(client, None)

    def readers(self, account: str) -> list[Client]:
        """Who reads an account's events."""
        return [client for (_, name), readers in self._readers.items() if name == account for client in readers]

    def send(self, account: Account, side: str, event: dict[str, Any]) -> None:
        """Tells the readers of an account."""

        def deliver(event: dict[str, Any]) -> None:
            for client, wrap in self._readers.get((side, account.name), {}).items():
                client.send(_encode(wrap(event)))
                self.touched.add(client)

        if self.on_event is None or not self.on_event(account, side, event, deliver):
            deliver(event)
