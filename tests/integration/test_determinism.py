"""A simulated run done twice is the same run; a changed price, parameter or seed is another one."""

import gzip
from pathlib import Path

import pytest

SHORT = ("--duration", "5", "--json")


def digest(shell, *arguments, env=None):
    ended = shell.run("run", *arguments, "--json", env=env)
    assert ended.code == 0, ended.err
    found = ended.summary["digest"]
    assert isinstance(found, str)
    assert len(found) == 32
    return found


def cut(recording: Path, folder: Path, lines: int) -> list[str]:
    with gzip.open(recording, "rt", encoding="utf-8") as file:
        return [line for line, _ in zip(file, range(lines), strict=False)]


def test_the_digest_is_equal_across_runs_speeds_hash_seeds_and_outputs(shell):
    first = digest(shell, "paper", "--speed", "max", "--duration", "3")
    assert first == digest(shell, "paper", "--speed", "max", "--duration", "3", env={"PYTHONHASHSEED": "0"})
    assert first == digest(shell, "paper", "--speed", "max", "--duration", "3", env={"PYTHONHASHSEED": "4711"})
    assert first == digest(shell, "paper", "--speed", "50", "--duration", "3")
    assert first == digest(shell, "paper", "--speed", "max", "--duration", "3", "--out", shell.folder / "out")
    readable = shell.run("run", "paper", "--speed", "max", "--duration", "3")
    assert readable.code == 0
    assert first[:8] in readable.out


@pytest.mark.slow
def test_the_digest_at_real_time_is_that_of_the_fastest_run(shell):
    assert digest(shell, "paper", "--speed", "max", "--duration", "1.5") == digest(
        shell, "paper", "--speed", "1", "--duration", "1.5"
    )


@pytest.mark.parametrize(
    "change",
    [
        ("--seed", "2"),
        ("--set", "strategies.sma_crossover.params.fast=9"),
        pytest.param(("--set", "account_groups.paper.sizing.value=5001"), marks=pytest.mark.slow),
        pytest.param(("--set", "account_groups.paper.gateway.latency_ms=6"), marks=pytest.mark.slow),
        pytest.param(("--set", "risk.max_order_notional=4000"), marks=pytest.mark.slow),
    ],
)
def test_the_digest_changes_with_the_seed_and_with_each_parameter(shell, change):
    assert digest(shell, "paper", "--speed", "max", "--duration", "1") != digest(
        shell, "paper", "--speed", "max", "--duration", "1", *change
    )


def test_the_digest_changes_with_one_digit_of_one_price(shell, shared):
    if shared is None:
        return
    lines = cut(shared / "binance-usdm" / "btcusdt_20240808.gz", shell.folder, 3_000)
    plain = shell.folder / "plain.txt"
    plain.write_text("".join(lines))
    packed = shell.folder / "packed.gz"
    packed.write_bytes(gzip.compress("".join(lines).encode()))
    n = next(i for i, line in enumerate(lines) if i > 1_000 and '"e":"bookTicker"' in line)
    head, bid, rest = lines[n].partition('"b":"')
    other = str((int(rest[4]) + 1) % 10)
    changed = shell.folder / "changed.txt"
    changed.write_text("".join([*lines[:n], head + bid + rest[:4] + other + rest[5:], *lines[n + 1 :]]))
    first = digest(shell, "replay", "--data", plain)
    assert first == digest(shell, "replay", "--data", packed), "where a recording lies, and how, decides nothing"
    assert first != digest(shell, "replay", "--data", changed)


def test_a_recording_gives_the_same_run_at_any_speed(shell, shared):
    if shared is None:
        return
    files = []
    for symbol in ("btcusdt", "ethusdt"):
        path = shell.folder / f"{symbol}.txt"
        path.write_text("".join(cut(shared / "binance-usdm" / f"{symbol}_20240808.gz", shell.folder, 2_500)))
        files.append(path)
    first = digest(shell, "replay", "--data", *files, "--speed", "max")
    assert first == digest(shell, "replay", "--data", *files, "--speed", "20")
    assert first == digest(shell, "replay", "--data", *files, "--speed", "max", env={"PYTHONHASHSEED": "99"})


ASYNC = """
    async def on_start(self):
        await self.clock.sleep(0.1)
        self.set_timer("tick", 0.05, interval_s=0.07)

    async def on_quote(self, quote):
        if self.random.random() < 0.2:
            await self.clock.sleep(0.02)
            self.signal(quote.symbol, self.random.choice([SignalType.LONG, SignalType.SHORT]))
        if self.random.random() < 0.1:
            async with asyncio.TaskGroup() as group:
                for wait in (0.01, 0.03, 0.01):
                    group.create_task(self.later(quote.symbol, wait))
        await asyncio.sleep(0)

    async def later(self, symbol, wait):
        await self.clock.sleep(wait)
        await asyncio.sleep(0)
        self.emit(EventType.BAR, {"wait": wait, "random": self.random.random()})

    async def on_timer(self, name):
        try:
            await self.ref.ask("me", timeout=0.005)
        except TimeoutError:
            self.emit(EventType.BAR, {"late": self.clock.now_ns()})

    async def on_message(self, message):
        return message

    async def on_order(self, order):
        await asyncio.sleep(0)
        self.emit(EventType.BAR, {"order": order.order_id})
"""


def test_async_strategies_are_deterministic_too(shell):
    path = shell.strategy("".join(f"{line[4:]}\n" for line in ASYNC.splitlines()))
    profile = shell.profile(path, clock="simulated", quotes_hz=200)
    runs = [
        digest(shell, profile, "--speed", speed, "--duration", "3", env={"PYTHONHASHSEED": seed})
        for speed, seed in (("max", "1"), ("max", "2"), ("30", "3"))
    ]
    assert len(set(runs)) == 1
    assert digest(shell, profile, "--speed", "max", "--duration", "3", "--seed", "8") not in runs


def test_a_live_run_has_no_digest(shell):
    ended = shell.run("run", "paper", "--duration", "0.5", "--json")
    assert ended.code == 0
    assert ended.summary["digest"] is None
    assert ended.summary["ended"] == "ended"
