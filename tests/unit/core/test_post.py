"""Messages of other nodes at the post office: asked once, answered once, and whose word is believed."""

import asyncio

import pytest

from libra.core.post import Post
from libra.core.watching import Ended, Terminated, TerminationReason, WatchRequest
from libra.errors import CodecError


class Letter:
    """A message as it comes from elsewhere."""

    def __init__(self, kind, message, number=1, sender="b/asker"):
        self.kind, self.id, self.sender = kind, number, sender
        self._message = message

    @property
    def message(self):
        if isinstance(self._message, Exception):
            raise self._message
        return self._message


class Board:
    """A node that notes what its post office does."""

    node_name = "a"

    def __init__(self):
        self.core = self
        self.sent, self.done = [], []

    def post(self, slot, to, kind, number, answer):
        self.sent.append((slot, to, kind, number, answer))
        return True

    def watch(self, *what):
        self.done.append(("watch", *what))

    def unwatch(self, *what):
        self.done.append(("unwatch", *what))

    def tell_end(self, *what):
        self.done.append(("tell_end", *what))


@pytest.fixture
def board():
    return Board()


@pytest.fixture
def office(board):
    return Post(board)


def test_an_ask_that_cannot_be_read_is_refused_once_and_fails_who_looks(office, board):
    letter = Letter("ask", CodecError("no such tag: 7"))
    with pytest.raises(CodecError):
        office.opened(letter, 3)
    assert board.sent == [(None, "b/", "refusal", 1, "no such tag: 7")]
    # It comes again, since the answer was lost: it is answered again, and nobody looks.
    assert office.opened(letter, 3) is None
    assert board.sent == [(None, "b/", "refusal", 1, "no such tag: 7")] * 2


def test_an_ask_is_answered_once_and_the_first_answer_is_repeated(office, board):
    letter = Letter("ask", "how much?")
    ask = office.opened(letter, 3)
    assert office.opened(letter, 3) is None, "it is being dealt with"
    assert board.sent == []
    ask.reply_with(answer="much")
    office.settle(letter, 3, "reply", "more")
    office.opened(letter, 3)
    assert board.sent == [(3, "b/", "reply", 1, "much")] * 2


@pytest.mark.parametrize("confirms", [True, False])
async def test_a_watch_is_waited_for_while_its_node_is_there_and_no_longer(office, board, monkeypatch, confirms):
    looks, is_up = [], [True]

    def is_node_up(node):
        looks.append(node)
        return is_up[0]

    async def until(condition):
        for _ in range(1_000):
            if condition():
                return
            await asyncio.sleep(0)
        raise AssertionError("it did not come to that")

    monkeypatch.setattr("libra.core.post._SILENCE_S", 0.0)
    board.is_node_up = is_node_up
    office.watch(3, "b/watched")
    await until(lambda: len(looks) > 2)
    assert (len(office._waiting), board.done) == (1, [])
    if confirms:
        [(_, _, _, number, _)] = board.sent
        office.answered(number, None, None)
    is_up[0] = False
    await until(lambda: confirms or board.done)
    assert office._waiting == {}
    asked = len(looks)
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(looks) == asked, "nobody looks any more"
    ends = [Terminated("b/watched", TerminationReason.NODE_DOWN, "its node is not there")]
    assert board.done == ([] if confirms else [("tell_end", 3, end) for end in ends])


def test_what_was_answered_long_ago_is_forgotten(office):
    kept = [Letter("ask", "?", number) for number in range(1_025)]
    assert all(office.opened(letter, 3) is not None for letter in kept)
    assert office.opened(kept[1], 3) is None, "among the last 1,024"
    assert office.opened(kept[0], 3) is not None


@pytest.mark.parametrize("slot", [3, None])
def test_a_watch_is_confirmed_by_the_node_that_has_the_actor(office, board, slot):
    asked = office.opened(Letter("ask", WatchRequest(), 1), slot)
    told = office.opened(Letter("tell", WatchRequest(wants=False), 2), slot)
    assert told is None
    if slot is None:
        assert (board.done, board.sent) == ([], [])
        assert asked is not None, "whoever takes the messages of one that is no more refuses it"
    else:
        assert asked is None
        assert board.done == [("watch", "b/asker", 3), ("unwatch", "b/asker", 3)]
        assert board.sent == [(3, "b/", "reply", 1, None)]


@pytest.mark.parametrize(
    ("sender", "slot", "is_believed"), [("b/", 3, True), ("b/", None, False), ("b/forger", 3, False), ("c/", 3, False)]
)
def test_an_end_is_told_by_the_node_of_whoever_ended(office, board, sender, slot, is_believed):
    told = Terminated("b/watched", TerminationReason.FAILED, "why")
    opened = office.opened(Letter("tell", Ended(told), sender=sender), slot)
    assert board.done == ([("tell_end", slot, told)] if is_believed else [])
    # From anyone else it is a message as any other; of a node to nobody it is nothing.
    assert (opened is None) == (sender == "b/")
