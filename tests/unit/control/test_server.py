"""The node's side of a control socket: whatever comes in is answered, and harms nothing."""

import asyncio
import errno
import json
import os
import select
import socket
import time

import pytest

from libra.control import messages, server, spare
from libra.control.folder import RunFile, find_nodes
from libra.control.peer import Peer, peer_of
from libra.control.server import ControlServer
from libra.errors import ConfigError, ControlError

NODE = RunFile("test", os.getpid(), 1, "./test.toml", "0.1.0", takes_signal=False)


def echo(peer, arguments):
    return {"uid": peer.uid, **arguments}


def refuse(peer, arguments):
    raise ConfigError("not like that")


def refuse_by_code(peer, arguments):
    raise ControlError("MINE", "no")


def fail(peer, arguments):
    raise RuntimeError("a fault of ours")


VERBS = {"echo": echo, "refuse": refuse, "code": refuse_by_code, "fail": fail}


@pytest.fixture
async def open_server(tmp_path):
    made = []
    folder = tmp_path / "r"

    def opened(verbs=VERBS, **more):
        made.append(ControlServer(NODE, folder, verbs, **more))
        made[-1].open()
        return NODE.paths(folder)[0]

    yield opened
    for one in made:
        await one.close()
        await one.close()
    assert not folder.exists() or list(folder.iterdir()) == []


async def ask(path, *lines: bytes) -> list[dict]:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(b"".join(line + b"\n" for line in lines))
    said = [json.loads(await reader.readline()) for _ in lines]
    writer.close()
    await writer.wait_closed()
    return said


async def test_who_begins_to_listen_removes_what_killed_nodes_left(open_server, tmp_path):
    folder = tmp_path / "r"
    folder.mkdir(mode=0o700)
    dead = RunFile("dead", 2**22 + 1, 5, "./d.toml", "0.1.0", takes_signal=False)
    path, run_path = dead.paths(folder)
    path.touch()
    run_path.write_text(dead.to_json())
    open_server()
    assert not path.exists()
    assert not run_path.exists()
    assert find_nodes(folder) == [NODE]


async def test_who_may_not_cancel_it_makes_it_not_deaf(open_server):
    path = open_server(may_cancel=lambda: False)
    reader, writer = await asyncio.open_unix_connection(str(path))
    line = json.dumps({"v": 1, "op": "echo"}).encode() + b"\n"
    writer.write(line)
    assert json.loads(await reader.readline())["ok"]
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        if task.get_name() in ("libra-control", "libra-operator"):
            assert not task.cancel()
    writer.write(line)
    assert json.loads(await reader.readline())["ok"], "who is connected goes on"
    writer.close()
    await writer.wait_closed()
    assert (await ask(path, line.strip()))[0]["ok"], "so does the next one"


async def test_requests_are_answered_in_their_order(open_server):
    path = open_server()
    lines = [json.dumps({"v": 1, "op": "echo", "n": n}).encode() for n in range(50)]
    said = await ask(path, *lines)
    assert [reply["result"] for reply in said] == [{"uid": os.geteuid(), "n": n} for n in range(50)]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"", "BAD_REQUEST"),
        (b"\xff\xfe", "BAD_REQUEST"),
        (b"[" * 10_000, "BAD_REQUEST"),
        (b'"status"', "BAD_REQUEST"),
        (b'{"v": 1}', "BAD_REQUEST"),
        (b'{"v": 1, "op": 7}', "BAD_REQUEST"),
        (b'{"v": 1, "op": "echo", "until_ns": "soon"}', "BAD_REQUEST"),
        (b'{"v": 1, "op": "echo", "until_ns": true}', "BAD_REQUEST"),
        (b'{"v": 1, "op": "echo", "until_ns": 1}', "LATE"),
        (b'{"op": "echo"}', "VERSION"),
        (b'{"v": 2, "op": "echo"}', "VERSION"),
        (b'{"v": 1, "op": "nothing"}', "UNKNOWN_OP"),
        (b'{"v": 1, "op": "refuse"}', "REFUSED"),
        (b'{"v": 1, "op": "code"}', "MINE"),
        (b'{"v": 1, "op": "fail"}', "FAULT"),
    ],
)
async def test_what_is_no_request_gets_an_error_and_the_next_one_its_answer(open_server, line, code):
    path = open_server()
    bad, good = await ask(path, line, b'{"v": 1, "op": "echo"}')
    assert (bad["ok"], bad["error"]["code"]) == (False, code)
    assert good["ok"] is True


