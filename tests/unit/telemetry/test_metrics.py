"""The metrics: what they are called, what they may be labelled with, and what becomes of a part that cannot be read."""

import re
import time
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.scraping import Scrape

from libra.telemetry.metrics import accounts, bridge, collector, node, venues
from libra.telemetry.metrics.collector import NodeCollector
from libra.telemetry.metrics.declared import LABELS, Histogram, counter, gauge

DECLARED = [metric for module in (node, accounts, bridge, venues, collector) for metric in module.METRICS]
UNITS = ("seconds", "bytes", "ratio")


def scraped(*parts):
    return Scrape(NodeCollector(parts).text("")[0].decode())


def of(*rows):
    """A scrape of these rows."""
    return scraped(("rows", list(dict.fromkeys(row.metric for row in rows)), lambda: rows))


@pytest.mark.parametrize("metric", DECLARED, ids=lambda metric: metric.name)
def test_names_follow_the_conventions(metric):
    """https://prometheus.io/docs/practices/naming"""
    assert re.fullmatch(r"libra_[a-z0-9_]+[a-z0-9]", metric.name)
    assert (metric.kind == "counter") == metric.name.endswith("_total")
    if metric.kind == "histogram":
        assert metric.name.endswith(UNITS)
    others = {"ms", "us", "ns", "pct", "percent", "minutes", "mb"}
    assert not others & set(metric.name.split("_")), "base units only"
    assert re.fullmatch(r"[A-Z0-9/].*\.", metric.help)


@pytest.mark.parametrize("metric", DECLARED, ids=lambda metric: metric.name)
def test_labels_are_of_a_list_that_does_not_grow(metric):
    assert set(metric.labels) <= LABELS
    assert len(set(metric.labels)) == len(metric.labels)


def test_each_metric_is_declared_once():
    names = [metric.name for metric in DECLARED]
    assert len(set(names)) == len(names)


def test_each_metric_has_help_and_type_also_where_there_is_nothing_to_tell():
    text = NodeCollector([("all", DECLARED[:-2], list)]).text("")[0].decode()
    for metric in DECLARED:
        assert f"# HELP {metric.name} " in text
        assert f"# TYPE {metric.name} {metric.kind}\n" in text


def test_the_process_is_told_of_by_the_usual_names():
    found = scraped()
    assert found("process_resident_memory_bytes") > 1e6
    assert found("process_open_fds") > 2


