"""What a run with real money needs beyond a valid profile: to be asked for, keys, and a process without user code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from libra.config.accounts import CcxtGatewaySettings, PythonGatewaySettings
from libra.config.secrets import environment
from libra.errors import ConfigError

if TYPE_CHECKING:
    from libra.config.settings import Settings

__all__ = ["check_live", "key_names", "missing_to_trade"]

_HOW_TO_SPLIT = """add
    [nodes.trading]
    roles = ["market", "accounts"]
    [nodes.strategies]
    roles = ["strategies"]"""


def check_live(settings: Settings, *, live: bool, environ: Mapping[str, str] | None = None) -> None:
    """Refuse a run that would trade with real money without having been asked to, or without what that needs.

    Args:
        settings: The profile.
        live: Real money was asked for, by ``--live``.
        environ: The environment, with what was handed over where left out.

    Raises:
        ConfigError: With all that is missing.
    """
    problems = missing_to_trade(settings, live=live, environ=environ)
    if problems:
        raise ConfigError("this profile does not start:", tuple(problems))


def missing_to_trade(settings: Settings, *, live: bool, environ: Mapping[str, str] | None = None) -> list[str]:
    """What a run would be refused for by `check_live`."""
    known = environment() if environ is None else environ
    problems = [*_keys(settings, known)]
    accounts = [group for group in settings.account_groups if _is_live(group.gateway)]
    for group in accounts:
        here = f"account_groups.{group.name}"
        if not live:
            problems.append(f"{here}: trades at {group.gateway.venue} with real money; say so: --live")  # type: ignore[union-attr]
        if group.log.path is None or not group.log.resume:
            problems.append(f'{here}.log: what was sent has to outlive the process: {{ path = "...", resume = true }}')
        if group.risk.max_daily_loss is None:
            problems.append(f"{here}.risk: has no max_daily_loss; set the loss at which trading stops")
    if accounts:
        problems += _user_code(settings)
    return problems


def key_names(settings: Settings) -> set[str]:
    """The environment variables that hold keys of accounts, or name their files."""
    names = {
        name
        for group in settings.account_groups
        if isinstance(group.gateway, CcxtGatewaySettings)
        for name in (group.gateway.api_key_env, group.gateway.secret_env, group.gateway.password_env)
        if name is not None
    }
    return names | {f"{name}_FILE" for name in names}


def _is_live(gateway: object) -> bool:
    return isinstance(gateway, CcxtGatewaySettings) and gateway.is_live


def _keys(settings: Settings, environ: Mapping[str, str]) -> Iterator[str]:
    for group in settings.account_groups:
        gateway = group.gateway
        if not isinstance(gateway, CcxtGatewaySettings):
            continue
        for key in ("api_key_env", "secret_env", "password_env"):
            name = getattr(gateway, key)
            given = [of for of in (name, f"{name}_FILE") if environ.get(of)] if name is not None else [""]
            if not given:
                yield f"account_groups.{group.name}.gateway.{key}: the environment has neither {name} nor {name}_FILE"
            elif len(given) > 1:
                yield f"account_groups.{group.name}.gateway.{key}: {name} and {name}_FILE are both set; keep one"


def _user_code(settings: Settings) -> Iterator[str]:
    """Keys for real money are in a process that runs nobody's code but ours."""
    nodes: Mapping[str, Any] = getattr(settings, "nodes", None) or {}
    mixed = [name for name, node in nodes.items() if "accounts" in node.roles and "strategies" in node.roles]
    if not nodes:
        yield f"nodes: accounts with real money run in a process of their own, without strategies; {_HOW_TO_SPLIT}"
    for name in mixed:
        yield f"nodes.{name}.roles: strategies are beside accounts with real money; give them a node of their own"
    if settings.market.kind == "gateway":
        yield "market: a class of your own runs in the process of the accounts; use a market of kind ccxt"
    for group in settings.account_groups:
        if isinstance(group.gateway, PythonGatewaySettings):
            yield f"account_groups.{group.name}.gateway: a class of your own runs in the process of the live accounts"
