"""Limits changed by an operator while an account trades: `docs/risk.md` has the rules, the order gate applies them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from libra.errors import ConfigError, StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from libra_core import AccountGroup

__all__ = ["LimitChange", "LimitsChange", "change_limits"]


@dataclass(frozen=True, slots=True)
class LimitChange:
    """A limit that changed, as a profile writes it; None is no limit.

    Attributes:
        key: Its name, such as `max_drawdown_pct` or `instruments.BTC/USDT:USDT@binanceusdm.max_order_size`.
        old: What it was.
        new: What it is.
    """

    key: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class LimitsChange:
    """A change of limits that stands in the gate's log and holds.

    Attributes:
        account: Whose limits.
        who: Who asked for it.
        time_ns: When, on the account's clock; 0 where every limit had its value already.
        version: The version of the limits that holds: approvals of an earlier one cannot be spent.
        changes: What changed; nothing where every limit had its value already.
    """

    account: str
    who: str
    time_ns: int
    version: int
    changes: tuple[LimitChange, ...]


def change_limits(account: AccountGroup, changes: Mapping[str, object], *, confirmed: bool, who: str) -> LimitsChange:
    """Change limits of an account.

    Args:
        account: The native side of the account group.
        changes: Limits by their names in a profile, with values as there: text, a number, None or "none" for no
            limit.
        confirmed: True to let limits become looser.
        who: Who asks for it; it stands in the log.

    Raises:
        ConfigError: For names and values that make no sense, and for looser limits without a confirmation. It lists
            every problem, and nothing was changed.
        StorageError: When the change cannot be written down; then it does not hold.
    """
    terms = [(key, None if value in (None, "none") else _text(value)) for key, value in changes.items()]
    try:
        changed = account.change_limits(terms, who, confirmed)
    except ValueError as error:
        problems = tuple(str(problem) for problem in error.args)
        raise ConfigError(f"account {account.name}: the limits stay as they are:", problems) from error
    except OSError as error:
        raise StorageError(f"account {account.name}: the change of limits cannot be written down: {error}") from error
    if changed is None:
        return LimitsChange(account.name, who, 0, account.limits_version, ())
    time_ns, version, done = changed
    return LimitsChange(account.name, who, time_ns, version, tuple(LimitChange(*change) for change in done))


def _text(value: object) -> str:
    """As a profile is read: a float by the digits that it is written with."""
    if isinstance(value, (Decimal, float)):
        return format(Decimal(str(value)), "f")
    return str(value)