def test_a_scraper_gets_openmetrics_where_it_asks_for_it():
    body, content_type = NodeCollector([]).text("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
    assert NodeCollector([]).text("")[1].startswith("text/plain")


A = counter("libra_a_total", "A.")
B = gauge("libra_b", "B.", "lane")


def test_a_part_that_cannot_be_read_is_left_out_and_counted(caplog):
    def fails():
        raise KeyError("no such thing")

    made = NodeCollector([("one", [A], fails), ("two", [B], lambda: [B.row(2, "RISK")])])
    for times in (1, 2):
        found = Scrape(made.text("")[0].decode())
        assert found("libra_b", lane="RISK") == 2
        assert not any(name == "libra_a_total" for name, _ in found.values)
        assert found("libra_scrape_errors_total") == times
    assert caplog.text.count("one could not be read") == 1


def test_what_changes_while_it_is_read_is_read_anew():
    tries = []

    def read():
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("dictionary changed size during iteration")
        return [A.row(7)]

    found = scraped(("one", [A], read))
    assert (found("libra_a_total"), found("libra_scrape_errors_total")) == (7, 0)


def test_counts_of_a_histogram_are_summed_up():
    metric = node.METRICS[-1]
    assert metric.kind == "histogram"
    found = of(metric.row(Histogram((0.1, 1.0), (3, 2, 1), 4.5)))
    buckets = found.by("libra_loop_lag_seconds_bucket", "le")
    assert buckets == {"0.1": 3, "1.0": 5, "+Inf": 6}
    assert (found("libra_loop_lag_seconds_count"), found("libra_loop_lag_seconds_sum")) == (6, 4.5)


def test_the_interpreter_is_given_back_every_few_metrics(monkeypatch):
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    NodeCollector([("all", DECLARED[:-2], list)]).text("")
    assert len(pauses) * 16 >= len(DECLARED)


def test_dead_letters_of_whom_the_node_does_not_know_are_one_label():
    letters = [("GONE", f"stranger-{number}", 2) for number in range(50)] + [("GONE", "mine", 1)]
    found = of(*node.letter_rows(letters, {"mine"}))
    assert found.by("libra_dead_letters_total", "actor") == {"other": 100, "mine": 1}


class Account:
    """An account with two positions."""

    name = "paper"
    fill_count = 3

    def __init__(self, **standing):
        self._standing = {
            "killed": None, "unattended": None, "stopped": None, "on_breach": "halt", "incident": None,
            "log_failed": False, "open_orders": 2, "cancelling": 1, "limits_version": 4,
        } | standing  # fmt: skip

    def standing(self):
        return self._standing

    def breaches(self):
        return []

    def limits(self):
        return [("max_leverage", "3"), ("instruments.A/B@v.max_position_notional", "5"), ("instruments.C/B@v.x", "6")]

    def order_states(self):
        return {"FILLED": 3, "REJECTED": 4}

    def tally(self):
        return {"signals": 9, "errors": 0, "rejections": {"COLLAR": 4}, "skipped": {"FLAT": 1}}

    def latency_ns(self):
        return 1_000, 2_000, 3_000

    def positions(self):
        row = {"realised": Decimal(1), "fees": Decimal(2), "trades": 1}
        return [
            {"instrument": "A/B@v", "size": Decimal("-2"), "cost": Decimal("-20"), "unrealised": Decimal("-1"), **row},
            {"instrument": "C/B@v", "size": Decimal(1), "cost": Decimal(5), "unrealised": Decimal(1), **row},
            {"instrument": "D/B@v", "size": Decimal(0), "cost": Decimal(0), "unrealised": Decimal(0), **row},
        ]

    def balances(self, *, blank):
        row = {"realised": Decimal(1), "unrealised": Decimal(0), "fees": Decimal(2)}
        return [{"currency": "B", "equity": Decimal("100.5"), **row}, {"currency": "X", "equity": None, **row}]


def told(symbols=(), **standing):
    settled_in = dict.fromkeys(("A/B@v", "C/B@v", "D/B@v"), "B")
    return of(*accounts.account_rows(Account(**standing), symbols, settled_in, {"behind_bytes": 7, "records": 8}))


def test_an_account_is_told_of():
    found = told()
    assert found("libra_account_trading", account="paper") == 1
    assert found("libra_account_orders", account="paper", state="REJECTED") == 4
    assert found("libra_rejections_total", account="paper", code="COLLAR") == 4
    assert found("libra_account_positions", account="paper") == 2
    assert found("libra_account_gross_exposure", account="paper", currency="B") == 27
    assert found("libra_account_equity", account="paper", currency="B") == 100.5
    assert found.by("libra_account_equity", "currency") == {"B": 100.5}, "without a price there is none"
    assert found("libra_tick_to_order_seconds", account="paper", quantile="0.99") == 2e-6
    assert found("libra_journal_behind_bytes", account="paper") == 7


def test_instruments_have_metrics_only_where_they_are_named():
    """Ten thousand of them would be as many time series."""
    assert "symbol=" not in told().text
    assert told().by("libra_account_limit", "limit") == {"max_leverage": 3}
    found = told(symbols={"A/B@v"})
    assert found.by("libra_position_size", "symbol") == {"A/B@v": -2}
    assert set(found.by("libra_account_limit", "limit")) == {"max_leverage", "instruments.A/B@v.max_position_notional"}


@pytest.mark.parametrize(
    ("standing", "code"),
    [
        ({"killed": "by hand"}, "KILL_SWITCH"),
        ({"unattended": "it failed"}, "UNATTENDED"),
        ({"stopped": ("RECONCILING", "it looks")}, "RECONCILING"),
        ({"incident": ("ODD", "so")}, "INCIDENT"),
        ({"log_failed": True}, "LOG_FAILED"),
    ],
)
def test_what_stops_an_account_is_told_by_its_code(standing, code):
    found = told(**standing)
    assert found("libra_account_trading", account="paper") == 0
    assert found.by("libra_account_stopped", "code") == {code: 1}


def test_a_redirected_venue_is_named_by_its_host_alone():
    row = {
        "venue": "binance", "testnet": False, "redirect": "http://me:secret@127.0.0.1:8080/path", "used": {"weight": 3},
        "left": {"weight": 7}, "most": {"weight": 10}, "waiting": {"CANCEL": 1}, "barred_ns": 2_000_000_000,
        **dict.fromkeys(("granted", "refused", "expired", "dropped", "penalties", "corrected"), 5),
    }  # fmt: skip
    found = of(*venues.venue_rows([row]))
    assert found("libra_venue_rate_left", venue="binance", network="127.0.0.1", limit="weight") == 7
    assert found("libra_venue_silent_seconds", venue="binance", network="127.0.0.1") == 2
    assert found("libra_venue_waiting_requests", venue="binance", network="127.0.0.1", urgency="cancel") == 1
    assert "secret" not in found.text


def test_a_node_without_a_bridge_tells_of_none():
    assert list(bridge.bridge_rows({}, None, 0)) == []


def test_strategies_are_told_with_their_accounts():
    rows = node.node_rows(
        "here", "1.2.3", is_ready=False, is_draining=True, strategies={"sma": ("paper", True)}, errors=1,
        snapshot_errors=2, native_restarts=3,
    )  # fmt: skip
    found = of(*rows)
    assert found("libra_strategy_running", strategy="sma", account="paper") == 1
    assert (found("libra_node_ready"), found("libra_node_draining")) == (0, 1)
    assert found("libra_node_info", node="here", version="1.2.3") == 1


def test_actors_are_told_of():
    states = {"sma": "running", "gone": "failed"}
    loads = SimpleNamespace(get=lambda name, _: (2, 3) if name == "sma" else (0, 0))
    found = of(*node.actor_rows(states, ["gone"], {"sma": {"ORDERS": 0.5}}, loads, {"sma": 4}))
    assert found.by("libra_actor_running", "actor") == {"sma": 1, "gone": 0}
    assert found.by("libra_actor_given_up", "actor") == {"sma": 0, "gone": 1}
    assert found("libra_actor_oldest_event_seconds", actor="sma", lane="ORDERS") == 0.5
    assert found("libra_actor_blocked_loop_total", actor="sma") == 4
    assert found("libra_actor_timers", actor="sma") == 3


def test_the_guide_has_each_metric():
    guide = (Path(__file__).parents[3] / "docs" / "guides" / "monitoring.md").read_text(encoding="utf-8")
    for metric in DECLARED:
        labels = ", ".join(metric.labels) or "-"
        assert f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help.rstrip('.')} |" in guide
