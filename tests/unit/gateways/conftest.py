"""A running node with a fake gateway, its windows short."""

import asyncio
import dataclasses
import shutil
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests import profiles

from libra.assembly import build
from libra.assembly.load_class import load_class
from libra.config import load
from libra.model import OrderSide

HERE = Path(__file__).resolve().parent

PROFILE = """\
[market]
kind = "gateway"
class = "{here}/fake_gateway.py:FakeMarket"
symbols = ["BTC/USDT:USDT"]

{listing}
[[account_groups]]
name = "acct"
balances = {{ USDT = "100000" }}
allow_short = true
validity_window_ms = {window_ms}
gateway = {{ kind = "python", class = "{here}/fake_gateway.py:{gateway}", options = {{ key = "value" }}, \
query_every_ms = 10, unanswered_after_ms = {silence_ms}{more} }}
log = {{ path = "{log}", resume = true }}
sizing = {{ kind = "fixed_size", value = "0.020" }}
risk = {{ max_position_notional = "100000", max_order_notional = "10000" }}

[node.supervision]
backoff_s = 0.01
max_backoff_s = 0.02

[[strategies]]
name = "idle"
class = "{here}/idle_strategy.py:Idle"
account = "acct"
symbols = ["BTC/USDT:USDT"]
"""


class Running:
    """A node in this event loop, and the few things that tests do with it."""

    def __init__(self, node, script):
        self.node = node
        self.script = script

    @property
    def account(self):
        return self.node.accounts["acct"]

    @property
    def strategy(self):
        return self.node.actor_named("idle")

    @property
    def gateway_actor(self):
        return self.node.actor_named("acct.gateway")

    def submit(self, *, price=None, size="0.020", **terms):
        return self.strategy.submit("BTC/USDT:USDT", OrderSide.BUY, size, price=price, **terms)

    def status(self, order_id):
        order = self.account.order(order_id)
        return None if order is None else str(order.status)

    def outcome_errors(self):
        return self.node.errors

    async def until(self, condition, *, within_s=60.0):
        """Wait until a condition holds; the test fails when it does not."""
        end = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < end, "it did not come to that"
            await asyncio.sleep(0.002)

    async def ready(self):
        await self.until(lambda: "acct" in self.node.accounts and not self.account.is_reconciling)
        await self.until(lambda: self.account.markets() and self.strategy is not None)


@pytest.fixture
def fake():
    return load_class(f"{HERE}/fake_gateway.py:FakeGateway")


@pytest.fixture
def script(fake):
    made = load_class(f"{HERE}/fake_gateway.py:Script")()
    fake.script = made
    return made


@pytest.fixture
def running(tmp_path, script):
    """Starts nodes, one after the other, on one log."""

    logs = []

    @asynccontextmanager
    async def run(
        *, window_ms=300, ready=True, before=lambda node: None, gateway="FakeGateway", more="", silence_ms=60
    ):
        profile = tmp_path / "profile.toml"
        log = tmp_path / f"gate-{len(logs)}.log"
        if logs:
            # A process owns its log to its end: the next one, played here by this one, takes a copy.
            shutil.copy(logs[-1], log)
        logs.append(log)
        terms = {"log": log, "window_ms": window_ms, "gateway": gateway, "more": more, "silence_ms": silence_ms}
        profile.write_text(PROFILE.format(listing=profiles.perpetual("fake"), here=HERE, **terms))
        node = build(load(str(profile), environ={}))
        node.options = dataclasses.replace(node.options, signals=False, drain_timeout_s=5.0)
        before(node)
        task = asyncio.create_task(node.run_async())
        running = Running(node, script)
        try:
            if ready:
                await running.ready()
            yield running
        finally:
            node.stop()
            running.outcome = await asyncio.wait_for(task, 60)

    return run
