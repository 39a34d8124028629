"""Messages between actors: addresses, letters and replies.

A message travels as a ``MESSAGE`` event into one mailbox; the reply to an ``ask`` passes beside the mailbox, into the
future of whoever asked.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from libra.core.clock import delay_ns
from libra.core.events import EventType
from libra.core.faults import describe
from libra.errors import LibraError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from libra.core.context import Switchboard

__all__ = ["ActorRef", "Ask", "AskFailed", "Tell"]


class AskFailed(LibraError):  # noqa: N818 - what happened to an ask
    """The asked actor raised, refused the message, or is no more."""


class Tell:
    """A message that nobody waits for."""

    __slots__ = ("message",)

    def __init__(self, message: object) -> None:
        self.message = message


class Ask:
    """A message whose sender waits for the reply.

    Attributes:
        message: What is asked.
        settled: Called when the reply is there, before whoever waits for it runs: in simulated time nothing new may
            come in meanwhile.
    """

    __slots__ = ("_reply", "message", "settled")

    def __init__(self, message: object, reply: asyncio.Future[Any]) -> None:
        self.message = message
        self.settled: Callable[[], None] | None = None
        self._reply = reply

    def answer(self, handler: Callable[[Any], Any]) -> Awaitable[None] | None:
        """Let ``handler`` answer. What it raises reaches the asker as `AskFailed`, and the supervisor as it is."""
        try:
            result = handler(self.message)
        except BaseException as error:
            self.refuse(describe(error))
            raise
        if hasattr(result, "__await__"):
            return self._answer_later(result)
        self.reply_with(result)
        return None

    def refuse(self, why: str) -> None:
        """Nobody will answer: the asker gets an `AskFailed`."""
        if not self._reply.done():
            self._settle()
            self._reply.set_exception(AskFailed(why))
            self._reply.exception()  # an asker that is no more by now is no fault

    async def _answer_later(self, result: Awaitable[Any]) -> None:
        try:
            answer = await result
        except BaseException as error:
            self.refuse(describe(error))
            raise
        self.reply_with(answer)

    def reply_with(self, answer: object) -> None:
        """The asker gets the answer."""
        if not self._reply.done():
            self._settle()
            self._reply.set_result(answer)

    def _settle(self) -> None:
        if self.settled is not None:
            self.settled()


class ActorRef:
    """The address of an actor. It stays valid over restarts of the actor.

    Args:
        name: The actor's name.
        slot: Its place in the node.
        switchboard: Who delivers.
        sender: The slot of the actor that holds this address, if one does.
    """

    __slots__ = ("_sender", "_slot", "_switchboard", "name")

    def __init__(self, name: str, slot: int, switchboard: Switchboard, sender: int | None = None) -> None:
        self.name = name
        self._slot = slot
        self._switchboard = switchboard
        self._sender = sender

    def tell(self, message: object) -> bool:
        """Put a message into the actor's mailbox; False when it was refused, or the actor is no more."""
        return self._switchboard.core.send(self._slot, EventType.MESSAGE, self._sender, Tell(message))

    async def ask(self, message: object, *, timeout: float) -> Any:  # noqa: ANN401, ASYNC109 - the timeout is the actor's clock's
        """Send a message and wait for the reply.

        Args:
            message: What is asked.
            timeout: Seconds on the asking actor's clock.

        Returns:
            What the other actor's ``on_message`` returned.

        Raises:
            TimeoutError: When no reply came in time.
            AskFailed: When the message was refused, or the other actor raised.
            ValueError: For a timeout that is negative, not a number, or longer than thirty years; nothing is sent.
        """
        delay_ns("timeout", timeout)
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        letter = Ask(message, reply)
        if not self._switchboard.core.send(self._slot, EventType.MESSAGE, self._sender, letter):
            raise AskFailed(f"{self.name} does not take the message: it is stopped, or its mailbox is full")
        return await self._switchboard.await_reply(letter, reply, self._sender, timeout)

    def __repr__(self) -> str:
        return f"ActorRef({self.name!r})"
