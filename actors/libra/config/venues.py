"""What the settings of a CCXT venue share: where it is, and how patient we are with it.

Keys never stand in a profile: it names the environment variables that hold them.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from libra.config.base import Section, Whole


def _is_here(host: str | None) -> bool:
    """True for an address of this machine's own: what is there is no venue. A name that only points here is none."""
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def _address(address: str) -> str:
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or parts.path.strip("/") or parts.query or parts.username:
        raise ValueError('has to be an address without a path, such as "http://127.0.0.1:8900"')
    if parts.scheme == "http" and not _is_here(host):
        raise ValueError("would send what is signed with the keys over a network in the open: use https")
    return address.rstrip("/")


EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""The name of an environment variable. With `_FILE` behind it, a variable may name a file instead."""


class CcxtVenueSettings(Section):
    """Which venue of CCXT's, and where it is."""

    kind: Literal["ccxt"] = Field(description='"ccxt": any venue that CCXT knows, with WebSockets.')
    venue: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] = Field(
        description='CCXT\'s name of the venue, "binance"; instruments carry it as their venue.'
    )
    testnet: bool = Field(
        default=False, description="Its test network. Without it, and without a redirect to this machine, it is live."
    )
    redirect: Annotated[str, AfterValidator(_address)] | None = Field(
        default=None,
        description='An address to connect to instead, which has Binance\'s paths: "http://127.0.0.1:8900"; with port 0'
        " a simulated exchange that `libra run` starts beside it. Elsewhere than on this machine it counts as live.",
    )
    stale_after_ms: Annotated[Whole, Field(ge=100, le=600_000)] = Field(
        default=10_000,
        description="Silence of a stream behind which its connection is made anew, milliseconds.",
    )
    max_clock_skew_ms: Annotated[Whole, Field(ge=1, le=60_000)] = Field(
        default=5_000,
        description="How far our clock may be from the venue's, milliseconds; it is corrected by what is.",
    )
    timeout_ms: Annotated[Whole, Field(ge=100, le=60_000)] = Field(
        default=5_000, description="How long an answer is waited for, milliseconds."
    )

    @property
    def is_live(self) -> bool:
        """True where real money is, or may be: only a test network and this machine itself have none."""
        if self.redirect is not None:
            return not _is_here(urlsplit(self.redirect).hostname)
        return not self.testnet

    @property
    def is_beside(self) -> bool:
        """True for a simulated exchange that is started beside the run."""
        return self.redirect is not None and urlsplit(self.redirect).port == 0
