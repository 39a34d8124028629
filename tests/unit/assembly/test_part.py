"""A node that builds a part of a profile: strategies without their account, and an account without its strategies."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from libra.assembly import TradingNode, build
from libra.assembly.instruments import scope_of
from libra.config import Flags, NodePart, load
from libra.core.actor import Actor
from libra.core.events import Event, EventType
from libra.errors import ConfigError
from libra.model import OrderSide, SignalType
from libra.strategies import Strategy

STRATEGY = """
from libra.model import OrderSide, SignalType
from libra.strategies import Strategy


class Mine(Strategy):
    def on_start(self):
        self.set_timer("act", 0.05)

    def on_timer(self, name):
        symbol = self.symbols[0]
        self.order_id = self.submit(symbol, OrderSide.BUY, "0.010", price="60000.0")
        assert self.signal(symbol, SignalType.LONG)
        assert self.cancel(self.order_id)
        {more}
"""
ACCOUNT_NODE = NodePart(market=True, accounts=True, strategies=())
STRATEGIES_NODE = NodePart(market=False, accounts=False, strategies=("mine",))


@pytest.fixture
def settings(tmp_path: Path):
    """Loads the small profile with a strategy of one file."""

    def settings(more: str = "", duration_s: float = 0.6, **flags):
        from tests.integration.conftest import Shell

        (tmp_path / "mine.py").write_text(STRATEGY.replace("{more}", more), encoding="utf-8")
        clock, on_vanish = flags.pop("clock", "live"), 'on_vanish = "cancel"'
        Shell(tmp_path).profile("mine.py:Mine", clock=clock, quotes_hz=100, strategy_more=on_vanish)
        return load(tmp_path / "test.toml", flags=Flags(duration_s=duration_s), environ={})

    return settings


class Shared(list[int]):
    """What a strategy is given, and not a copy of it."""

    def __deepcopy__(self, memo: object) -> "Shared":
        return self


class Probe(Actor):
    """Keeps what it sees."""

    def __init__(self, *event_types: EventType) -> None:
        super().__init__()
        self.event_types = event_types
        self.seen: list[Event] = []

    def on_start(self) -> None:
        for event_type in self.event_types:
            self.subscribe(event_type, self.seen.append)


class Elsewhere(Actor):
    """Publishes what a strategy of that name would, in another node; the bridge brings it under that name."""

    def __init__(self, instrument: str, orders: int, price: str) -> None:
        super().__init__()
        self.instrument, self.orders, self.price = instrument, orders, price
        self.ids: list[str] = []

    def on_start(self) -> None:
        self.set_timer("act", 0.2)

    def on_timer(self, name: str) -> None:
        context = self._context
        for _ in range(self.orders):
            given = context.core.emit_order_request(
                *(context.slot, "paper", self.instrument, OrderSide.BUY, "0.010", self.price, "GTC", 0, None)
            )
            self.ids.append(given)


def strategy(strategy_class: type[Strategy], node: TradingNode) -> Strategy:
    """A strategy with the symbols and the account of the profile's own."""
    made = strategy_class({})
    made._assign(scope_of(node.settings.strategies[0], node.instruments))
    return made


def test_strategies_alone_ask_an_account_that_is_elsewhere(settings):
    node = build(settings(), part=STRATEGIES_NODE)
    probe = Probe(EventType.ORDER_REQUEST, EventType.SIGNAL, EventType.CANCEL_REQUEST, EventType.STRATEGY_STARTED)
    node.add_actor("probe", lambda: probe)
    result = node.run()
    assert result.exit_code == 0
    assert result.summary["failed"] == []
    assert result.summary["errors"] == 0
    by_type = {event.event_type: event for event in probe.seen}
    request = by_type[EventType.ORDER_REQUEST].payload
    # Decimals of the instrument, though no desk of this node trades it.
    assert (str(request.size), str(request.price)) == ("0.010", "60000.0")
    assert (request.account, request.strategy) == ("paper", "mine")
    assert by_type[EventType.SIGNAL].payload.instrument == "BTC/USDT:USDT@synthetic"
    assert by_type[EventType.CANCEL_REQUEST].source == "mine"
    assert by_type[EventType.STRATEGY_STARTED].payload == {"strategy": "mine"}
    assert set(result.summary["events"]) <= {
        *("ORDER_REQUEST", "SIGNAL", "CANCEL_REQUEST", "STRATEGY_STARTED", "STRATEGY_STOPPED", "ACTOR_STATE", "TIMER"),
    }
    assert node.accounts == {}
    assert result.summary["positions"] == []


