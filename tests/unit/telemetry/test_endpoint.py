"""The endpoint's server: what it answers, and who cannot hold it up."""

import socket
import threading
import time
from http import HTTPStatus

import pytest
from tests.scraping import get

from libra.telemetry.endpoint import Answer, Endpoint


def refuse(_):
    raise ValueError("a secret of somebody")


@pytest.fixture
def endpoint():
    made = Endpoint(
        "127.0.0.1",
        0,
        {
            "/fine": lambda accept: Answer(HTTPStatus.OK, accept.encode(), "text/plain"),
            "/odd": refuse,
            "/large": lambda _: Answer(HTTPStatus.OK, b"x" * (32 << 20)),
        },
    )
    made.start()
    yield made
    made.close()


def connect(endpoint, said=b""):
    connection = socket.create_connection(("127.0.0.1", int(endpoint.url.rpartition(":")[2])))
    connection.settimeout(10)
    connection.sendall(said)
    return connection


def test_paths_are_answered(endpoint):
    assert get(endpoint.url, "/fine?a=b", accept="text/x") == (200, b"text/x")
    status, body = get(endpoint.url, "/nowhere")
    assert (status, b"/fine" in body) == (404, True)


def test_what_fails_says_no_more_than_its_kind(endpoint, caplog):
    status, body = get(endpoint.url, "/odd")
    assert (status, b"secret" in body, b"ValueError" in body) == (500, False, True)
    assert "a secret of somebody" in caplog.text, "the log has it"


def test_a_head_has_no_body(endpoint):
    with connect(endpoint, b"HEAD /fine HTTP/1.0\r\n\r\n") as connection:
        answer = connection.recv(65_536)
    assert answer.startswith(b"HTTP/1.0 200")
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("said", [b"", b"GET /fine HTTP/1.1\r\n", b"GET /large HTTP/1.1\r\n\r\n"])
def test_those_who_say_nothing_or_do_not_read_hold_nobody(endpoint, said):
    idle = [connect(endpoint, said) for _ in range(12)]
    try:
        for _ in range(3):
            began = time.monotonic()
            assert get(endpoint.url, "/fine")[0] == 200
            assert time.monotonic() - began < 4, "nobody waits for their time to be over"
        busy = [thread for thread in threading.enumerate() if thread.name == "libra-http-client"]
        assert len(busy) <= 8
    finally:
        for connection in idle:
            connection.close()


def test_an_address_that_is_taken_is_not_shared(endpoint):
    with pytest.raises(OSError, match="in use"):
        Endpoint("127.0.0.1", int(endpoint.url.rpartition(":")[2]), {})


def test_its_end_waits_for_nobody(endpoint):
    with connect(endpoint) as idle:
        time.sleep(0.1)
        began = time.monotonic()
        endpoint.close()
        assert time.monotonic() - began < 1
        assert idle.recv(10) == b""
    with pytest.raises(OSError, match="refused"):
        connect(endpoint)


def test_its_end_waits_until_nobody_reads_the_node_any_more():
    read, reads = [], threading.Event()

    def slow(_):
        reads.set()
        time.sleep(0.3)
        read.append(1)
        return Answer(HTTPStatus.OK, b"")

    made = Endpoint("127.0.0.1", 0, {"/slow": slow})
    made.start()
    with connect(made, b"GET /slow HTTP/1.0\r\n\r\n"):
        reads.wait()
        made.close(timeout_s=10)
        assert read == [1]


def test_one_that_never_began_lets_go_of_its_address():
    one = Endpoint("127.0.0.1", 0, {})
    one.close()
    Endpoint("127.0.0.1", int(one.url.rpartition(":")[2]), {}).close()
