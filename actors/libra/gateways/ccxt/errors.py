"""What an error of CCXT proves about an order: that the venue did not take it, or nothing."""

from __future__ import annotations

import importlib
import re
from types import ModuleType
from typing import Any

from libra.errors import GatewayError
from libra.gateways.ccxt.credentials import Credentials

__all__ = ["Refusal", "explain", "library", "refusal_of", "told"]

_REFUSED = (
    "AuthenticationError",
    "ArgumentsRequired",
    "BadRequest",
    "OperationRejected",
    "InsufficientFunds",
    "InvalidOrder",
    "NotSupported",
    "InvalidNonce",
)
"""Errors by which a venue, or CCXT before it sends, says that it does not take a request."""

_BINANCE_REFUSED = frozenset({-1003, -1013, -1015, -1021, -1022, -2010, -2018, -2019, -2014, -2015, -4116, -5022})
_BINANCE_OPEN = frozenset({-1000, -1001, -1006, -1007, -1008, -1016})
"""Codes that leave open what became of a request, whatever class CCXT gives them: "execution status unknown"."""

_CODE = re.compile(r'"code"\s*:\s*"?(-?\d+)')
_MESSAGE = re.compile(r'"(?:msg|message|sMsg|retMsg)"\s*:\s*"((?:[^"\\]|\\.)*)"')
_SIGNATURE = re.compile(r"((?:signature|listenKey|apiKey|sign|token)[\"']?\s*[=:]\s*[\"']?)[^&\s\"',}]+", re.IGNORECASE)
_LONGEST = 400


class Refusal:
    """Why a venue did not take a request.

    Attributes:
        code: The venue's own code where it gave one, else the name of CCXT's error; ``DUPLICATE`` for an order that it
            has already.
        detail: Its words.
    """

    __slots__ = ("code", "detail")

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = detail


def library() -> ModuleType:
    """CCXT, which is loaded only where it is used."""
    return importlib.import_module("ccxt")


def explain(error: BaseException, credentials: Credentials) -> str:
    """An error in words that may be shown: short, and without keys, signatures or tokens."""
    text = f"{type(error).__name__}: {error}"
    return credentials.hide(_SIGNATURE.sub(r"\1***", text))[:_LONGEST]


def told(error: BaseException, venue: str, credentials: Credentials) -> GatewayError:
    """An error of CCXT as ours. Raise it ``from None``: the one beneath may hold what must not be shown."""
    return GatewayError(f"{venue}: {explain(error, credentials)}")


def refusal_of(error: BaseException, credentials: Credentials, *, is_binance: bool) -> Refusal | None:
    """What proves that the venue did not take the request; None where its fate is open.

    Timeouts, cut connections, faults of the venue and whatever is not known leave it open. So does an error of a class
    that says "refused" where the venue's own code says that it does not know.
    """
    ccxt = library()
    text = str(error)
    code, detail = _said(error, text)
    detail = detail if detail is not None else explain(error, credentials)
    if is_binance and code in _BINANCE_OPEN:
        return None
    if _is_duplicate(error, code, text, ccxt):
        return Refusal("DUPLICATE", credentials.hide(detail)[:_LONGEST])
    classes = tuple(getattr(ccxt, name) for name in _REFUSED)
    refused = isinstance(error, classes) or (is_binance and code in _BINANCE_REFUSED)
    if is_binance and isinstance(error, (ccxt.DDoSProtection, ccxt.RateLimitExceeded)):
        # Answered by the venue's gate keeper: nothing behind it has seen the request.
        refused = True
    if not refused:
        return None
    return Refusal(str(code) if code is not None else type(error).__name__, credentials.hide(detail)[:_LONGEST])


def _said(error: BaseException, text: str) -> tuple[int | None, str | None]:
    """The venue's own code and words."""
    answer = getattr(error, "answer", None)
    if isinstance(answer, dict) and re.fullmatch(r"-?\d{1,9}", str(answer["code"])):
        words = answer.get("msg", answer.get("message"))
        return int(answer["code"]), None if words is None else str(words)
    found, message = _CODE.search(text), _MESSAGE.search(text)
    return int(found.group(1)) if found is not None else None, message.group(1) if message is not None else None


def _is_duplicate(error: BaseException, code: int | None, text: str, ccxt: Any) -> bool:  # noqa: ANN401 - a module
    return isinstance(error, ccxt.DuplicateOrderId) or code == -4116 or "Duplicate order sent" in text
