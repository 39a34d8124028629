"""Another server takes the place of the one that the nodes work with, and a server's clock that was ahead."""

import signal
import socket
import subprocess
import sys
import time
from typing import Any

import pytest
from tests.chaos.topology import Server, TwoNodes, wait_until
from tests.set_clock import SetClock

from libra_cluster.server.membership import server_binary


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


class Sentinels(TwoNodes):
    """Two nodes that are told where the master is by a sentinel, which watches two servers."""

    def __init__(self, **order: Any) -> None:
        master, replica, port = free_ports(3)
        super().__init__(**order, url=f"redis+sentinel://127.0.0.1:{port}/main")
        self.servers = []
        for name, at, options in (("a", master, ()), ("b", replica, ("--replicaof", "127.0.0.1", str(master)))):
            folder = self.folder / name
            folder.mkdir()
            self.servers.append(Server(folder, *options, "--repl-diskless-sync-delay", "0", port=at))
        self.server = self.servers[0]
        self.port = port
        self.sentinel: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        for server in self.servers:
            server.start()
        wait_until(lambda: "master_link_status:up" in self.servers[1].ask("INFO replication"), self.tell)
        configuration = self.folder / "sentinel.conf"
        configuration.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self.folder}\nlogfile {self.folder}/sentinel.log\n"
            f"sentinel monitor main 127.0.0.1 {self.server.port} 1\n"
            "sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n",
            encoding="utf-8",
        )
        self.sentinel = subprocess.Popen([server_binary(), str(configuration), "--sentinel"], stdin=subprocess.DEVNULL)
        wait_until(lambda: str(self.servers[1].port) in self.ask_sentinel("SENTINEL REPLICAS main"), self.tell)
        self.start_nodes()

    def ask_sentinel(self, command: str) -> str:
        with socket.socket() as connection:
            connection.settimeout(10)
            try:
                connection.connect(("127.0.0.1", self.port))
                connection.sendall(f"{command}\r\n".encode())
                return connection.recv(65_536).decode()
            except OSError:
                return ""

    def master(self) -> Server | None:
        """Who is named now: on a busy machine a sentinel takes an heir for dead, too, and names the other one again."""
        named = self.ask_sentinel("SENTINEL GET-MASTER-ADDR-BY-NAME main")
        return next((server for server in self.servers if f"\r\n{server.port}\r\n" in named), None)

    def has_all_nodes(self) -> bool:
        """Both nodes hold both their connections to the server that is the master now."""
        master = self.master()
        if master is None:
            return False
        connections = master.connections()
        names = (f"libra:chaos:{node}:libra-{kind}" for node in ("pub", "con") for kind in ("calls", "hears"))
        return all(name in connections for name in names)

    def close(self) -> None:
        if self.sentinel is not None:
            self.sentinel.kill()
            self.sentinel.wait()
        for server in self.servers:
            server.close()
        super().close()


def is_master(server: Server) -> bool:
    return "role:master" in server.ask("INFO replication")


def fail_over(two: Sentinels, dead: Server, heir: Server, *, is_back_early: bool = False) -> None:
    """The master dies under load. Back before the sentinel names its heir, it may have the nodes once more, empty."""
    before = two.pub.accepted
    dead.kill()
    if is_back_early:
        # It is still the one that is named, and calls itself a master; the sentinel has seen it gone.
        wait_until(lambda: "s_down" in two.ask_sentinel("SENTINEL MASTER main"), two.tell)
        dead.start()
    wait_until(lambda: is_master(heir), two.tell)
    wait_until(two.has_all_nodes, two.tell)
    if not is_back_early:
        dead.start()
    wait_until(lambda: two.pub.accepted - before >= 10_000, two.tell)


def settle(two: Sentinels, failovers: int) -> None:
    two.settle()
    assert not two.con.told("gap_lost"), two.tell()
    assert not two.pub.told("overflow"), two.tell()
    assert two.con.told("node_down") == two.pub.told("node_down") == [], two.tell()
    assert two.pub.status["stats"]["link"]["connections"]["calls"]["reconnects"] >= failovers


def test_a_failover_to_the_replica_loses_and_doubles_nothing():
    with Sentinels(per_s=10_000, quotes=True) as two:
        two.start()
        two.publish_more(4_000)
        fail_over(two, two.servers[0], two.servers[1])
        settle(two, 1)


