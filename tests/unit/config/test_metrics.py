"""`[telemetry] metrics`: where nodes serve, and what is wrong with an address or a symbol."""

import pytest

from libra.config import Flags, load
from libra.config.addresses import split_address
from libra.config.telemetry import TelemetrySettings
from libra.errors import ConfigError


@pytest.mark.parametrize(
    ("address", "parts"),
    [("127.0.0.1:9464", ("127.0.0.1", 9464)), ("localhost:0", ("localhost", 0)), ("[::1]:65535", ("::1", 65535))],
)
def test_an_address_has_a_host_and_a_port(address, parts):
    assert split_address(address) == parts
    assert TelemetrySettings(metrics=address).metrics == address


@pytest.mark.parametrize("address", ["9464", ":9464", "localhost", "localhost:", "::1:9464", "h:-1", "h:9x", "h:65536"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ConfigError, match=r"HOST:PORT|0 \(any free one\) to 65535") as refused:
        load("paper", flags=Flags(sets=(f"telemetry.metrics={address}",)))
    assert "telemetry.metrics" in str(refused.value)


@pytest.mark.parametrize(
    ("metrics", "place", "expected"),
    [
        (None, 3, None),
        ("127.0.0.1:9464", 0, "127.0.0.1:9464"),
        ("127.0.0.1:9464", 3, "127.0.0.1:9467"),
        ("[::]:9464", 1, "[::]:9465"),
        ("127.0.0.1:0", 3, "127.0.0.1:0"),
    ],
)
def test_nodes_of_a_topology_have_the_ports_from_the_first_on(metrics, place, expected):
    assert TelemetrySettings(metrics=metrics).of_node(place).metrics == expected


def test_the_last_node_needs_a_port_too():
    with pytest.raises(ConfigError, match="2 nodes take the ports from this one on, and 65535 is the last"):
        load("two_nodes", flags=Flags(sets=("telemetry.metrics=127.0.0.1:65535",)))
    load("two_nodes", flags=Flags(sets=("telemetry.metrics=127.0.0.1:65534",)))


def test_symbols_are_instruments_of_the_profile():
    sets = ("telemetry.metrics=127.0.0.1:0", 'telemetry.metrics_symbols=["BTC/USDT:USDT", "ETH/USDT:USDT@synthetic"]')
    assert len(load("paper", flags=Flags(sets=sets)).telemetry.metrics_symbols) == 2
    with pytest.raises(ConfigError, match=r'"BTC/USD" is no instrument: did you mean "BTC/USDT:USDT"'):
        load("paper", flags=Flags(sets=(sets[0], 'telemetry.metrics_symbols=["BTC/USD"]')))
    with pytest.raises(ConfigError, match="names symbols for metrics that are not served"):
        load("paper", flags=Flags(sets=(sets[1],)))
