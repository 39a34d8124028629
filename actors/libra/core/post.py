"""Messages to and from actors of other nodes, as `NODE/ACTOR` addresses them.

They travel as ``MESSAGE`` events through the bridge: each once and in order, refused where there is no room. The
answer to an ``ask`` comes back beside all mailboxes and is matched by the ask's id. An ask that comes twice (its node
could not know that it had arrived) is answered twice and handled once.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any

import msgspec

from libra.core.clock import delay_ns
from libra.core.mail import ActorRef, Ask, AskFailed, Tell
from libra.core.watching import Ended, Terminated, TerminationReason, WatchRequest
from libra.errors import CodecError

if TYPE_CHECKING:
    from libra.core.context import Switchboard
    from libra_core import Mail

__all__ = ["Post", "RemoteActorRef"]

_REMEMBERED = 1_024
"""Asks whose answer is kept, should they come again."""
_REMEMBERED_BYTES = 8 << 20
"""Bytes of those answers; of older ones it is only known that they were given."""
_FORGOTTEN = ("refusal", "it was answered once, and the answer is not kept any more", 0)
_NO_ROOM = "the answer could not leave: the bridge has no room, or whoever gave it is no more"
_AGAIN_S = (0.1, 2.0)
"""How long an end that found no room waits to be told again, at first and at most."""
_MOST_ENDS = 4_096
"""Ends that wait for room; beyond these the oldest goes."""
_SILENCE_S = 2.5
"""A node of which nothing was heard for so long is no more; as the bridge has it."""


class Post:
    """A node's post office: the asks that wait for an answer from elsewhere, and those that were answered here.

    Args:
        switchboard: The node.
    """

    def __init__(self, switchboard: Switchboard) -> None:
        self._switchboard = switchboard
        self._waiting: dict[int, Ask] = {}
        self._answers: OrderedDict[int, tuple[str, object, int] | None] = OrderedDict()
        self._kept_bytes = 0
        self._ends: deque[tuple[str, Ended]] = deque(maxlen=_MOST_ENDS)
        self.late = 0
        """Answers that came when nobody waited any more, or a second time."""

    def ref(self, name: str, sender: int | None) -> ActorRef:
        """The address of an actor of this node, or ``NODE/ACTOR``, which may be of this very node too.

        Raises:
            KeyError: When this node has no such actor, and ``name`` leads to no other node.
        """
        local, remote = self.resolve(name)
        if remote is not None:
            return RemoteActorRef(remote, self, sender)
        return ActorRef(local, self._switchboard.find_slot(local), self._switchboard, sender)

    def resolve(self, name: str) -> tuple[str, str | None]:
        """The name of an actor in this node, and its address where it is in another one."""
        node, slash, actor = name.partition("/")
        own = self._switchboard.core.node_name
        if slash and own is not None and node != own:
            return name, name
        return (actor if slash and node == own else name), None

    def watch(self, slot: int, watched: str) -> None:
        """An actor of this node learns of each end of one elsewhere.

        Where there is none it learns that as soon as its node says so; where its node is not there, or does not come
        within the time of silence, after that time. A node that goes later is told by its end.
        """
        number = secrets.randbits(128)
        self._waiting[number] = _Watch(self, number, slot, watched)
        if not self._switchboard.core.post(slot, watched, "ask", number, WatchRequest()):
            del self._waiting[number]
            why = "its node is not known, or the bridge has no room"
            self._switchboard.tell_end(slot, Terminated(watched, TerminationReason.NODE_DOWN, why))
        else:
            asyncio.get_running_loop().call_later(_SILENCE_S, self._give_up, number, slot, watched)

    def _give_up(self, number: int, slot: int, watched: str) -> None:
        """The time of silence is over, and with it a watch that nobody confirmed, unless its node is there."""
        if number not in self._waiting:
            return
        if self._switchboard.core.is_node_up(watched.partition("/")[0]):
            # It may still confirm it, or go as well: nothing is kept for a node that is no more.
            asyncio.get_running_loop().call_later(_SILENCE_S, self._give_up, number, slot, watched)
        else:
            del self._waiting[number]
            why = "its node is not there"
            self._switchboard.tell_end(slot, Terminated(watched, TerminationReason.NODE_DOWN, why))

    def unwatch(self, slot: int, watched: str) -> None:
        """It does not any more. Should this find no room: what comes is passed over."""
        self._switchboard.core.post(slot, watched, "tell", 0, WatchRequest(wants=False))

    def tell_end(self, watcher: str, told: Terminated) -> None:
        """Tell a watcher elsewhere of the end of an actor of this node, as soon as there is room for it.

        The node lives, so nothing else would tell it.
        """
        name = f"{self._switchboard.core.node_name}/{told.name}"
        ended = Ended(msgspec.structs.replace(told, name=name))
        is_first = not self._ends
        if not is_first or not self._switchboard.core.post(None, watcher, "tell", 0, ended):
            self._ends.append((watcher, ended))
            if is_first:
                self._tell_again_in(_AGAIN_S[0])

    def _tell_again_in(self, wait_s: float) -> None:
        asyncio.get_running_loop().call_later(wait_s, self._tell_ends, wait_s)

    def _tell_ends(self, waited_s: float) -> None:
        """Those that wait, in their order, until there is no room again."""
        while self._ends:
            watcher, ended = self._ends[0]
            if not self._switchboard.core.post(None, watcher, "tell", 0, ended):
                return self._tell_again_in(min(2 * waited_s, _AGAIN_S[1]))
            self._ends.popleft()
        return None

    def watch_is_settled(self, number: int, slot: int, watched: str, refusal: str | None) -> None:
        """The other node knows of a watch, or has no such actor."""
        self._waiting.pop(number, None)
        if refusal is not None:
            self._switchboard.tell_end(slot, Terminated(watched, TerminationReason.GONE, refusal))

    def tell(self, to: str, sender: int | None, message: object) -> bool:
        """Send a message; False when it was refused."""
        return self._switchboard.core.post(sender, to, "tell", 0, message) > 0

    async def ask(self, to: str, sender: int | None, message: object, timeout_s: float) -> Any:  # noqa: ANN401
        """Send a message and wait for the answer, on the clock of the sender."""
        delay_ns("timeout", timeout_s)
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        letter = Ask(message, reply)
        number = secrets.randbits(128)
        self._waiting[number] = letter
        try:
            if not self._switchboard.core.post(sender, to, "ask", number, message):
                raise AskFailed(f"{to} does not get the message: its node is not known, or the bridge has no room")
            return await self._switchboard.await_reply(letter, reply, sender, timeout_s)
        finally:
            del self._waiting[number]

    def answered(self, number: int, answer: object, refusal: str | None) -> None:
        """An answer came: called natively."""
        letter = self._waiting.get(number)
        if letter is None:
            self.late += 1
        elif refusal is not None:
            letter.refuse(refusal)
        else:
            letter.reply_with(answer)

    def opened(self, mail: Mail, slot: int | None) -> Ask | Tell | None:
        """What the actor of a slot makes of a message from elsewhere; None for an ask that it has seen."""
        if mail.kind != "ask":
            return self._told(mail, slot)
        if mail.id in self._answers:
            answer = self._answers[mail.id]
            if answer is not None:
                self._send(mail, slot, *answer[:2])
            return None
        try:
            message = mail.message
        except CodecError as error:
            self.settle(mail, slot, "refusal", str(error))
            raise
        self._remember(mail.id, None)
        ask = RemoteAsk(message, self, mail, slot)
        if isinstance(message, WatchRequest) and slot is not None:
            self._switchboard.watch(mail.sender, slot)
            ask.reply_with(answer=None)
            return None
        return ask

    def _told(self, mail: Mail, slot: int | None) -> Tell | None:
        message = mail.message
        if isinstance(message, WatchRequest):
            if slot is not None:
                self._switchboard.unwatch(mail.sender, slot)
            return None
        # A node tells of its own actors, and no actor of it does.
        if isinstance(message, Ended) and mail.sender == f"{message.told.name.partition('/')[0]}/":
            if slot is not None:
                self._switchboard.tell_end(slot, message.told)
            return None
        return Tell(message)

    def settle(self, mail: Mail, slot: int | None, kind: str, answer: object) -> None:
        """Answer an ask, once."""
        if self._answers.get(mail.id) is not None:
            return
        self._remember(mail.id, self._send(mail, slot, kind, answer))

    def _remember(self, number: int, answer: tuple[str, object, int] | None) -> None:
        # An ask that waited so long that it was forgotten comes back in here with its answer.
        self._forget(self._answers.get(number))
        self._answers[number] = answer
        self._kept_bytes += 0 if answer is None else answer[2]
        while len(self._answers) > _REMEMBERED:
            self._forget(self._answers.popitem(last=False)[1])
        if self._kept_bytes > _REMEMBERED_BYTES:
            # That they were handled is remembered all the same.
            for older, kept in list(self._answers.items()):
                if kept is not None and self._kept_bytes > _REMEMBERED_BYTES:
                    self._forget(kept)
                    self._answers[older] = _FORGOTTEN

    def _forget(self, answer: tuple[str, object, int] | None) -> None:
        self._kept_bytes -= 0 if answer is None else answer[2]

    def _send(self, mail: Mail, slot: int | None, kind: str, answer: object) -> tuple[str, object, int]:
        """Answers, or says that the answer found no room; what was said, and its bytes."""
        # Where there is no room for that either the asker learns by its timeout. A refusal is nobody's: the actor may
        # be no more.
        asker, post = f"{mail.sender.partition('/')[0]}/", self._switchboard.core.post
        size = post(slot if kind == "reply" else None, asker, kind, mail.id, answer)
        if size == 0 and kind == "reply":
            kind, answer = "refusal", _NO_ROOM
            size = post(None, asker, kind, mail.id, answer)
        return kind, answer, size


class _Watch(Ask):
    """A watch that the other node has not confirmed."""

    __slots__ = ("_number", "_post", "_slot", "_watched")

    def __init__(self, post: Post, number: int, slot: int, watched: str) -> None:
        self.message = WatchRequest()
        self.settled = None
        self._post = post
        self._number = number
        self._slot = slot
        self._watched = watched

    def refuse(self, why: str) -> None:
        """There is no such actor."""
        self._post.watch_is_settled(self._number, self._slot, self._watched, why)

    def reply_with(self, answer: object) -> None:
        """It is watched."""
        del answer
        self._post.watch_is_settled(self._number, self._slot, self._watched, None)


class RemoteAsk(Ask):
    """A message from another node, whose sender waits there for the answer."""

    __slots__ = ("_mail", "_post", "_slot")

    def __init__(self, message: object, post: Post, mail: Mail, slot: int | None) -> None:
        self.message = message
        self.settled = None
        self._post = post
        self._mail = mail
        self._slot = slot

    def refuse(self, why: str) -> None:
        """Nobody will answer: the asker gets an `AskFailed`."""
        self._post.settle(self._mail, self._slot, "refusal", why)

    def reply_with(self, answer: object) -> None:
        """Send the answer. CodecError, at both ends, for one that cannot leave the process."""
        try:
            self._post.settle(self._mail, self._slot, "reply", answer)
        except CodecError as error:
            self.refuse(f"{type(error).__name__}: {error}")
            raise


class RemoteActorRef(ActorRef):
    """The address of an actor of another node.

    Args:
        name: ``NODE/ACTOR``.
        post: The node's post office.
        sender: The slot of the actor that holds this address, if one does.
    """

    __slots__ = ("_post",)

    def __init__(self, name: str, post: Post, sender: int | None = None) -> None:
        self.name = name
        self._post = post
        self._sender = sender

    def tell(self, message: object) -> bool:
        """Send a message; False when it was refused: the node is not known, or the bridge has no room.

        Raises:
            CodecError: When the message cannot leave the process.
        """
        return self._post.tell(self.name, self._sender, message)

    async def ask(self, message: object, *, timeout: float) -> Any:  # noqa: ANN401, ASYNC109 - the timeout is the actor's clock's
        """Send a message and wait for the answer: see `ActorRef.ask`.

        Raises:
            TimeoutError: When no answer came in time; the message may arrive all the same.
            AskFailed: When the message was refused, the other actor raised, or there is none.
            CodecError: When the message cannot leave the process.
        """
        return await self._post.ask(self.name, self._sender, message, timeout)