@pytest.mark.parametrize("ttl_s", [-1, -1e-9, float("nan"), float("inf"), float("-inf"), 1e10])
def test_a_time_to_live_that_is_none_is_refused(settings, ttl_s):
    told = []

    class Asks(Strategy):
        def on_start(self):
            symbol = self.symbols[0]
            for ask in (
                lambda: self.signal(symbol, SignalType.LONG, ttl_s=ttl_s),
                lambda: self.submit(symbol, OrderSide.BUY, "0.010", ttl_s=ttl_s),
            ):
                try:
                    ask()
                except ValueError as error:
                    told.append(str(error))

    node = build(settings(duration_s=0.2), part=STRATEGIES_NODE)
    node.add_actor("asks", partial(strategy, Asks, node))
    events = node.run().summary["events"]
    assert told == [f"ttl_s is a number of seconds from 0 to 1000000000, not {ttl_s!r}"] * 2
    assert events.get("ORDER_REQUEST", 0) <= 1, "its own strategy's"


@pytest.mark.parametrize(("ttl_s", "ttl_ns"), [(0, None), (0.5, 500_000_000), (1e-12, 1)])
def test_a_time_to_live_is_counted_from_now(settings, ttl_s, ttl_ns):
    class Asks(Strategy):
        def on_start(self):
            self.signal(self.symbols[0], SignalType.LONG, ttl_s=ttl_s)

    node = build(settings(duration_s=0.2), part=STRATEGIES_NODE)
    probe = Probe(EventType.SIGNAL)
    node.add_actor("probe", lambda: probe)
    node.add_actor("asks", partial(strategy, Asks, node))
    node.run()
    [mine] = [event for event in probe.seen if event.source == "asks"]
    deadline_ns = mine.payload.deadline_ns
    assert (deadline_ns - mine.ts_ns if deadline_ns else None) == ttl_ns


@pytest.mark.parametrize(
    ("part", "ttl_s", "held_s"),
    [
        (replace(STRATEGIES_NODE, request_deadline_ms=1_500), None, 1.5),
        (replace(STRATEGIES_NODE, request_deadline_ms=1_500), 0, None),
        (replace(STRATEGIES_NODE, request_deadline_ms=1_500), 20, 20.0),
        (STRATEGIES_NODE, None, None),
        (None, None, None),
    ],
    ids=["the node's", "for ever", "its own", "none", "one process"],
)
def test_what_is_asked_of_an_account_elsewhere_holds_for_as_long_as_the_node_says(
    settings, tmp_path, part, ttl_s, held_s
):
    loaded = settings(duration_s=0.3)
    given = "" if ttl_s is None else f", ttl_s={ttl_s}"
    asks = STRATEGY.replace('price="60000.0")', f'price="60000.0"{given})').replace("LONG)", f"LONG{given})")
    # A request tells nobody in Python its deadline: what the core is asked for is noted on its way there.
    noted = """
    def on_start(self):
        core, asked = self._context.core, self.params["asked"]
        class Noted:
            def __getattr__(self, name):
                return getattr(core, name)
            def emit_order_request(self, *arguments):
                asked.append(arguments[7])
                return core.emit_order_request(*arguments)
        self._context.core = Noted()
"""
    (tmp_path / "mine.py").write_text(asks.replace("    def on_start(self):\n", noted).replace("{more}", ""), "utf-8")
    asked = Shared()
    loaded.strategies[0].params["asked"] = asked
    node = build(loaded, part=part)
    probe = Probe(EventType.SIGNAL)
    node.add_actor("probe", lambda: probe)
    assert node.run().exit_code == 0
    [signal] = [event for event in probe.seen if event.source == "mine"]
    until_ns = signal.payload.deadline_ns
    assert ((until_ns - signal.ts_ns) / 1e9 if until_ns else None) == held_s
    assert [ttl_ns / 1e9 or None for ttl_ns in asked] == [held_s]


