"""`[bridge]`: the Redis or Valkey server that joins the nodes of a topology, and what may wait on this side of it.

Secrets are not written here: a password comes from a variable or a file that is named here.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from libra.config.base import Real, Section, Whole

__all__ = ["TLS_SCHEMES", "BridgeSettings", "Name"]

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
"""A name that stands in keys and channels: small letters, digits, `_` and `-`, a letter or digit first."""

TLS_SCHEMES: Final = ("rediss://", "rediss+sentinel://", "valkeys://", "valkeys+sentinel://")
"""Those of servers whose certificate is checked."""

_SCHEMES = (
    *("redis://", "valkey://", "unix://", "redis+unix://", "valkey+unix://"),
    *("redis+sentinel://", "valkey+sentinel://", *TLS_SCHEMES),
)

_MIB = 1 << 20


def _url(url: str) -> str:
    scheme = next((scheme for scheme in _SCHEMES if url.startswith(scheme)), None)
    if scheme is None or len(url) == len(scheme):
        raise ValueError(
            "has to be redis://HOST:PORT, rediss://HOST:PORT (TLS), unix:///PATH or redis+sentinel://HOST,HOST/MASTER "
            "(valkey for redis is as good)"
        )
    if "@" in url:
        raise ValueError("must not hold a user or a password; use username, and password_env or password_file")
    # Where a profile is only read, and names no server, nothing native is loaded.
    from libra_core import check_server_url

    check_server_url(url)
    return url


class BridgeSettings(Section):
    """How the nodes of a topology are joined. Without a `url` they share a server that the first of them starts."""

    environment: Name = Field(default="libra", description="Begins every key and channel; one for each topology.")
    url: Annotated[str, AfterValidator(_url)] | None = Field(
        default=None,
        description="Redis 7+ or Valkey: redis://HOST:PORT, rediss://HOST:PORT (TLS), unix:///PATH, or "
        "redis+sentinel://HOST:PORT,HOST:PORT/MASTER, which asks those for the master; valkey:// and so on are the "
        "same. Without it a server of "
        "the topology's own is started, and ends with the last of its processes.",
    )
    username: str | None = Field(default=None, description="User of the server's ACL; needs a password.")
    password_env: str | None = Field(default=None, description="The environment variable that holds the password.")
    password_file: str | None = Field(default=None, description="The file that holds the password, on its first line.")
    ca_file: str | None = Field(
        default=None,
        description="Certificates (PEM) that a rediss:// server's is checked by; else the system's. Needs rediss://.",
    )
    appendonly: bool = Field(
        default=False, description="The topology's own server keeps its data on disk while it runs."
    )
    shards: Annotated[Whole, Field(ge=1, le=64)] = Field(
        default=8, description="Channels that market data is spread over; the same in all nodes."
    )
    outbox_events: Annotated[Whole, Field(ge=64, le=10_000_000)] = Field(
        default=100_000, description="Events of a durable channel that may wait for their acknowledgement."
    )
    outbox_bytes: Annotated[Whole, Field(ge=65_536, le=4 << 30)] = Field(
        default=64 * _MIB, description="The same in bytes; what is reached first counts."
    )
    stale_after_s: Annotated[Real, Field(ge=2, le=86_400)] = Field(
        default=30.0,
        description="A node that acknowledges nothing for so long is not waited for any more, seconds; it comes back "
        "by a snapshot.",
    )
    request_deadline_ms: Annotated[Whole, Field(ge=0, le=86_400_000)] = Field(
        default=5_000,
        description="How old a signal or request of a strategy may be when the account of another node acts on it, "
        "where the strategy gave it no ttl_s of its own; 0 for any age.",
    )
    max_clock_skew_ms: Annotated[Whole, Field(ge=100, le=60_000)] = Field(
        default=2_000,
        description="How far the clock of a strategy's node may be from that of its account's, milliseconds; deadlines "
        "are corrected by what it is ahead, and beyond this none counts: signals and requests end as EXPIRED.",
    )

    def native(self) -> dict[str, Any]:
        """As the native bridge takes it, but for the server: see `libra_cluster.bridge.native`."""
        return {
            "environment": self.environment,
            "username": self.username,
            "ca_file": self.ca_file,
            "shards": self.shards,
            "outbox_events": self.outbox_events,
            "outbox_bytes": self.outbox_bytes,
            "stale_after_ms": round(self.stale_after_s * 1_000),
            "max_clock_skew_ms": self.max_clock_skew_ms,
        }
