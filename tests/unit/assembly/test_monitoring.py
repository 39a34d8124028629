"""What a node shows over HTTP, and what it does not."""

import json
import socket
import subprocess
import sys

import pytest
from tests.scraping import get

from libra.assembly import build
from libra.config import Flags, load
from libra.core.node import Node, NodeOptions
from libra.errors import ConfigError


def settings(*sets):
    return load("paper", flags=Flags(sets=("telemetry.metrics=127.0.0.1:0", *sets)))


async def ask(node, *paths):
    """What is answered while the node's loop stands still: the test holds it."""
    monitoring = node._monitoring
    monitoring.start(lambda: {"accounts": [{"latch": "abc", "killed": "key SESAME-OPEN"}], "profile": "/home/me"})
    try:
        return [get(monitoring.url.removesuffix("/metrics"), path) for path in paths]
    finally:
        monitoring.close()


async def test_a_status_has_nothing_that_lets_anybody_do_something(monkeypatch):
    monkeypatch.setenv("MY_KEY", "SESAME-OPEN")
    monkeypatch.setattr("libra.assembly.monitoring.key_names", lambda _: {"MY_KEY"})
    ((status, body),) = await ask(build(settings()), "/status")
    assert status == 200
    assert json.loads(body) == {"accounts": [{"killed": "key ***"}]}


async def test_all_is_answered_while_the_loop_stands_still():
    answers = await ask(build(settings()), "/livez", "/startupz", "/readyz", "/metrics")
    assert [status for status, _ in answers] == [200, 503, 503, 200]
    assert json.loads(answers[1][1]) == {"started": False, "missing": ["accounts and bridge are being opened"]}
    assert b"libra_node_ready 0.0" in answers[3][1]


def test_an_address_that_is_taken_is_said_before_anything_is_opened():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"telemetry.metrics: 127.0.0.1:{port} cannot be had: .*in use"):
            build(settings(f"telemetry.metrics=127.0.0.1:{port}"))


def test_a_host_that_is_not_here_is_said():
    with pytest.raises(ConfigError, match=r"203\.0\.113\.9:9464 cannot be had"):
        build(settings("telemetry.metrics=203.0.113.9:9464"))


async def test_whoever_listens_to_other_hosts_is_told(caplog):
    (answer,) = await ask(build(settings("telemetry.metrics=0.0.0.0:0")), "/livez")
    assert answer[0] == 200
    assert "is open to other hosts" in caplog.text


def test_nothing_of_it_is_loaded_where_no_profile_asks_for_it():
    code = (
        "import sys; from libra.assembly import build; from libra.config import load; build(load('paper')); "
        "print([name for name in ('prometheus_client', 'http.server') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_node_drains_from_before_its_sources_are_stopped():
    """Whoever asks for readiness learns of it before anything is missing."""
    noted = []

    class Noting(Node):
        def _stop_sources(self):
            noted.append(self.is_draining)

    node = Noting(NodeOptions(signals=False))
    assert not node.is_draining
    node.run_blocking()
    assert noted == [True]


def test_a_node_that_is_asked_to_end_drains_from_then_on():
    node = Node(NodeOptions(signals=False))
    node.stop()
    assert node.is_draining


def test_a_node_tells_its_address():
    node = build(settings())
    assert node.metrics_url.startswith("http://127.0.0.1:")
    node._monitoring.close()
    assert build(load("paper")).metrics_url is None