@pytest.mark.parametrize("ttl_ns", [-1, -(2**63)])
def test_nor_does_the_core_take_a_time_below_zero(settings, ttl_ns):
    core = build(settings(), part=STRATEGIES_NODE).core
    slot, instrument = core.add_actor("asks"), "BTC/USDT:USDT@synthetic"
    with pytest.raises(ValueError, match=f"a time to live is not below zero: {ttl_ns} ns"):
        core.emit_signal(slot, instrument, SignalType.LONG, 1.0, None, ttl_ns, "")
    with pytest.raises(ValueError, match=f"a time to live is not below zero: {ttl_ns} ns"):
        core.emit_order_request(slot, "paper", instrument, OrderSide.BUY, "0.010", None, "IOC", ttl_ns, None)


def test_strategies_alone_forge_no_facts_of_an_account_that_is_elsewhere(settings):
    node = build(settings(), part=STRATEGIES_NODE)
    with pytest.raises(ValueError, match="ORDER_FILLED is a fact of an account"):
        node.core.emit(node.find_slot("mine"), EventType.ORDER_FILLED, {})


def test_an_account_alone_takes_requests_of_strategies_that_are_elsewhere(settings):
    node = build(settings(duration_s=1.0), part=ACCOUNT_NODE)
    elsewhere = Elsewhere("BTC/USDT:USDT@synthetic", orders=2, price="60500.0")
    node.add_actor("mine", lambda: elsewhere)
    result = node.run()
    assert result.summary["failed"] == []
    assert [row["client_order_id"] for row in result.orders] == elsewhere.ids
    assert {row["strategy"] for row in result.orders} == {"mine"}
    assert result.summary["fills"] >= 2
    assert "STRATEGY_STARTED" not in result.summary["events"]


def test_an_account_alone_takes_signals_of_strategies_that_are_elsewhere(settings):
    node = build(settings(duration_s=1.0), part=ACCOUNT_NODE)

    class Says(Actor):
        def on_start(self) -> None:
            self.set_timer("act", 0.3)

        def on_timer(self, name: str) -> None:
            context = self._context
            instrument = "BTC/USDT:USDT@synthetic"
            context.core.emit_signal(context.slot, instrument, SignalType.LONG, 1.0, None, 0, "")

    node.add_actor("mine", Says)
    node.add_actor("stranger", Says)
    result = node.run()
    assert [row["strategy"] for row in result.orders] == ["mine"]
    assert result.summary["fills"] >= 1


def test_an_account_cancels_what_a_strategy_that_is_gone_left(settings):
    node = build(settings(duration_s=1.5), part=ACCOUNT_NODE)
    elsewhere = Elsewhere("BTC/USDT:USDT@synthetic", orders=1, price="59000.0")

    class Mine(Elsewhere):
        def on_timer(self, name: str) -> None:
            if name == "act":
                super().on_timer(name)
                self.set_timer("gone", 0.3)
            else:
                told = {"strategy": "mine", "vanished": True}
                node._voice.publish(Event.create(EventType.STRATEGY_STOPPED, "mine", told))

    elsewhere.__class__ = Mine
    node.add_actor("mine", lambda: elsewhere)
    result = node.run()
    assert [row["status"] for row in result.orders] == ["CANCELLED"]
    [gone] = result.summary["vanished"]
    assert (gone["strategy"], gone["on_vanish"]) == ("mine", "cancel")


@pytest.mark.parametrize(
    ("source", "payload"),
    [
        ("mine", {"strategy": "mine"}),  # stopped in order, with its node
        ("mine", {"strategy": "mine", "vanished": "yes"}),
        ("mine", None),
        ("stranger", {"strategy": "mine", "vanished": True}),
    ],
)
def test_not_every_end_of_a_strategy_is_one(settings, source: str, payload: object):
    node = build(settings(), part=ACCOUNT_NODE)

    class Tells(Actor):
        def on_start(self) -> None:
            node._voice.publish(Event.create(EventType.STRATEGY_STOPPED, source, payload))

    node.add_actor("tells", Tells)
    assert node.run().summary["vanished"] == []


