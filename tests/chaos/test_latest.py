"""Of positions, balances, actors and gateways a node knows the newest, whoever was started again meanwhile."""

import signal
from itertools import pairwise

from tests.chaos.topology import NodeProcess, TwoNodes, wait_until
from tests.chaos.worker import STATE

ACCOUNT = {"POSITION_UPDATED", "BALANCE_UPDATED"}
# Of a gateway's coming and going the newest counts.
ALL = {event_type.name for event_type in STATE} - {"GATEWAY_CONNECTED"}


def has_kept(node: NodeProcess, values: int) -> bool:
    link = node.status["stats"]["link"]
    return bool(link["kept"] >= values and not link["keeps"])


def says(two: TwoNodes) -> int:
    """The publisher says all of its state anew; the number that it says, once the server keeps it."""
    before = two.pub.status
    two.pub.signal(signal.SIGUSR2)
    kept = before["stats"]["link"]["kept"] + len(ALL)
    wait_until(lambda: has_kept(two.pub, kept), two.tell)
    number: int = two.pub.status["state"]
    assert number > before["state"]
    return number


def knows(node: NodeProcess, what: set[str], number: int) -> bool:
    return all(node.status["known"].get(name, [0])[-1] == number for name in what)


def only_newer(node: NodeProcess) -> None:
    for name, numbers in node.status["known"].items():
        assert all(one < later for one, later in pairwise(numbers)), (name, numbers)


def test_a_node_that_is_started_again_learns_what_it_had_acknowledged():
    with TwoNodes(per_s=1_000) as two:
        two.start()
        for _ in range(3):
            number = says(two)
            wait_until(lambda number=number: knows(two.con, ALL, number), two.tell)
        only_newer(two.con)
        two.pub.signal(signal.SIGUSR1)
        wait_until(lambda: two.pub.status["stats"]["outbox"] == 0, two.tell)
        two.con.kill()
        two.con.start()
        wait_until(lambda: knows(two.con, ALL, number), two.tell)
        assert "GATEWAY_CONNECTED" not in two.con.status["known"]
        assert two.con.status["stats"]["link"]["channels"]["ORDERS:all:pub"]["loaded"] == len(ACCOUNT)
        only_newer(two.con)

        # What comes later is applied as before, once.
        number = says(two)
        wait_until(lambda: knows(two.con, ALL, number), two.tell)
        only_newer(two.con)
        two.settle()


def test_what_the_accounts_of_a_dead_node_had_is_known():
    with TwoNodes(per_s=0) as two:
        two.start()
        number = says(two)
        wait_until(lambda: knows(two.con, ALL, number), two.tell)
        two.con.kill()
        two.pub.kill()
        two.con.start()
        wait_until(lambda: knows(two.con, ACCOUNT, number), two.tell)
        assert set(two.con.status["known"]) == ACCOUNT, "whether its actors and gateways live, nobody knows"


def test_who_asks_for_it_later_is_given_it_too():
    with TwoNodes(per_s=0) as two:
        two.con.order["late"] = True
        two.start()
        number = says(two)
        two.con.signal(signal.SIGUSR2)
        wait_until(lambda: knows(two.con, ALL, number), two.tell)
        assert two.con.status["stats"]["link"]["market_in"]["lost"] == 0


def test_a_server_that_comes_back_empty_is_filled_again():
    with TwoNodes(per_s=0) as two:
        two.start()
        number = says(two)
        two.con.kill()
        two.server.kill()
        # It may be there before what it asks for.
        two.con.start()
        two.server.start()
        wait_until(lambda: knows(two.con, ALL, number), two.tell)
        only_newer(two.con)


def test_a_server_that_forgets_everything_is_filled_again():
    with TwoNodes(per_s=0) as two:
        two.start()
        number = says(two)
        kept = two.pub.status["stats"]["link"]["kept"]
        assert two.server.ask("FLUSHALL") == "+OK"
        wait_until(lambda: has_kept(two.pub, kept + len(ALL)), two.tell)
        two.con.kill()
        two.pub.kill()
        two.con.start()
        wait_until(lambda: knows(two.con, ACCOUNT, number), two.tell)


def test_what_an_earlier_life_said_of_its_accounts_is_kept_too():
    with TwoNodes(per_s=0) as two:
        two.start()
        number = says(two)
        wait_until(lambda: knows(two.con, ALL, number), two.tell)
        two.pub.kill()
        ups = len(two.con.told("node_up"))
        two.pub.start()
        wait_until(lambda: len(two.con.told("node_up")) > ups, two.tell)
        assert two.pub.status["state"] == 0, "it says nothing again"
        two.con.kill()
        two.server.kill()
        two.server.start()
        two.con.start()
        wait_until(lambda: knows(two.con, ACCOUNT, number), two.tell)
