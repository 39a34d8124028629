"""One side of the venue: its endpoints, and what a request has to be before one answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from libra.exchange_sim.endpoints import Call, Endpoint, Security
from libra.exchange_sim.errors import ApiError

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Mapping

    from libra.exchange_sim.accounts import Account
    from libra.exchange_sim.clock import Clock
    from libra.exchange_sim.params import Params
    from libra.exchange_sim.signing import Signatures
    from libra.exchange_sim.weights import Budgets

__all__ = ["OrderRequest", "Side"]


class OrderRequest(NamedTuple):
    """An order that was asked for: when, by whom, under which id, and the code of its refusal, 0 where it was taken.

    One that a fault, the rate limits or the signature's check have refused was asked for, too.
    """

    ts_ms: int
    account: str
    side: str
    client_order_id: str
    code: int


class Side:
    """Spot or USD-M.

    Args:
        name: `spot` or `linear`.
        clock: The venue's.
        endpoints: By method and path.
        budgets: What may be asked.
        signatures: Who signs.
        requests: Is told of orders, of those that were refused too.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        endpoints: Mapping[tuple[str, str], Endpoint],
        budgets: Budgets,
        signatures: Signatures,
        requests: deque[OrderRequest],
    ) -> None:
        self.name = name
        self.budgets = budgets
        self.signatures = signatures
        self._clock = clock
        self._endpoints = endpoints
        self._requests = requests

    def find(self, method: str, path: str) -> Endpoint | None:
        """An endpoint."""
        return self._endpoints.get((method, path))

    def ask(
        self,
        endpoint: Endpoint,
        params: Params,
        ip: str,
        api_key: str | None,
        signed: tuple[str, str],
    ) -> tuple[Any, Account | None]:
        """Answers a request.

        Args:
            endpoint: What is asked.
            params: With what.
            ip: From where.
            api_key: By whom.
            signed: What was signed, and the signature.

        Returns:
            The answer, and the account where it placed an order.

        Raises:
            ApiError: When it is refused.
        """
        now_ms = self._clock.now_ms()
        try:
            answer, account = self._ask(endpoint, params, ip, api_key, signed, now_ms)
        except ApiError as error:
            self.note(endpoint, params, api_key, error.code)
            raise
        self.note(endpoint, params, api_key, 0)
        return answer, account

    def note(self, endpoint: Endpoint, params: Params, api_key: str | None, code: int) -> None:
        """Keeps in mind that an order was asked for, whoever refuses it."""
        if endpoint.places_order:
            client_id = params.get("newClientOrderId") or params.get("clientAlgoId") or ""
            name = self.signatures.name(api_key)
            self._requests.append(OrderRequest(self._clock.now_ms(), name, self.name, client_id, code))

    def _ask(
        self,
        endpoint: Endpoint,
        params: Params,
        ip: str,
        api_key: str | None,
        signed: tuple[str, str],
        now_ms: int,
    ) -> tuple[Any, Account | None]:
        self.budgets.spend(ip, endpoint.cost(params), now_ms)
        account = None
        if endpoint.security is not Security.NONE:
            account = self.signatures.account(api_key)
        if endpoint.security is Security.SIGNED and account is not None:
            self.signatures.verify(account, *signed, params, now_ms)
        if not endpoint.places_order or account is None:
            return endpoint.answer(Call(params, account, now_ms)), None
        self.budgets.count_order(account.number, now_ms)
        return endpoint.answer(Call(params, account, now_ms)), account

    def not_found(self) -> ApiError:
        """There is no such endpoint."""
        return ApiError(-1000, "Path not found.", 404)
