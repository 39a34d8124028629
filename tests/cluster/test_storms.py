"""One strategy asks its account in a storm, over the bridge: whoever shares its node's outbox is heard all the same."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.conftest import wait_for_nodes, wait_until
from tests.cluster.test_joined import Joined
from tests.profiles import BESIDE

STORMS = """
storms = open = 0

def on_start(self):
    self.set_timer("storm", 0.1, interval_s=0.1)

def on_timer(self, name):
    import pathlib
    # Its answers fill the outbox of the account's node, which is that one's to bear: the next storm is behind them, but
    # where none can come.
    away = pathlib.Path("away").exists()
    if not pathlib.Path("storm").exists() or (self.open and not away):
        return
    # What no limit lets pass, so that the account has little to do with it.
    taken = refused = 0
    while refused < 1_000 and (away or taken < 6_000):
        if self.submit(self.symbols[0], OrderSide.BUY, "10") is None:
            refused += 1
        else:
            taken += 1
    self.open += taken
    pathlib.Path(f"taken{self.storms}").write_text(f"{taken} {refused} ")
    self.storms += 1

def on_order(self, order):
    self.open -= order.is_final
"""

ASKS_QUIETLY = """
asked = refused = 0
open = ()

def on_start(self):
    self.open = set()
    self.set_timer("ask", 0.01, interval_s=0.01)

def on_timer(self, name):
    import pathlib
    if not pathlib.Path("ask").exists() or self.asked == 100:
        return
    order = self.submit(self.symbols[0], OrderSide.BUY, "0.001", price="59300.0")
    self.asked += 1
    if order is None or not self.cancel(order):
        self.refused += 1
    self.open.add(order)
    if self.asked == 100:
        pathlib.Path("asked").write_text(f"refused {self.refused}")

def on_order(self, order):
    import pathlib
    if order.is_final:
        self.open.discard(order.order_id)
        if self.asked == 100 and not self.open:
            pathlib.Path("ended").touch()
"""

# Three quarters of it are for what is asked, and a fifth of those for one that asks without end.
OUTBOX = "\n[bridge]\noutbox_events = 20000\nrequest_deadline_ms = 60000\n"
PART = 3_000

# Nor do they bound the one that is quiet, whose orders all wait behind an outage for their cancels.
RATES = """
max_open_orders = 200
max_orders_per_second = 1000
max_orders_per_minute = 10000
max_messages_per_second = 2000
"""


class Storm:
    """A run of a strategy that storms and one that does not, both without their account's node."""

    def __init__(self, joined: Joined) -> None:
        self._folder = joined.folder
        joined.strategy(ASKS_QUIETLY, "other.py")
        profile = joined.topology(OUTBOX, strategy=joined.strategy(STORMS), strategy_more=BESIDE, risk=RATES)
        self.running = joined.start("run", profile, "--json")
        wait_for_nodes(self.running, "trading", "strategies")

        def met() -> bool:
            [node] = json.loads(joined.run("status", "--node", "strategies", "--json").out)["nodes"]
            return bool(node["bridge"]["peers"][0]["up"])

        wait_until(met, "they have met")

    def begin(self, what: str) -> None:
        (self._folder / what).touch()

    def stop(self, what: str) -> None:
        (self._folder / what).unlink()

    def told(self) -> list[tuple[int, int]]:
        """Of each storm, how much was taken, and how much was refused."""
        found: list[tuple[int, int]] = []
        while (path := self._folder / f"taken{len(found)}").exists() and (text := path.read_text()).endswith(" "):
            taken, refused = text.split()
            found.append((int(taken), int(refused)))
        return found

    def taken(self) -> list[int]:
        return [taken for taken, _ in self.told()]

    def has_storms(self, count: int) -> None:
        before = len(self.taken())
        wait_until(lambda: len(self.taken()) >= before + count, "it storms")

    def has_asked(self) -> str:
        path = self._folder / "asked"
        wait_until(lambda: path.exists() and path.read_text(), "the other one asks")
        return path.read_text()

    def has_heard(self) -> None:
        wait_until((self._folder / "ended").exists, "the other one hears the end of each order")

    def end(self) -> None:
        """Ends the run: nothing of it is missing, and what was refused was so to the one that storms."""
        self.running.signal(signal.SIGTERM)
        ended = self.running.end()
        assert ended.code == 0, ended.err
        assert ended.summary["lost"] == {"strategies": [], "events": {}}
        assert "REFUSED at mine" in ended.err
        assert "REFUSED at other" not in ended.err
        refused: int = ended.summary["dead_letters"]["REFUSED"]
        assert refused == sum(refused for _, refused in self.told())
        codes = ended.summary["rejections"]
        cancelled = codes.pop("CANCELLED_EARLY", 0) + ended.summary["orders"].get("CANCELLED", 0)
        assert codes == {"ORDER_NOTIONAL_LIMIT": sum(self.taken())}
        assert cancelled == 100


@pytest.fixture
def storm(tmp_path: Path) -> Iterator[Storm]:
    joined = Joined(tmp_path)
    try:
        yield Storm(joined)
    finally:
        joined.close()


def test_one_that_storms_leaves_the_others_of_its_node_room_in_its_outbox(storm: Storm):
    storm.begin("storm")
    storm.has_storms(2)
    storm.begin("ask")
    assert storm.has_asked() == "refused 0"
    storm.has_heard()
    storm.stop("storm")
    assert min(storm.taken()) > 0, storm.taken()
    storm.end()


def test_it_does_so_while_the_server_is_away_and_all_of_it_goes_on_behind(storm: Storm):
    server = int((Path(os.environ["LIBRA_RUN_DIR"]) / "bridge-libra" / "server.pid").read_text(encoding="utf-8"))
    os.kill(server, signal.SIGSTOP)
    try:
        storm.begin("away")
        storm.begin("storm")
        storm.has_storms(2)
        storm.begin("ask")
        assert storm.has_asked() == "refused 0"
        storm.has_storms(1)
        # A fifth of what it found, once; what was in the outbox stays there. A few had left when the server stopped.
        first, *later = storm.taken()
        assert PART - 50 <= first <= PART, storm.taken()
        assert sum(later) <= 50, storm.taken()
        storm.stop("storm")
        storm.stop("away")
    finally:
        os.kill(server, signal.SIGCONT)
    storm.has_heard()
    # Its part came back, too.
    before = len(storm.taken())
    storm.begin("storm")
    storm.has_storms(1)
    storm.stop("storm")
    assert storm.taken()[before] >= PART, storm.taken()
    storm.end()