async def test_where_no_descriptor_is_left_who_waits_is_let_in_behind_the_one_before(open_server, monkeypatch):
    loop = asyncio.get_running_loop()

    async def sock_accept(listener):
        comes = asyncio.Event()
        loop.add_reader(listener, comes.set)
        try:
            await comes.wait()
        finally:
            loop.remove_reader(listener)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(loop, "sock_accept", sock_accept, raising=False)
    monkeypatch.setattr(spare, "_let_in_beyond_the_limit", lambda listener: None)
    # By a look at the clock it never is.
    monkeypatch.setattr(server, "_ACCEPT_AGAIN_S", 3_600.0)
    path = open_server()
    line = b'{"v": 1, "op": "echo"}\n'
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(line)
        assert json.loads(await reader.readline())["ok"]
        waits, asks = await asyncio.open_unix_connection(str(path))
        asks.write(line)
        heard = asyncio.ensure_future(waits.readline())
        await asyncio.sleep(0.05)
        assert not heard.done(), "one is let in at a time"
        writer.close()
        assert json.loads(await heard)["ok"]
        asks.close()
        await asyncio.gather(writer.wait_closed(), asks.wait_closed())


def later(**more):
    return json.dumps({"v": 1, "until_ns": time.monotonic_ns() + 60_000_000_000, **more}).encode()


async def test_what_nobody_waits_for_any_more_is_not_done(open_server, caplog):
    done = []

    def note(peer, arguments):
        done.append(arguments["n"])
        return {}

    path = open_server(verbs={"resume": note, "status": note, "kill": note})
    for op in ("resume", "status", "kill"):
        # The loop stands still: it reads the request, and the end behind it, when it goes on.
        with socket.socket(socket.AF_UNIX) as gone:
            gone.connect(str(path))
            gone.sendall(later(op=op, n=f"{op} gone") + b"\n")
    with socket.socket(socket.AF_UNIX) as listens:
        listens.connect(str(path))
        listens.sendall(later(op="resume", n="listens") + b"\n")
        listens.shutdown(socket.SHUT_WR)
        listens.setblocking(False)
        said = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(listens, 4096), 30)
    assert json.loads(said)["ok"], "one that only says no more waits for its answer"
    assert done == ["kill gone", "listens"]
    assert ["resume by" in told for told in caplog.messages if "came too late" in told] == [True], "a look is not told"


async def test_a_request_is_done_as_long_as_it_is_good(open_server):
    [reply] = await ask(open_server(), later(op="echo", n=1))
    assert reply["result"] == {"uid": os.geteuid(), "n": 1}


async def test_a_line_without_an_end_closes_its_connection_only(open_server):
    path = open_server()
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(b"x" * messages.LONGEST_REQUEST)
    assert json.loads(await reader.readline())["error"]["code"] == "TOO_LONG"
    assert await reader.read() == b""
    writer.close()
    assert (await ask(path, b'{"v": 1, "op": "echo"}'))[0]["ok"]


async def test_a_long_line_with_an_end_is_refused_too(open_server):
    control = ControlServer(NODE, open_server().parent, VERBS)
    reply = json.loads(control.answer(Peer(0, 1), b" " * messages.LONGEST_REQUEST))
    assert reply["error"]["code"] == "TOO_LONG"


