"""Events with Python payloads that are dropped on a thread which Python does not know."""

import threading
import weakref

from libra_core import release_on_native_thread


class Payload:
    pass


def test_a_payload_dropped_on_a_native_thread_is_released_by_a_python_thread():
    """Some go when a full lane displaces them, the rest with their mailbox: each once, and no finaliser runs there."""
    released = []
    payloads = [Payload() for _ in range(2_000)]
    for number, payload in enumerate(payloads):
        weakref.finalize(payload, lambda number=number: released.append((number, threading.get_ident())))
    del payload
    release_on_native_thread(payloads)
    assert payloads == []
    assert sorted(number for number, _ in released) == list(range(2_000))
    assert {thread for _, thread in released} == {threading.get_ident()}


def test_what_somebody_still_holds_stays():
    held = Payload()
    release_on_native_thread([held] * 100)
    gone = weakref.ref(held)
    assert gone() is held
    del held
    assert gone() is None
