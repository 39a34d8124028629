"""How many frames a second the simulated exchange serves without growing lag, next to what one ccxt.pro client reads.

`python benches/exchange_sim.py [--json] [--seconds S]`. A contract is quoted faster and faster. At each pace a bare
reader, which only counts frames, follows `bookTicker` over a real socket; the pace is held when the last third of its
time sees the frames no later than the first. Then a ccxt.pro client follows the fastest stream, as fast as it can. What
either side costs is told in its own CPU time too, which a busy machine does not change much.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

LIBRA = Path(sys.executable).parent / "libra"
PACES = (5_000, 10_000, 20_000, 40_000, 60_000, 80_000, 120_000, 160_000)
GROWTH_MS = 100.0
"""Lag that the last third may have more than the first: a few steps of a busy machine's scheduler."""

CONFIG = """
history_s = 0
[[markets]]
symbol = "BTC/USDT:USDT"
start_price = 60000
tick_size = 0.1
lot_size = 0.001
[markets.flow]
quote_rate_hz = {pace}
trade_rate_hz = 0
book_rate_hz = 0
[[accounts]]
name = "sim"
api_key = "sim-key"
secret = "sim-secret"
linear = {{ USDT = 1000 }}
"""

_TIME = re.compile(rb'"E":(\d+)')


@dataclass(frozen=True)
class Held:
    """A pace, and what was seen of it."""

    pace: int
    frames_s: float
    first_lag_ms: float
    last_lag_ms: float
    exchange_us_a_frame: float

    @property
    def holds(self) -> bool:
        """Whether lag does not grow."""
        return self.last_lag_ms - self.first_lag_ms < GROWTH_MS


@contextlib.contextmanager
def exchange(pace: int) -> Iterator[tuple[str, int]]:
    """An exchange of that pace: where it listens, and its process."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "exchange.toml"
        config.write_text(CONFIG.format(pace=pace))
        command = [str(LIBRA), "exchange-sim", "--json", "--config", str(config)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"], process.pid
        finally:
            process.terminate()
            process.wait()


def cpu_s(pid: int) -> float:
    """The CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def follow(url: str, pid: int, pace: int, seconds: float) -> Held:
    """Counts the frames of the stream, and how late they are."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=1 << 24)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /fstream/ws/btcusdt@bookTicker HTTP/1.1\r\nHost: {place.netloc}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(0.3)
    lags: list[tuple[float, float]] = []
    frames = 0
    began, spent = time.perf_counter(), cpu_s(pid)
    while (now := time.perf_counter()) - began < seconds:
        data = await reader.read(1 << 20)
        frames += data.count(b'{"e":"bookTicker"')
        times = _TIME.findall(data[-400:])
        if times:
            lags.append((now - began, time.time() * 1_000 - int(times[-1])))
    used = cpu_s(pid) - spent
    writer.close()
    first = [lag for at, lag in lags if at < seconds / 3]
    last = [lag for at, lag in lags if at > seconds * 2 / 3]
    return Held(pace, frames / seconds, min(first), min(last), used * 1e6 / max(frames, 1))


async def ccxt_reads(url: str, seconds: float) -> dict[str, float]:
    """The frames that one ccxt.pro client takes in, a second and by its CPU time."""
    import ccxt.pro

    client: Any = ccxt.pro.binanceusdm({"enableRateLimit": False})
    api = client.urls["api"]
    api["fapiPublic"] = f"{url}/fapi/v1"
    api["ws"]["linear"] = url.replace("http", "ws", 1) + "/fstream/ws"
    frames = 0
    take = client.handle_bids_asks

    def counted(*arguments: object) -> None:
        nonlocal frames
        frames += 1
        take(*arguments)

    client.handle_bids_asks = counted
    try:
        await client.load_markets()
        await client.watch_bids_asks(["BTC/USDT:USDT"])
        began, spent, before = time.perf_counter(), time.process_time(), frames
        while (passed := time.perf_counter() - began) < seconds:
            await client.watch_bids_asks(["BTC/USDT:USDT"])
        used, read = time.process_time() - spent, frames - before
    finally:
        await client.close()
    return {"frames_s": read / passed, "us_a_frame": used * 1e6 / max(read, 1)}


def main() -> None:
    """Measures, and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=6.0)
    options = parser.parse_args()
    rows: list[Held] = []
    for pace in PACES:
        with exchange(pace) as (url, pid):
            rows.append(asyncio.run(follow(url, pid, pace, options.seconds)))
        if not rows[-1].holds:
            break
    held = max((row for row in rows if row.holds), key=lambda row: row.pace, default=None)
    with exchange(max(held.pace if held else 0, 40_000)) as (url, _):
        peer = asyncio.run(ccxt_reads(url, options.seconds))
    served = held.frames_s if held else 0.0
    ratio = served / peer["frames_s"]
    if options.json:
        row = {"held": held and asdict(held), "rows": [asdict(row) for row in rows], "ccxt": peer, "ratio": ratio}
        print(json.dumps(row))
        return
    print(f"{'pace':>8} {'frames/s':>10} {'lag first':>10} {'lag last':>10} {'us a frame':>11}")
    for row in rows:
        lags = f"{row.first_lag_ms:>8.1f}ms {row.last_lag_ms:>8.1f}ms"
        verdict = "" if row.holds else "  grows"
        print(f"{row.pace:>8} {row.frames_s:>10.0f} {lags} {row.exchange_us_a_frame:>11.2f}{verdict}")
    print(f"served without growing lag: {served:.0f} frames/s")
    print(f"one ccxt.pro client reads:  {peer['frames_s']:.0f} frames/s ({peer['us_a_frame']:.1f} us of CPU a frame)")
    print(f"ratio: {ratio:.1f}")


if __name__ == "__main__":
    main()
