"""Dashboard and alerts of docs/guides/monitoring.md: each names what is scraped, and a real Prometheus finds data."""

import json
import re
import signal
from pathlib import Path

import pytest
from tests.cluster.conftest import wait_for_nodes, wait_until
from tests.cluster.test_joined import Joined, joined
from tests.cluster.test_metrics import two_free_ports
from tests.prometheus import Prometheus, program, promtool
from tests.scraping import get, scrape, wait_for_endpoint

__all__ = ["joined"]

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "monitoring"
ALERTS = GUIDE / "prometheus" / "alerts.yml"
DASHBOARD = GUIDE / "grafana" / "libra.json"

NAME = re.compile(r"\b(?:libra|process)_[a-z0-9_]+")
NO_VENUE = "libra_venue_"
"""A paper account has none, so there is nothing to show."""

TRADES = """
n = 0

def on_quote(self, quote):
    self.n += 1
    if self.n % 5 == 0:
        size = "9.000" if self.n % 3 == 0 else "0.010"
        self.submit(quote.symbol, OrderSide.BUY if self.n % 2 else OrderSide.SELL, size)
"""


def alerts() -> list[str]:
    """The expressions of the alerts."""
    text = ALERTS.read_text(encoding="utf-8")
    found = re.findall(r"expr: >-\n +(.+)\n", text)
    assert len(found) == text.count("- alert: ") > 15
    return found


def queries() -> list[str]:
    """The expressions of the dashboard, as Grafana hands them over."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    found = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    variables = [entry["definition"] for entry in dashboard["templating"]["list"] if "definition" in entry]
    assert variables == ["label_values(libra_node_info, instance)"]
    assert len(found) > 30
    return [query.replace("$__rate_interval", "1m").replace("$instance", ".*") for query in found]


@pytest.fixture
def nodes(joined: Joined):
    """Two nodes that trade; gives their addresses."""
    port = two_free_ports()
    more = f'\n[telemetry]\nmetrics = "127.0.0.1:{port}"\n'
    risk = 'max_gross_exposure = "150000"'
    running = joined.start("run", joined.topology(more, strategy=joined.strategy(TRADES), risk=risk), "--json")
    wait_for_nodes(running, "trading", "strategies")
    addresses = [f"127.0.0.1:{port}", f"127.0.0.1:{port + 1}"]
    for address in addresses:
        wait_for_endpoint(f"http://{address}")
    trading = f"http://{addresses[0]}"
    wait_until(lambda: b"libra_account_gross_exposure{" in get(trading, "/metrics")[1], "a position")
    yield addresses
    running.signal(signal.SIGTERM)
    assert running.end().code == 0


def test_each_metric_that_is_named_is_there_in_a_real_scrape(nodes):
    there = set().union(*(scrape(f"http://{address}").names for address in nodes))
    named = {name for expression in alerts() + queries() for name in NAME.findall(expression)}
    assert len(named) > 40
    assert named <= there, named - there


def test_promtool_takes_the_alerts_and_each_query(tmp_path):
    promtool("check", "rules", str(ALERTS))
    rules = [{"record": f"q:{number}", "expr": query} for number, query in enumerate(queries())]
    path = tmp_path / "queries.yml"
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    promtool("check", "rules", str(path))
    promtool("check", "config", str(GUIDE / "prometheus" / "prometheus.yml"))


def test_promtool_finds_nothing_to_say_about_a_scrape(nodes):
    program("promtool")
    for address in nodes:
        promtool("check", "metrics", said=get(f"http://{address}", "/metrics")[1].decode())


@pytest.mark.slow
def test_a_real_prometheus_finds_data_for_the_dashboard_and_has_nothing_to_complain_of(joined, nodes, tmp_path):
    with Prometheus(tmp_path, nodes, [ALERTS]) as prometheus:
        prometheus.wait_for("count(up == 1) == 2")
        prometheus.wait_for("rate(libra_rejections_total[1m]) > 0")
        for query in queries():
            if NO_VENUE not in query:
                prometheus.wait_for(query, timeout_s=20)
        # Orders are rejected by intention: that alert, and no other, may be under way.
        alerting = {alert["labels"]["alertname"] for alert in prometheus.ask("alerts")["alerts"]}
        assert alerting <= {"LibraOrdersRejected"}
        rules = prometheus.ask("rules")["groups"]
        assert all(rule["health"] == "ok" for group in rules for rule in group["rules"])
        assert joined.run("kill-switch", "--reason", "to see the alert").code == 0
        prometheus.wait_for('ALERTS{alertname="LibraAccountStopped",alertstate="firing",code="KILL_SWITCH"}')
        assert joined.run("resume", "--yes").code == 0
