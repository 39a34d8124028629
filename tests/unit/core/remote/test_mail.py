"""Messages to actors of other nodes: they look as they do here."""

import asyncio
from collections import deque
from types import SimpleNamespace

import pytest

from libra.core.actor import Actor
from libra.core.mail import AskFailed
from libra.core.post import Post
from libra.errors import CodecError


class Echo(Actor):
    """Answers in capitals; raises at "fail", is late at "slow", and says what it was told."""

    def __init__(self, heard):
        super().__init__()
        self.heard = heard

    def on_message(self, message):
        self.heard.append(message)
        if message == "fail":
            raise RuntimeError("as asked")
        if message == "slow":
            return self.later()
        if message == "object":
            return object()
        return message.upper() if isinstance(message, str) else message

    async def later(self):
        await self.clock.sleep(0.2)
        return "late"


@pytest.fixture
def joined(run_joined):
    """Runs `script(node a, node b)` while actor `echo` lives on `b`, and gives what it gave and what `echo` heard."""

    def run(script):
        heard = []

        def build(_, b):
            b.add_actor("echo", lambda: Echo(heard))

        async def play(nodes, _):
            return await script(*nodes)

        return asyncio.run(run_joined(build, play)), heard

    return run


def test_an_ask_is_answered_across_nodes(joined):
    async def script(a, _):
        echo = a.ref("b/echo")
        return [await echo.ask(word, timeout=10) for word in ("one", "two", "slow")]

    assert joined(script) == (["ONE", "TWO", "late"], ["one", "two", "slow"])


def test_asks_of_many_are_matched_by_their_ids(joined):
    async def script(a, _):
        echo = a.ref("b/echo")
        return await asyncio.gather(*(echo.ask(f"w{n}", timeout=10) for n in range(50)))

    answers, heard = joined(script)
    assert answers == [f"W{n}" for n in range(50)]
    assert heard == [f"w{n}" for n in range(50)]


def test_tell_arrives_and_actors_ask_back_and_forth(run_joined):
    class Asker(Actor):
        def on_start(self):
            assert self.actor("b/echo").tell({"n": 1})

        async def on_message(self, message):
            return await self.actor("b/echo").ask(message, timeout=10)

    async def script(a, b):
        return await b.ref("a/asker").ask("there and back", timeout=10)

    heard = []

    def build(a, b):
        b.add_actor("echo", lambda: Echo(heard))
        a.add_actor("asker", Asker)

    async def go():
        return await run_joined(build, lambda nodes, _: script(*nodes))

    assert asyncio.run(go()) == "THERE AND BACK"
    assert heard == [{"n": 1}, "there and back"]


@pytest.mark.parametrize(
    ("word", "why"),
    [("fail", "RuntimeError: as asked"), ("object", "CodecError"), ("nobody", "there is no actor b/nobody")],
)
def test_an_asker_learns_why_there_is_no_answer(joined, word, why):
    async def script(a, _):
        ref = a.ref("b/nobody" if word == "nobody" else "b/echo")
        with pytest.raises(AskFailed, match=why):
            await ref.ask(word, timeout=10)
        return await a.ref("b/echo").ask("still there", timeout=10)

    assert joined(script)[0] == "STILL THERE"


def test_an_ask_times_out_and_its_late_answer_is_nobodys(joined):
    async def script(a, _):
        echo = a.ref("b/echo")
        with pytest.raises(TimeoutError):
            await echo.ask("slow", timeout=0.01)
        assert await echo.ask("slow", timeout=10) == "late"
        assert a.post.late == 1
        return await echo.ask("next", timeout=10)

    assert joined(script) == ("NEXT", ["slow", "slow", "next"])


def test_what_cannot_leave_and_where_nobody_is_are_told_at_once(joined):
    async def script(a, b):
        with pytest.raises(CodecError):
            a.ref("b/echo").tell(object())
        with pytest.raises(AskFailed, match="its node is not known"):
            await a.ref("c/echo").ask("hello", timeout=10)
        assert not a.ref("c/echo").tell("hello")
        with pytest.raises(KeyError):
            b.ref("echoes")
        # An address with the node's own name is an actor of its own.
        return await b.ref("b/echo").ask("home", timeout=10)

    assert joined(script) == ("HOME", ["home"])


def test_an_ask_that_comes_again_is_handled_once_and_answered_again(joined):
    async def script(a, b):
        echo = a.ref("b/echo")
        assert await echo.ask("once", timeout=10) == "ONCE"
        number = next(iter(b.post._answers))
        # As a node sends it that does not know whether it had arrived.
        assert a.core.post(None, "b/echo", "ask", number, "once")
        answer = await echo.ask("next", timeout=10)
        assert a.post.late == 1, "the first answer again, before this one"
        return answer

    assert joined(script) == ("NEXT", ["once", "next"])


def test_those_that_wait_for_an_actor_that_ends_are_refused(run_joined):
    class Ending(Actor):
        def on_message(self, message):
            if message == "stop":
                self.stop()
            return message

    async def go():
        async def script(nodes, _):
            ref = nodes[0].ref("b/ending")
            stopped, waiting = await asyncio.gather(
                ref.ask("stop", timeout=10), ref.ask("after", timeout=10), return_exceptions=True
            )
            return stopped, type(waiting)

        return await run_joined(lambda _, b: b.add_actor("ending", Ending), script)

    assert asyncio.run(go()) == ("stop", AskFailed)


def test_of_the_asks_that_wait_no_more_are_remembered_than_of_those_that_are_answered():
    class Core:
        node_name = "here"

        def post(self, *_):
            return True

    post, waiting = Post(SimpleNamespace(core=Core())), deque()
    for number in range(5_000):
        mail = SimpleNamespace(kind="ask", message={}, sender="there/a", id=number)
        waiting.append(post.opened(mail, 0))
        if len(waiting) > 2_000:
            waiting.popleft().reply_with(number)
    assert len(post._answers) == 1_024