@pytest.mark.slow
def test_a_master_that_sleeps_through_its_failover_is_left_and_loses_and_doubles_nothing():
    with Sentinels(per_s=5_000, quotes=True) as two:
        two.start()
        two.publish_more(4_000)
        old, heir = two.servers
        before = two.pub.accepted
        old.signal(signal.SIGSTOP)
        wait_until(lambda: is_master(heir), two.tell)
        wait_until(two.has_all_nodes, two.tell)
        # It wakes up as a master, with connections and calls that were on their way, until the sentinel tells it.
        old.signal(signal.SIGCONT)
        wait_until(lambda: "master_link_status:up" in old.ask("INFO replication"), two.tell)
        wait_until(lambda: two.pub.accepted - before >= 10_000, two.tell)
        settle(two, 1)


def test_a_master_that_is_back_before_its_heir_is_named_does_not_keep_the_nodes():
    with Sentinels(per_s=5_000, quotes=True) as two:
        two.start()
        two.publish_more(4_000)
        fail_over(two, two.servers[0], two.servers[1], is_back_early=True)
        settle(two, 1)


@pytest.mark.slow
def test_a_failover_there_and_back_loses_and_doubles_nothing():
    with Sentinels(per_s=5_000, quotes=True) as two:
        two.start()
        two.publish_more(4_000)
        fail_over(two, two.servers[0], two.servers[1])
        # Its turn comes again when the sentinel has made it follow the new one.
        wait_until(lambda: "master_link_status:up" in two.servers[0].ask("INFO replication"), two.tell)
        fail_over(two, two.servers[1], two.servers[0])
        settle(two, 2)


def test_a_clock_that_was_an_hour_ahead_and_stepped_back_holds_up_nobody():
    # The clock of a node names its lives: an earlier one may have left a life whose epoch, and so the ids of its
    # stream, are later than all that clocks say now.
    ahead = (int(time.time()) + 3_600) * 1_000
    with TwoNodes(appendonly=True, quotes=True) as two:
        two.server.start()
        assert two.server.ask(f"HSET libra:chaos:epochs pub {ahead}") == ":1"
        two.start_nodes()
        two.publish_more(6_000)
        assert two.pub.status["stats"]["link"]["epoch"] == ahead + 1
        two.pub.stop()
        two.start_publisher_again()
        two.publish_more(3_000)
        two.server.kill()
        two.server.start()
        two.publish_more(3_000)
        assert two.pub.status["stats"]["link"]["epoch"] == ahead + 2
        last = two.server.ask("XREVRANGE libra:chaos:stream:ORDERS:all:pub + - COUNT 1")
        assert f"{ahead + 2}-" in last, last
        assert sum(two.settle().values()) >= 10_000
        assert not two.con.told("gap_lost"), two.tell()
        assert not two.pub.told("fenced"), two.tell()


def clock_of(server: Server) -> float:
    """By how much it is ahead of the host's, in seconds."""
    return int(server.ask("TIME").split()[2]) - time.time()


@pytest.mark.skipif(sys.platform != "linux", reason="a clock is set by LD_PRELOAD")
def test_a_clock_of_the_server_that_is_set_under_load_holds_up_nobody():
    with TwoNodes(appendonly=True, quotes=True) as two:
        two.server.environment = SetClock.made(two.folder, 3_600.0)
        clock = SetClock(two.folder / "skew")
        two.start()
        assert clock_of(two.server) > 3_500
        two.publish_more(3_000)
        # Two hours back, right, a day back: under the same connections.
        for ahead_s in (-3_600.0, 0.0, -86_400.0):
            clock.set(ahead_s)
            assert abs(clock_of(two.server) - ahead_s) < 100
            two.publish_more(3_000)
        # Who begins then finds a stream of earlier clocks.
        two.con.kill()
        two.con.start()
        two.publish_more(3_000)
        connections = two.pub.status["stats"]["link"]["connections"]
        assert [connections[name]["connects"] for name in ("calls", "hears")] == [1, 1], two.tell()
        assert sum(two.settle().values()) >= 10_000
        for told in ("gap_lost", "gap_suspected", "fenced", "overflow"):
            assert not two.pub.told(told), two.tell()
            assert not two.con.told(told), two.tell()
