"""A simulated exchange as a process of its own, and unmodified clients of CCXT that are pointed at it."""

import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import ccxt.pro
import pytest

LIBRA = Path(sys.executable).parent / "libra"


def redirect(client: Any, url: str) -> None:
    """Points a client's URLs at the exchange; nothing else of it is touched."""
    sockets = url.replace("http", "ws", 1)
    api = client.urls["api"]
    api["public"] = api["private"] = f"{url}/api/v3"
    for version, suffix in (("v1", ""), ("v2", "V2"), ("v3", "V3")):
        api[f"fapiPublic{suffix}"] = api[f"fapiPrivate{suffix}"] = f"{url}/fapi/{version}"
    api["ws"]["spot"] = f"{sockets}/stream/ws"
    api["ws"]["linear"] = f"{sockets}/fstream/ws"
    api["ws"]["ws-api"] = {"spot": f"{sockets}/ws-api/v3", "linear": f"{sockets}/ws-fapi/v1"}


def make_client(url: str, symbol: str, **credentials: str) -> Any:
    """A client for the symbol's side, unmodified but for its URLs."""
    credentials = credentials or {"apiKey": "sim-key", "secret": "sim-secret"}
    options = {"fetchCurrencies": False, "fetchMargins": False}
    settings = {**credentials, "enableRateLimit": False, "options": options}
    if ":" in symbol:
        client = ccxt.pro.binanceusdm(settings)
    else:
        client = ccxt.pro.binance(settings)
        client.options["fetchMarkets"] = {"types": ["spot"]}
    redirect(client, url)
    return client


class Exchange:
    """A running exchange."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        line = process.stdout.readline() if process.stdout else ""
        assert line, process.communicate()
        self.ready = json.loads(line)
        self.url: str = self.ready["url"]

    def stop(self) -> int:
        """Ends it as an operator does; gives its exit code."""
        self.process.terminate()
        out, _ = self.process.communicate(timeout=20)
        assert out == ""
        return self.process.returncode


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[Exchange]:
    """An exchange on any free port, which ends well."""
    command = [str(LIBRA), "exchange-sim", "--json", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield Exchange(process)
        process.terminate()
        _, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (0, "")
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture(scope="session")
def exchange() -> Iterator[Exchange]:
    """An exchange with its defaults, for all tests that break nothing."""
    with running() as started:
        yield started


@pytest.fixture
async def client_of() -> AsyncIterator[Callable[..., Any]]:
    """Makes clients, which are closed at the end."""
    clients = []

    def make(url: str, symbol: str, **credentials: str) -> Any:
        clients.append(make_client(url, symbol, **credentials))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()
