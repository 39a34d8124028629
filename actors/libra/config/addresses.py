"""An address to listen at, as a profile names it: `HOST:PORT`, an IPv6 host in brackets."""

from __future__ import annotations

__all__ = ["HIGHEST_PORT", "split_address"]

HIGHEST_PORT = 65_535


def split_address(address: str) -> tuple[str, int]:
    """Host and port of an address.

    Raises:
        ValueError: When it is none.
    """
    host, colon, port = address.rpartition(":")
    is_v6 = host.startswith("[") and host.endswith("]")
    if not colon or not host or (":" in host and not is_v6) or not (port.isascii() and port.isdigit()):
        raise ValueError("has to be HOST:PORT, such as 127.0.0.1:9464")
    if int(port) > HIGHEST_PORT:
        raise ValueError(f"a port is 0 (any free one) to {HIGHEST_PORT}")
    return host.strip("[]") if is_v6 else host, int(port)
