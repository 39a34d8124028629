"""The operator's side: nodes that are there, silent, gone, or something else."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from libra.cli import main
from libra.control import client as operators_side
from libra.control.client import NodeClient
from libra.control.folder import RunFile, find_nodes, run_folder
from libra.control.process import NodeProcess
from libra.errors import ControlError


def run_file(**more) -> RunFile:
    return RunFile(
        **{"name": "n", "pid": os.getpid(), "started_ns": 1, "profile": "", "version": "0", "takes_signal": True} | more
    )


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "r"
    made.mkdir(mode=0o700)
    return made


@contextmanager
def listening(folder: Path, node: RunFile, *, answer: bytes | None, held: list | None = None):
    """A socket and run file of a node that answers each connection with some bytes, or with nothing."""
    path, run_path = node.paths(folder)
    held = [] if held is None else held
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(8)
        run_path.write_text(node.to_json())
        over = threading.Event()

        def serve():
            while not over.is_set():
                connection, _ = listener.accept()
                held.append(connection)
                if answer is not None and not over.is_set():
                    with connection:
                        connection.settimeout(1)
                        if connection.recv(65_536):
                            connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield NodeClient(node, folder)
        finally:
            over.set()
            with socket.socket(socket.AF_UNIX) as last:
                last.connect(str(path))
            thread.join()
            for connection in held:
                connection.close()


def test_an_answer(folder):
    answer = json.dumps({"v": 1, "ok": True, "result": {"a": 1}}).encode() + b"\n"
    with listening(folder, run_file(), answer=answer) as client:
        assert client.ask("status", account=None) == {"a": 1}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b'{"ok": false, "error": {"code": "REFUSED", "message": "no"}}\n', "REFUSED"),
        (b'{"ok": true}\n', "BAD_REPLY"),
        (b"nonsense\n", "BAD_REQUEST"),
        (b"half", "GONE"),
    ],
)
def test_other_answers(folder, answer, code):
    with listening(folder, run_file(), answer=answer) as client, pytest.raises(ControlError) as caught:
        client.ask("status")
    assert caught.value.code == code


def test_what_changes_something_says_until_when_it_is_good(folder):
    asked = []
    for op in ("resume", "status", "limits", "kill"):
        held = []
        with listening(folder, run_file(), answer=None, held=held) as client:
            before_ns = time.monotonic_ns()
            with pytest.raises(ControlError) as caught:
                client.ask(op, timeout_s=0.05, reason="why")
            after_ns = time.monotonic_ns()
            request = json.loads(held[0].recv(4096))
        for path in run_file().paths(folder):
            path.unlink()
        until_ns = request.pop("until_ns", None)
        if until_ns is not None:
            asked.append(op)
            assert before_ns + 50_000_000 <= until_ns < after_ns, "it is waited for beyond that"
        assert request == {"v": 1, "op": op, "reason": "why"}
        assert ("does not do later" in caught.value.text) is (op == "resume")
    assert asked == ["resume"], "a kill holds however late, and a look changes nothing"


def test_the_answer_to_what_was_done_in_the_last_moment_is_heard(folder, monkeypatch):
    monkeypatch.setattr(operators_side, "_ANSWERS_WITHIN_S", 30.0)
    node = run_file()
    path, _ = node.paths(folder)

    def answer(listener):
        connection, _ = listener.accept()
        with connection:
            until_ns = json.loads(connection.recv(4096))["until_ns"]
            while time.monotonic_ns() <= until_ns + 100_000_000:
                time.sleep(0.001)
            connection.sendall(b'{"v": 1, "ok": true, "result": {"a": 1}}\n')

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        assert NodeClient(node, folder).ask("resume", timeout_s=0.05) == {"a": 1}
        thread.join()


def test_silence_and_absence(folder):
    with listening(folder, run_file(), answer=None) as client, pytest.raises(ControlError) as caught:
        client.ask("status", timeout_s=0.01)
    assert caught.value.code == "SILENT"
    with pytest.raises(ControlError) as caught:
        NodeClient(run_file(), folder).ask("status")
    assert caught.value.code == "GONE"


def test_a_signal_goes_to_who_listens_and_to_nobody_else(folder, monkeypatch):
    sent = []
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda process, number: sent.append(number))
    with listening(folder, run_file(), answer=None) as client:
        client.pull_switch()
    assert sent == [signal.SIGUSR1]
    # A pid that belongs to another process by now.
    with listening(folder, run_file(pid=os.getppid()), answer=None) as client, pytest.raises(ControlError) as caught:
        client.pull_switch()
    assert caught.value.code == "GONE"
    with pytest.raises(ControlError) as caught:
        NodeClient(run_file(pid=2**22 + 1), folder).pull_switch()
    assert caught.value.code == "GONE"
    with pytest.raises(ControlError) as caught:
        NodeClient(run_file(takes_signal=False), folder).pull_switch()
    assert caught.value.code == "NO_SIGNAL"
    assert len(sent) == 1


def test_a_node_that_hangs_is_signalled_though_its_socket_takes_nobody_any_more(folder, monkeypatch):
    sent = []
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda process, number: sent.append(number))
    node = run_file()
    path, run_path = node.paths(folder)
    run_path.write_text(node.to_json())
    with ExitStack() as held:
        listener = held.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(path))
        listener.listen(1)
        with pytest.raises(BlockingIOError):  # the backlog is full
            while True:
                waiting = held.enter_context(socket.socket(socket.AF_UNIX))
                waiting.setblocking(False)
                waiting.connect(str(path))
        NodeClient(node, folder).pull_switch()
        assert sent == [signal.SIGUSR1]
    # Nobody listens any more: the pid may be anybody's.
    with pytest.raises(ControlError) as caught:
        NodeClient(node, folder).pull_switch()
    assert caught.value.code == "GONE"
    assert len(sent) == 1


def stop(monkeypatch, folder, *arguments):
    monkeypatch.setenv("LIBRA_RUN_DIR", str(folder))
    return main.main(["stop", *arguments])


def test_a_stop_goes_to_who_listens_and_to_nobody_else(folder, monkeypatch, capsys):
    sent = []
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda process, number: sent.append(number))
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append(pid))
    # A pid that belongs to another process by now, and a node inside another program.
    for node, said in ((run_file(pid=os.getppid()), "is gone"), (run_file(takes_signal=False), "takes no signals")):
        with listening(folder, node, answer=None):
            assert stop(monkeypatch, folder, "--timeout", "0.1") == 1
        assert said in capsys.readouterr().err
        node.paths(folder)[1].unlink()
    assert sent == []


def test_a_stop_waits_without_knocking_at_a_node_that_hangs(folder, monkeypatch, capsys):
    sent, held = [], []
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda process, number: sent.append(number))
    with listening(folder, run_file(), answer=None, held=held):
        assert stop(monkeypatch, folder, "--timeout", "0.4") == 1
        # To be found, and to be known before it is signalled.
        assert len(held) == 2
    assert sent == [signal.SIGTERM]
    assert "still runs after 0.4 s" in capsys.readouterr().err


LISTENS = """
import pathlib, socket, sys, time
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(8)
print("listens", flush=True)
time.sleep(60)
"""


def test_a_stop_sees_the_end_of_a_process_that_leaves_its_files(folder, monkeypatch, capsys):
    command = [sys.executable, "-c", LISTENS, str(folder / "early")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "listens\n"
            node = run_file(pid=process.pid)
            path, run_path = node.paths(folder)
            (folder / "early").rename(path)
            run_path.write_text(node.to_json())
            assert stop(monkeypatch, folder, "--json") == 0
        finally:
            process.kill()
    assert process.returncode == -signal.SIGTERM
    assert json.loads(capsys.readouterr().out) == {"name": "n", "pid": process.pid, "ended": True}
    assert list(folder.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        NodeProcess(process.pid)


def test_a_signal_never_reaches_a_process_that_has_ended():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        held = NodeProcess(process.pid)
        with held:
            assert not held.has_ended(0)
            process.kill()
            assert held.has_ended(60)
            process.wait()
            with pytest.raises(ProcessLookupError):
                held.send(signal.SIGTERM)


def test_what_is_dead_is_removed_and_what_is_no_run_file_is_left(folder):
    dead = run_file(pid=7)
    path, run_path = dead.paths(folder)
    run_path.write_text(dead.to_json())
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    strange = {
        "empty.json": "",
        "list.json": "[]",
        "other.json": '{"name": "n"}',
        "kind.json": dead.to_json().replace("7", '"7"'),
    }
    strange["renamed.json"] = dead.to_json()
    for name, text in strange.items():
        (folder / name).write_text(text)
    with listening(folder, run_file(), answer=None):
        assert find_nodes(folder) == [run_file()]
    assert not path.exists()
    assert not run_path.exists()
    assert set(strange) <= {left.name for left in folder.iterdir()}


def test_what_a_process_left_that_was_killed_before_it_could_be_found_is_removed(folder):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        starts = run_file(pid=process.pid)
        (path, run_path), (early, early_run) = starts.paths(folder), starts.early_paths(folder)
        halves = [path, early, early_run]
        for half in halves:
            half.touch()
        assert find_nodes(folder) == []
        assert all(half.exists() for half in halves), "it lives, and may be about to listen"
        process.kill()
        process.wait()
    whole = run_file(pid=process.pid, started_ns=10**9)
    with listening(folder, whole, answer=None):
        assert find_nodes(folder) == [whole], "a later process of the same pid has other files"
        assert not any(half.exists() for half in halves)
        assert all(left.exists() for left in whole.paths(folder))
    assert run_path != whole.paths(folder)[1]


def test_where_nodes_are_found():
    assert run_folder({"LIBRA_RUN_DIR": "/a", "XDG_RUNTIME_DIR": "/b"}) == Path("/a")
    assert run_folder({"XDG_RUNTIME_DIR": "/b"}) == Path("/b/libra")
    assert run_folder({}) == Path(f"/tmp/libra-{os.geteuid()}")
    assert find_nodes(Path("/nowhere/at/all")) == []


def test_a_folder_of_somebody_else_is_not_trusted(folder, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(ControlError, match="belongs to uid"):
        find_nodes(folder)


def test_a_refusal_that_comes_before_the_request_is_heard(folder, monkeypatch):
    node = run_file()
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with theirs:
        theirs.sendall(b'{"v": 1, "ok": false, "error": {"code": "BUSY", "message": "too many connections"}}\n')
    client = NodeClient(node, folder)
    monkeypatch.setattr(client, "_connect", lambda until: ours)
    with pytest.raises(ControlError, match="too many connections") as told:
        client.ask("status")
    assert told.value.code == "BUSY"