async def test_another_user_is_not_heard(open_server):
    path = open_server(who=lambda connection: Peer(os.geteuid() + 4_242, 7))
    reader, writer = await asyncio.open_unix_connection(str(path))
    assert json.loads(await reader.readline())["error"]["code"] == "FORBIDDEN"
    assert await reader.read() == b""
    writer.close()


async def test_one_who_asks_only_after_the_refusal_still_reads_it(open_server):
    path = open_server(who=lambda connection: Peer(os.geteuid() + 4_242, 7))
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(path))
        await asyncio.to_thread(select.select, [raw], [], [])
        raw.sendall(b'{"v": 1, "op": "echo"}\n' * 100)
        assert json.loads(raw.recv(65_536))["error"]["code"] == "FORBIDDEN"
        assert raw.recv(1) == b""


async def test_one_who_was_refused_and_stays_is_let_go(open_server, monkeypatch):
    monkeypatch.setattr(server, "_FAREWELL_S", 0.01)
    path = open_server(who=lambda connection: Peer(os.geteuid() + 4_242, 7))
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(path))
        await asyncio.to_thread(raw.recv, 65_536)
        with pytest.raises(OSError, match="Broken pipe"):
            while True:
                raw.sendall(b"\n")
                await asyncio.sleep(0)


@pytest.mark.parametrize(("uid", "may"), [(os.geteuid(), True), (0, True), (os.geteuid() + 1, False)])
def test_who_may_operate(uid, may):
    assert Peer(uid, 1).may_operate is may
    assert f"uid {uid}" in str(Peer(uid, 1))


def test_a_peer_without_a_login_is_named_by_its_uid():
    assert str(Peer(3_999_999_999, None)) == "uid 3999999999"


def test_the_kernel_tells_who_is_there():
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert peer_of(ours) == Peer(os.geteuid(), os.getpid())


async def test_more_connections_than_it_takes_are_told_so(open_server, monkeypatch):
    monkeypatch.setattr(server, "_MOST_CONNECTIONS", 2)
    path = open_server()
    held = [await asyncio.open_unix_connection(str(path)) for _ in range(2)]
    for reader, writer in held:
        writer.write(b'{"v": 1, "op": "echo"}\n')
        assert json.loads(await reader.readline())["ok"]
    reader, writer = await asyncio.open_unix_connection(str(path))
    assert json.loads(await reader.readline())["error"]["code"] == "BUSY"
    for _, other in [*held, (reader, writer)]:
        other.close()


async def test_who_says_nothing_is_let_go(open_server, monkeypatch):
    monkeypatch.setattr(server, "_IDLE_S", 0.01)
    path = open_server()
    reader, writer = await asyncio.open_unix_connection(str(path))
    assert await reader.read() == b""
    writer.close()


async def test_a_client_that_is_gone_before_its_answer_harms_nothing(open_server):
    path = open_server()
    for _ in range(8):  # no more than wait to be accepted, since this loop is theirs, too
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(str(path))
            raw.sendall(b'{"v": 1, "op": "echo"}\n' * 100)
    assert (await ask(path, b'{"v": 1, "op": "echo"}'))[0]["ok"]


async def test_it_is_found_while_it_listens_and_not_before_or_after(open_server):
    path = open_server()
    assert find_nodes(path.parent) == [NODE]


async def test_a_folder_that_is_not_fit_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ControlError, match="is no folder"):
        ControlServer(NODE, tmp_path / "file", VERBS).open()
    (tmp_path / "wide").mkdir(mode=0o755)
    with pytest.raises(ControlError, match="chmod 700"):
        ControlServer(NODE, tmp_path / "wide", VERBS).open()
    with pytest.raises(ControlError, match="cannot be made"):
        ControlServer(NODE, tmp_path / "file" / "below", VERBS).open()
    with pytest.raises(ControlError, match="too long"):
        ControlServer(NODE, tmp_path / ("x" * 90), VERBS).open()
