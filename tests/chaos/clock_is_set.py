"""What `test_clocks` runs in a process of its own: nodes whose wall clock is set while all that can wait does."""

import json
import sys
import time

from tests.chaos.driven import Place
from tests.set_clock import SetClock

from libra.core.events import EventType

DAY_S = 86_400.0
STALE_MS = 4_000
BEACONS = 3


def main() -> None:
    clock, began = SetClock.of_this_process(), time.time()
    with Place(["pub", "con"], stale_after_ms=STALE_MS) as place:
        pub, con = place.node("pub"), place.node("con", EventType.ORDER_FILLED)
        place.until(lambda: pub.told("node_up") and con.told("node_up"))
        assert pub.publish(EventType.ORDER_FILLED, "before")
        place.until(lambda: con.handled and pub.outboxes()["ORDERS"]["events"] == 0)
        # From here on an outbox waits for the server, and its consumer's time runs.
        assert place.server.ask("CONFIG SET maxmemory 1") == "+OK"
        assert pub.publish(EventType.ORDER_FILLED, "meanwhile")
        place.until(lambda: pub.outboxes()["ORDERS"]["refusals"] > 0)
        for ahead_s in (DAY_S, -DAY_S, 0.0):
            clock.set(ahead_s)
            assert abs(time.time() - began - ahead_s) < DAY_S / 2
            tried, heard = pub.outboxes()["ORDERS"]["refusals"], con.link()["nodes"]["pub"]["beacons"]
            place.until(
                lambda tried=tried, heard=heard: (
                    pub.outboxes()["ORDERS"]["refusals"] >= tried + 3
                    and con.link()["nodes"]["pub"]["beacons"] >= heard + BEACONS
                )
            )
        refused_s = pub.link()["refuses"][0]["for_ns"] / 1e9
        assert place.server.ask("CONFIG SET maxmemory 0") == "+OK"
        place.until(lambda: len(con.handled) == 2 and pub.outboxes()["ORDERS"]["events"] == 0)
        told = sorted({news.kind for node in (pub, con) for news in node.news})
        found = {"told": told, "handled": [payload for _, payload in con.handled], "refused_s": refused_s}
        sys.stdout.write(f"{json.dumps(found)}\n")


if __name__ == "__main__":
    main()
