"""A native thread that hangs cannot be taken back: its process ends itself, and says which thread it was."""

import os
import subprocess
import sys
import textwrap

import pytest
from tests.conftest import T0_NS, quote_frame

RUN = """
import sys
from libra.core.actor import Actor
from libra.core.node import Node, NodeOptions
from libra.model import ContractKind, Instrument

BTC = Instrument(
    "BTC/USDT", "binance", base="BTC", quote="USDT", price_decimals=2, size_decimals=3, tick_size="0.01",
    lot_size="0.001", kind=ContractKind.SPOT, settle="USDT", venue_symbol="BTCUSDT", min_size="0.001", max_size="1000",
    min_notional="1", contract_size="1", maker_fee="0", taker_fee="0", fee_decimals=8, tradable=True,
)

class Fed(Node):
    def _open(self):
        self.core.add_replay([sys.argv[1]], [BTC])
        self.core.start_feed()

class Counts(Actor):
    def on_quote(self, quote):
        print("a quote", flush=True)

node = Fed(NodeOptions(heartbeat_s=float(sys.argv[2]), duration_s=2.0))
node.add_actor("counts", Counts)
node.run_blocking()
print("an orderly end", flush=True)
"""


@pytest.fixture
def end(tmp_path):
    """Runs a process whose feed waits for ever for the next line of a pipe; gives its end."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    # For reading too, so that it opens at once.
    writer = os.open(path, os.O_RDWR)
    os.write(writer, b"".join(b"%d %s\n" % (T0_NS + n, quote_frame(n + 1).encode()) for n in range(3)))

    def end(heartbeat_s):
        command = [sys.executable, "-c", textwrap.dedent(RUN), str(path), str(heartbeat_s)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    yield end
    os.close(writer)


def test_a_native_thread_that_hangs_ends_the_process_with_its_name(end):
    ended = end(0.3)
    assert ended.returncode == 1
    assert (
        "libra: a native thread hangs; libra-feed has given no sign of life for 0.3 s; the order log is flushed"
        in ended.stderr
    )
    assert "a quote" in ended.stdout, "it has lived"
    assert "an orderly end" not in ended.stdout


def test_one_that_is_not_listened_to_is_missed_by_the_drain(end):
    ended = end(0)
    assert ended.returncode == 1
    assert "libra: the drain ran out of time" in ended.stderr
    assert "sign of life" not in ended.stderr
