"""The server of a topology: one for all its processes, there while any of them lives, gone with the last of them."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.chaos.driven import Driven
from tests.cluster.conftest import asked, end, is_alive, parent_of, wait_until

from libra import early_kill
from libra.errors import BridgeError
from libra_cluster.server import membership as joining
from libra_cluster.server.membership import ServerMembership
from libra_cluster.server.paths import ServerPaths

HOLDER = Path(__file__).with_name("holder.py")


class Holder:
    """A process that holds the server."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HOLDER), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def server(self) -> int:
        """The server's process, once it is held."""
        return int(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def leave(self) -> None:
        self.process.stdin.close()
        assert self.process.stdout.readline() == "left\n"
        assert self.process.wait() == 0

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            stream.close()


@pytest.fixture
def paths() -> ServerPaths:
    return ServerPaths(Path(os.environ["LIBRA_RUN_DIR"]), "test")


@pytest.fixture
def hold(paths: ServerPaths) -> Iterator[Callable[..., Holder]]:
    """Starts processes that hold the server; none is left, nor what they held."""
    made: list[Holder] = []

    def hold(*arguments: str) -> Holder:
        made.append(Holder("test", *arguments))
        return made[-1]

    yield hold
    servers = [int(paths.pid.read_text(encoding="utf-8"))] if paths.pid.exists() else []
    started = [pid for server in servers if is_alive(server) for pid in (parent_of(server), server)]
    for holder in made:
        holder.close()
    try:
        wait_until(lambda: not paths.guardian_socket.exists(), "the guardian ends behind its last member")
    finally:
        # Where a promise was broken they outlive the topology; not this test.
        for pid in started:
            if pid > 1:
                end(pid)


def assert_nothing_is_left(paths: ServerPaths, *pids: int) -> None:
    wait_until(lambda: not any(map(is_alive, pids)), f"{pids} end")
    wait_until(lambda: not any(paths.run_folder.iterdir()), f"{list(paths.run_folder.rglob('*'))} go")


@pytest.mark.parametrize("first_to_die", [0, 1, 2])
def test_it_lives_as_long_as_any_of_them(hold, paths: ServerPaths, first_to_die: int):
    holders = [hold()]
    server = holders[0].server()
    holders += [hold(), hold()]
    assert [holder.server() for holder in holders[1:]] == [server, server]
    guardian = parent_of(server)
    order = holders[first_to_die:] + holders[:first_to_die]
    for holder in order[:-1]:
        holder.kill()
        assert asked(paths.server_socket, "PING") == "+PONG"
        assert is_alive(guardian)
        assert is_alive(server)
    order[-1].kill()
    assert_nothing_is_left(paths, guardian, server)


def test_all_of_them_killed_at_once(hold, paths: ServerPaths):
    holders = [hold() for _ in range(3)]
    servers = {holder.server() for holder in holders}
    [server] = servers
    guardian = parent_of(server)
    for holder in holders:
        holder.process.send_signal(signal.SIGKILL)
    assert_nothing_is_left(paths, guardian, server)


def test_the_last_to_leave_waits_until_it_is_gone(hold, paths: ServerPaths):
    first, second = hold(), hold()
    server = first.server()
    assert second.server() == server
    first.leave()
    assert asked(paths.server_socket, "PING") == "+PONG"
    second.leave()
    assert not is_alive(server)
    assert not any(paths.run_folder.iterdir())


def test_many_starters_at_once_start_one(hold, paths: ServerPaths):
    holders = [hold() for _ in range(8)]
    assert len({holder.server() for holder in holders}) == 1
    assert paths.log.read_text(encoding="utf-8", errors="replace").count("Ready to accept connections") == 1


def test_they_come_and_go_and_whoever_is_there_has_a_server(hold, paths: ServerPaths):
    for _ in range(10):
        leaving = hold()
        leaving.server()
        coming = hold()
        # The one leaves, or dies, while the other comes.
        leaving.process.stdin.close()
        coming.server()
        assert asked(paths.server_socket, "PING") == "+PONG"
        coming.kill()


def test_what_a_lost_machine_left_is_cleared(hold, paths: ServerPaths):
    paths.folder.mkdir(parents=True, mode=0o700)
    paths.run_folder.chmod(0o700)
    for path in (paths.guardian_socket, paths.server_socket):
        subprocess.run(
            [sys.executable, "-c", f"import socket; socket.socket(socket.AF_UNIX).bind({str(path)!r})"], check=True
        )
    paths.pid.write_text("1", encoding="utf-8")
    for lock in (paths.start_lock, paths.guardian_lock):
        lock.touch()
    holder = hold()
    server = holder.server()
    assert server != 1
    assert asked(paths.server_socket, "PING") == "+PONG"
    holder.leave()
    assert_nothing_is_left(paths, server)


def test_a_server_that_dies_is_started_again(hold, paths: ServerPaths):
    server = hold().server()
    asked(paths.server_socket, "SET key value")
    os.kill(server, signal.SIGKILL)
    wait_until(lambda: asked(paths.server_socket, "PING") == "+PONG", "another server answers")
    assert asked(paths.server_socket, "GET key") == "$-1"
    assert "the server has died" in paths.log.read_text(encoding="utf-8", errors="replace")


def test_a_server_that_keeps_its_data_has_them_again(hold, paths: ServerPaths):
    holder = hold("appendonly")
    server = holder.server()
    asked(paths.server_socket, "SET key value")
    asked(paths.server_socket, "WAITAOF 1 0 0")
    os.kill(server, signal.SIGKILL)
    wait_until(lambda: asked(paths.server_socket, "GET key").endswith("value"), "what it held is there")
    holder.leave()
    hold("appendonly").server()
    assert asked(paths.server_socket, "GET key").endswith("value")


def test_a_guardian_that_is_killed_takes_it_along_and_another_one_comes(hold, paths: ServerPaths):
    first, second = hold(), hold()
    server = first.server()
    assert second.server() == server
    guardian = parent_of(server)
    os.kill(guardian, signal.SIGKILL)
    wait_until(lambda: not is_alive(server), "the server ends with its guardian")
    wait_until(lambda: asked(paths.server_socket, "PING") == "+PONG", "members start another one")
    # Both hold the new one.
    first.kill()
    assert asked(paths.server_socket, "PING") == "+PONG"
    second.kill()


def test_a_server_ends_with_its_guardian_though_nobody_is_left_to_see(hold, paths: ServerPaths):
    holder = hold()
    server = holder.server()
    guardian = parent_of(server)
    holder.process.send_signal(signal.SIGSTOP)
    os.kill(guardian, signal.SIGKILL)
    holder.kill()
    try:
        wait_until(lambda: not is_alive(server), "the server ends with its guardian")
    finally:
        end(server)
    # Files stay for whoever starts the next one.
    paths.guardian_socket.unlink()


def test_one_that_was_left_at_its_place_is_ended(hold, paths: ServerPaths):
    paths.run_folder.chmod(0o700)
    paths.folder.mkdir(mode=0o700)
    left = subprocess.Popen(
        [joining.server_binary(), "--port", "0", "--unixsocket", str(paths.server_socket), "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: asked(paths.server_socket, "PING") == "+PONG", "it answers")
        assert hold().server() != left.pid
        assert left.wait(30) == 0
    finally:
        left.kill()
        left.wait()


def test_nobody_else_can_get_at_it(hold, paths: ServerPaths):
    hold().server()
    for path in (paths.folder, paths.server_socket):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert asked(paths.server_socket, "CONFIG GET port").split()[-1] == "0"


def test_nodes_that_share_it_have_nothing_to_change_about_it(hold, paths: ServerPaths):
    hold().server()
    node = Driven({"environment": "own", "nodes": ["node"], "url": f"unix://{paths.server_socket}"}, "node").start()
    try:
        wait_until(lambda: (node.turn(), node.told("connected"))[1], "the node is connected")
        found = [news.detail.split(":")[0] for news in node.told("server_finding")]
    finally:
        node.bridge.stop(0.0)
    # What it keeps is the profile's choice.
    assert found == ["PERSISTENCE_NONE"]


def test_a_forked_child_is_no_member(paths: ServerPaths):
    """One that outlives its node would keep the server for as long as it lives."""
    membership = ServerMembership("test")
    try:
        child = os.fork()
        if child == 0:
            os._exit(0 if stat.S_ISCHR(os.fstat(membership._connection.fileno()).st_mode) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert stat.S_ISSOCK(os.fstat(membership._connection.fileno()).st_mode)
    finally:
        membership.close()


def test_a_server_does_not_keep_signals_that_whoever_starts_it_holds_back(paths: ServerPaths):
    """By SIGUSR1 it ends a child of its own that saves its data."""
    with early_kill.passed_on():
        membership = ServerMembership("test")
    try:
        status = Path("/proc", paths.pid.read_text(encoding="utf-8").strip(), "status").read_text(encoding="utf-8")
        [blocked] = [line for line in status.splitlines() if line.startswith("SigBlk:")]
        assert not int(blocked.split()[1], 16) & 1 << (signal.SIGUSR1 - 1)
    finally:
        membership.close()


def test_a_folder_that_is_too_deep(tmp_path: Path):
    with pytest.raises(BridgeError, match="LIBRA_RUN_DIR"):
        ServerMembership("test", folder=tmp_path / ("x" * 100))


def test_no_server_to_start(monkeypatch: pytest.MonkeyPatch, paths: ServerPaths):
    monkeypatch.setattr(joining.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BridgeError, match=r"bridge\.url"):
        ServerMembership("test")


def test_a_server_that_cannot_start_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, paths: ServerPaths):
    broken = tmp_path / "broken-server"
    broken.write_text("#!/bin/sh\necho no luck\nexit 9\n", encoding="utf-8")
    broken.chmod(0o755)
    monkeypatch.setattr(joining, "server_binary", lambda: str(broken))
    with pytest.raises(BridgeError, match="ended with 9"):
        ServerMembership("test")
    assert "no luck" in paths.log.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_server_that_nobody_joins_ends(paths: ServerPaths):
    paths.folder.mkdir(parents=True, mode=0o700)
    command = [sys.executable, "-m", "libra_cluster.server.guardian", str(paths.run_folder), "test"]
    started = subprocess.run([*command, joining.server_binary(), "no"], stdout=subprocess.PIPE, text=True, check=True)
    assert started.stdout == "ready\n"
    assert_nothing_is_left(paths, int(paths.pid.read_text(encoding="utf-8")))