def test_strategies_whose_node_died_have_vanished(settings):
    node = build(settings(duration_s=1.5), part=ACCOUNT_NODE)
    node.add_actor("mine", lambda: Elsewhere("BTC/USDT:USDT@synthetic", orders=1, price="59000.0"))
    told = []

    def tell(_status) -> None:
        if not told and node.accounts["paper"].standing()["open_orders"]:
            told.append(node.strategies_are_gone(["mine", "nobody"]))

    result = node.run(on_progress=tell, progress_interval_s=0.05)
    assert told
    assert [row["status"] for row in result.orders] == ["CANCELLED"]
    assert [gone["strategy"] for gone in result.summary["vanished"]] == ["mine"]


def test_a_strategy_that_is_given_up_is_told_to_other_nodes(settings):
    node = build(settings(more="raise ValueError", duration_s=2.0), part=STRATEGIES_NODE)
    probe = Probe(EventType.STRATEGY_STOPPED)
    node.add_actor("probe", lambda: probe)
    result = node.run()
    assert result.summary["failed"] == ["mine"]
    assert [event.payload for event in probe.seen] == [{"strategy": "mine", "vanished": True}]
    assert probe.seen[0].source == "mine"


def test_a_strategy_that_stops_itself_is_told_to_other_nodes_once(settings):
    node = build(settings(more="self.stop()", duration_s=1.0), part=STRATEGIES_NODE)
    probe = Probe(EventType.STRATEGY_STOPPED)
    node.add_actor("probe", lambda: probe)
    assert node.run().summary["failed"] == []
    assert [event.payload for event in probe.seen] == [{"strategy": "mine", "vanished": True}]


def test_a_strategy_that_an_operator_ends_is_told_to_other_nodes_once(settings):
    node = build(settings(duration_s=0.8), part=STRATEGIES_NODE)
    probe = Probe(EventType.STRATEGY_STOPPED)
    node.add_actor("probe", lambda: probe)
    asked = []

    def end(_status) -> None:
        if not asked:
            asked.append(node.stop_strategy("mine"))

    node.run(on_progress=end)
    assert [event.payload for event in probe.seen] == [{"strategy": "mine", "vanished": True}]


def test_a_node_that_was_stopped_before_it_ran_ends_in_order(settings):
    node = build(settings(duration_s=60.0), part=ACCOUNT_NODE)
    node.stop()
    result = node.run()
    assert (result.exit_code, result.summary["ended"]) == (0, "stop")


def test_a_part_has_the_wall_clock(settings):
    with pytest.raises(ConfigError, match="live clock"):
        build(settings(clock="simulated"), part=STRATEGIES_NODE)


def test_an_account_to_resume_has_to_exist_though_it_is_elsewhere(settings):
    build(settings(), part=STRATEGIES_NODE, resume=["paper"])
    with pytest.raises(ConfigError, match="nobody"):
        build(settings(), part=STRATEGIES_NODE, resume=["nobody"])


class Bridge:
    """Stands in for the native one: what a node asks of it, in its order."""

    life = 7

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.node = None

    def start(self, core) -> None:
        assert core is self.node.core
        self.calls.append(f"start with {sorted(self.node.accounts)}")

    def flush(self) -> None:
        pass

    def awaits(self) -> bool:
        return False

    def keeps(self) -> bool:
        self.calls.append("keeps")
        return True

    def life_of(self, node: str) -> int | None:
        del node
        return None

    def leave(self, timeout_s: float) -> None:
        self.calls.append(f"leave, {timeout_s}")

    def stop(self, timeout_s: float) -> dict[str, object]:
        self.calls.append(f"stop, {timeout_s}")
        return {"sent": 3}

    def stats(self) -> dict[str, object]:
        return {}

    def news(self):
        return ()


def test_a_node_starts_its_bridge_and_leaves_and_stops_it_last(settings):
    bridge = Bridge()
    node = build(settings(), part=ACCOUNT_NODE, bridge=bridge)
    bridge.node = node
    node.run()
    assert bridge.calls == ["start with ['paper']", "leave, 0.8", "stop, 0.0", "keeps"]
    assert node.bridge_end.stats == {"sent": 3}
