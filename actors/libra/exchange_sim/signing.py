"""Who signed a request: HMAC-SHA256 with the account's secret, or Ed25519 with its key."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING
from urllib.parse import unquote

from libra.exchange_sim.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from libra.exchange_sim.accounts import Account
    from libra.exchange_sim.params import Params

__all__ = ["Signatures", "signed_query", "split_signature"]

DEFAULT_WINDOW_MS, LARGEST_WINDOW_MS, AHEAD_MS = 5_000, 60_000, 1_000


def split_signature(query: str, body: str) -> tuple[str, str]:
    """What a REST request signs, and its signature: query and body one behind the other, without the signature."""
    signature, rest = "", []
    for part in (query, body):
        kept = []
        for pair in part.split("&"):
            name, _, value = pair.partition("=")
            if name == "signature":
                signature = unquote(value)
            elif pair:
                kept.append(pair)
        rest.append("&".join(kept))
    return "".join(rest), signature


def signed_query(params: Mapping[str, str]) -> tuple[str, str]:
    """What a ws-api request signs, sorted by name, and its signature."""
    payload = "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature")
    return payload, params.get("signature", "")


class Signatures:
    """Checks who a request is from.

    Args:
        accounts: All accounts that may sign.
    """

    def __init__(self, accounts: list[Account]) -> None:
        self._by_key = {account.api_key: account for account in accounts}

    def account(self, api_key: str | None) -> Account:
        """Whose key it is.

        Raises:
            ApiError: -2014 or -2015.
        """
        if not api_key:
            raise ApiError.bad_key_format()
        account = self._by_key.get(api_key)
        if account is None:
            raise ApiError.rejected_key()
        return account

    def name(self, api_key: str | None) -> str:
        """The name of whose key it is, empty where it is nobody's."""
        account = self._by_key.get(api_key or "")
        return account.name if account is not None else ""

    def verify(self, account: Account, payload: str, signature: str, params: Params, now_ms: int) -> None:
        """Checks the signature, then the time.

        Raises:
            ApiError: -1102, -1022, -1021 or -1131.
        """
        if not signature:
            raise ApiError.missing("signature")
        if not _verifies(account, payload.encode(), signature):
            raise ApiError.bad_signature()
        timestamp = params.integer("timestamp")
        if timestamp is None:
            raise ApiError.missing("timestamp")
        window = params.integer("recvWindow")
        window = DEFAULT_WINDOW_MS if window is None else window
        if window > LARGEST_WINDOW_MS:
            raise ApiError(-1131, "recvWindow must be less than 60000")
        if timestamp >= now_ms + AHEAD_MS:
            raise ApiError.outside_window(ahead=True)
        if now_ms - timestamp > window:
            raise ApiError.outside_window(ahead=False)


def _verifies(account: Account, payload: bytes, signature: str) -> bool:
    if account.public_key:
        return _verifies_ed25519(account.public_key, payload, signature)
    expected = hmac.new(account.secret, payload, hashlib.sha256).hexdigest()
    # compare_digest takes no text beyond ASCII.
    return hmac.compare_digest(expected.encode(), signature.lower().encode())


def _verifies_ed25519(pem: str, payload: bytes, signature: str) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(pem.encode())
    if not isinstance(key, Ed25519PublicKey):
        return False
    try:
        key.verify(base64.b64decode(signature, validate=True), payload)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
