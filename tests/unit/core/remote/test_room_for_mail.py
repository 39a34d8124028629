"""What becomes of answers and of ends that find no room on their way to another node."""

import asyncio
from types import SimpleNamespace

from libra.core.post import Post
from libra.core.watching import Terminated, TerminationReason


class Core:
    """A node's core with room for messages of so many bytes."""

    node_name = "n"

    def __init__(self, room: float) -> None:
        self.room = room
        self.sent: list[tuple[str, str, object]] = []
        self.refused = 0

    def post(self, _slot: int | None, to: str, kind: str, _number: int, message: object) -> int:
        size = len(message) if isinstance(message, bytes) else 1
        if size > self.room:
            self.refused += 1
            return 0
        self.sent.append((to, kind, message))
        return size


def made(core: Core) -> Post:
    return Post(SimpleNamespace(core=core))  # type: ignore[arg-type]


def ask(number: int) -> SimpleNamespace:
    return SimpleNamespace(kind="ask", id=number, sender="other/asker", message="what")


def test_a_watcher_elsewhere_hears_of_ends_in_their_order_though_there_is_no_room_just_then():
    async def tell() -> list[str]:
        core = Core(room=0)
        post = made(core)
        for name in ("first", "second"):
            post.tell_end("other/watcher", Terminated(name, TerminationReason.FAILED))
        await asyncio.sleep(0)
        assert core.sent == []
        async with asyncio.timeout(10):
            while core.refused < 3:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        core.room = 1
        post.tell_end("other/watcher", Terminated("third", TerminationReason.FAILED))
        async with asyncio.timeout(10):
            while len(core.sent) < 3:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        post.tell_end("other/watcher", Terminated("fourth", TerminationReason.FAILED))
        return [ended.told.name for _, _, ended in core.sent]

    assert asyncio.run(tell()) == ["n/first", "n/second", "n/third", "n/fourth"]


def test_an_answer_without_room_becomes_a_refusal_and_comes_again_as_one():
    core = Core(room=10)
    post = made(core)
    post.settle(ask(7), 0, "reply", bytes(11))
    [(to, kind, why)] = core.sent
    assert (to, kind, "no room" in str(why)) == ("other/", "refusal", True)
    core.room = 100
    assert post.opened(ask(7), 0) is None
    assert core.sent[1] == core.sent[0]


def test_answers_that_are_kept_are_bounded_in_bytes_and_no_ask_is_handled_twice():
    core = Core(room=float("inf"))
    post = made(core)
    for number in range(20):
        post.settle(ask(number), 0, "reply", bytes(1 << 20))
    kept = [answer for answer in post._answers.values() if answer is not None]
    assert sum(size for _, _, size in kept) <= 8 << 20
    assert sum(kind == "reply" for kind, _, _ in kept) == 8
    core.sent.clear()
    assert [post.opened(ask(number), 0) for number in (0, 19)] == [None, None]
    assert [(kind, len(answer)) for _, kind, answer in core.sent if isinstance(answer, bytes)] == [("reply", 1 << 20)]
    assert [kind for _, kind, _ in core.sent] == ["refusal", "reply"]
    assert post._kept_bytes == 8 << 20
