"""Each node of a topology is scraped by itself."""

import json
import signal
import socket

from tests.cluster.conftest import wait_for_nodes, wait_until
from tests.cluster.test_joined import BUYER, Joined, joined
from tests.scraping import get_json, scrape, wait_for_endpoint

__all__ = ["joined"]

LANES = ("RISK", "ORDERS", "SIGNALS")


def two_free_ports() -> int:
    """The first of two ports that follow each other."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            port = first.getsockname()[1]
            try:
                socket.create_server(("127.0.0.1", port + 1)).close()
            except OSError:
                continue
            return port


def test_the_nodes_have_the_ports_from_the_first_on(joined: Joined):
    port = two_free_ports()
    more = f'\n[telemetry]\nmetrics = "127.0.0.1:{port}"\n'
    running = joined.start("run", joined.topology(more, strategy=joined.strategy(BUYER)), "--json")
    wait_for_nodes(running, "trading", "strategies")
    urls = {name: f"http://127.0.0.1:{port + place}" for place, name in enumerate(("trading", "strategies"))}
    for url in urls.values():
        wait_for_endpoint(url)
        wait_until(lambda url=url: get_json(url, "/readyz")[0] == 200, f"{url} is ready")
    nodes = json.loads(joined.run("status", "--json").out)["nodes"]
    assert {node["name"]: node["metrics"] for node in nodes} == {name: f"{url}/metrics" for name, url in urls.items()}
    wait_until(lambda: scrape(urls["trading"])("libra_fills_total", account="paper"), "a fill")
    trading, strategies = (scrape(url) for url in urls.values())
    for found, peer in ((trading, "strategies"), (strategies, "trading")):
        assert found("libra_bridge_connected") == 1
        assert found.by("libra_bridge_peer_up", "peer") == {peer: 1}
        assert set(found.by("libra_bridge_lag_seconds", "channel")) == {f"{lane}:all:{peer}" for lane in LANES}
        assert found("libra_scrape_errors_total") == 0
    assert trading.by("libra_account_trading", "account") == {"paper": 1}
    assert strategies.by("libra_account_trading", "account") == {}
    assert strategies.by("libra_strategy_running", "strategy") == {"mine": 1}
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert ended.code == 0, ended.err
    assert "has another profile" not in ended.err


def test_a_port_of_any_node_that_is_taken_ends_the_run_before_it_trades(joined: Joined):
    port = two_free_ports()
    more = f'\n[telemetry]\nmetrics = "127.0.0.1:{port}"\n'
    topology = joined.topology(more, strategy=joined.strategy(BUYER))
    with socket.create_server(("127.0.0.1", port + 1)):
        ended = joined.run("run", topology)
    assert ended.code == 2
    assert f"telemetry.metrics: 127.0.0.1:{port + 1} cannot be had" in ended.err
    assert "fill" not in ended.err
