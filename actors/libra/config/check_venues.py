"""Checks of accounts at venues: that they trade what is there, are priced by it, and are told apart."""

from __future__ import annotations

from collections.abc import Iterator

from libra.config.accounts import AccountGroupSettings, CcxtGatewaySettings
from libra.config.draft import Draft
from libra.config.market import CcxtMarketSettings


def check_venues(draft: Draft) -> None:
    """Tests every account at a venue of CCXT's; what is found goes to the draft's problems."""
    seen: dict[tuple[str, str, str, str | None], str] = {}
    for index, account in draft.accounts:
        gateway = account.gateway
        if not isinstance(gateway, CcxtGatewaySettings):
            continue
        here = ("account_groups", index)
        for path, message in (*_place(gateway), *_account(draft, account, gateway)):
            draft.report(message, *here, *path)
        key = (gateway.venue, gateway.market, gateway.api_key_env, gateway.redirect)
        if key in seen:
            draft.report(
                f'has the keys and the market of account "{seen[key]}": one account of a venue is one account group',
                *(*here, "gateway", "api_key_env"),
            )
        seen[key] = account.name
    market = draft.market
    if isinstance(market, CcxtMarketSettings):
        if market.testnet and market.redirect is not None:
            draft.report("is given beside testnet; keep one of them", "market", "redirect")
        for position, symbol in enumerate(market.symbols):
            if f"{symbol}@{market.venue}" not in draft.instrument_keys():
                draft.report(
                    f'{symbol} has no instrument; add [[instruments]] with symbol = "{symbol}" and'
                    f' venue = "{market.venue}"',
                    *("market", "symbols", position),
                )


def _place(gateway: CcxtGatewaySettings) -> Iterator[tuple[tuple[str, ...], str]]:
    if gateway.testnet and gateway.redirect is not None:
        yield ("gateway", "redirect"), "is given beside testnet; keep one of them"
    if gateway.redirect is not None and not gateway.venue.startswith("binance"):
        yield ("gateway", "redirect"), "is for Binance's protocol only"
    if gateway.secret_env == gateway.api_key_env:
        yield ("gateway", "secret_env"), "names the variable of the API key; name that of its secret"


def _account(
    draft: Draft, account: AccountGroupSettings, gateway: CcxtGatewaySettings
) -> Iterator[tuple[tuple[str, ...], str]]:
    if account.balances:
        yield ("balances",), "the venue says what an account has; take balances out"
    for entry in draft.instruments_of(account.name):
        if entry.venue != gateway.venue:
            yield ("gateway", "venue"), f"is {gateway.venue}, but its strategies trade {entry.id}"
        elif (entry.kind == "spot") is not (gateway.market == "spot"):
            yield (
                ("gateway", "market"),
                f'is "{gateway.market}", but its strategies trade {entry.id}, which is {entry.kind}',
            )
    market = draft.market
    if market is not None and getattr(market, "kind", None) != "gateway":
        if not isinstance(market, CcxtMarketSettings) or market.venue != gateway.venue:
            yield (
                ("gateway", "venue"),
                (f'is priced by the market of another: set market.kind = "ccxt" and market.venue = "{gateway.venue}"'),
            )
        elif (market.testnet, market.redirect) != (gateway.testnet, gateway.redirect):
            yield (
                ("gateway",),
                "its testnet and redirect are not those of [market]: prices and orders have to be of one place",
            )
