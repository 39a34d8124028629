"""The node's side of its control socket: takes requests on the node's own loop, one after the other a connection.

What comes in is bounded and may be anything: it is answered by an error and does no harm. A request is carried out
between two events of the node, so a verb sees its accounts as whole as a handler does. Nothing here waits for a client
in the node's time: a slow one is left alone, and closed when it takes too long.

A loop that was held up finds requests whose operators were told long ago that they had failed, and who have gone on to
something else: what is read behind the time that it was good for, or when its client has gone, is not done. Only the
kill switch is: it holds however late.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import select
import socket
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from libra.control.folder import RunFile, find_nodes, make_folder
from libra.control.messages import LASTING, LONGEST_REQUEST, LOOKS, decode_request, encode_error, encode_reply
from libra.control.peer import Peer, peer_of
from libra.control.spare import Spare
from libra.core.tasks import OwnTask
from libra.errors import ControlError, LibraError
from libra_core import PrivateDescriptor

__all__ = ["ControlServer", "Verb"]

Verb = Callable[[Peer, dict[str, Any]], dict[str, Any]]
"""Carries a request out at once; raises LibraError where it cannot."""

_log = logging.getLogger(__name__)

_MOST_CONNECTIONS = 16
_IDLE_S = 30.0
_WRITE_S = 5.0
_FAREWELL_S = 1.0
_LOOK_EVERY_S = 1.0
_ACCEPT_AGAIN_S = 1.0


class ControlServer:
    """Listens for operators.

    Args:
        node: What the node says about itself.
        folder: Where its socket goes.
        verbs: What it can be asked, by name.
        who: Tells who connected.
        may_cancel: Asked whether whoever runs now may end it: a strategy may not make a node deaf.
    """

    def __init__(
        self,
        node: RunFile,
        folder: Path,
        verbs: Mapping[str, Verb],
        who: Callable[[socket.socket], Peer] = peer_of,
        may_cancel: Callable[[], bool] = lambda: True,
    ) -> None:
        self._verbs = verbs
        self._who = who
        self._may_cancel = may_cancel
        self._connections: set[OwnTask[None]] = set()
        self._accepting: OwnTask[None] | None = None
        self._staying: OwnTask[None] | None = None
        self._listener: socket.socket | None = None
        self._private: PrivateDescriptor | None = None
        self._node = node
        self._folder = folder
        self._spare = Spare()
        self._one_has_left = asyncio.Event()

    def open(self) -> None:
        """Listen, be found, and begin to answer on the running loop.

        Raises:
            ControlError: When there is no fit folder.
            OSError: When the socket cannot be made.
        """
        make_folder(self._folder)
        # What killed nodes left behind is gone with that, though nobody looks for nodes.
        find_nodes(self._folder)
        self._begin(*self._bind())
        self._staying = self._own_task(self._stay_found(is_told=False), "libra-control")

    def open_later(self) -> None:
        """Where `open` has failed: be found as soon as it can be done."""
        self._staying = self._own_task(self._stay_found(is_told=True), "libra-control")

    def _begin(self, listener: socket.socket, private: PrivateDescriptor) -> None:
        self._listener, self._private = listener, private
        self._spare.keep()
        self._accepting = self._own_task(self._accept(listener), "libra-control")

    def _bind(self) -> tuple[socket.socket, PrivateDescriptor]:
        path, _ = self._node.paths(self._folder)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # A process that a strategy forks may outlive the node, and must not seem to be it.
        private = PrivateDescriptor(listener.fileno())
        try:
            listener.setblocking(False)  # noqa: FBT003
            # Under its name only once it listens: before, it would be taken for one that a dead process left.
            early, _ = self._node.early_paths(self._folder)
            listener.bind(str(early))
            early.chmod(0o600)
            listener.listen(_MOST_CONNECTIONS)
            early.rename(path)
            self._be_listed()
        except BaseException:
            private.release()
            listener.close()
            raise
        return listener, private

    def _be_listed(self) -> None:
        _, run_path = self._node.paths(self._folder)
        _, early_run = self._node.early_paths(self._folder)
        early_run.write_text(self._node.to_json(), encoding="utf-8")
        early_run.rename(run_path)

    async def _stay_found(self, *, is_told: bool) -> None:
        """Whoever cleans up a folder of temporary files takes no node from its operators for longer than a second."""
        path, run_path = self._node.paths(self._folder)
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if path.exists() and run_path.exists():
                continue
            try:
                make_folder(self._folder)
                if path.exists():
                    self._be_listed()
                else:
                    await self._listen_anew()
            except (ControlError, OSError) as error:
                if not is_told:
                    _log.error("operators do not find this node: its files are gone, and cannot be made: %s", error)
                is_told = True
            else:
                is_told = False
                _log.warning("control socket: operators find this node in %s again", self._folder)

    async def _listen_anew(self) -> None:
        listener, private, accepting = self._listener, self._private, self._accepting
        self._begin(*self._bind())
        if accepting is not None:
            accepting.end()
            await asyncio.gather(accepting, return_exceptions=True)
        if private is not None:
            private.release()
        if listener is not None:
            listener.close()

    async def close(self) -> None:
        """Be found no more, and let go of whoever is connected."""
        # Before its files go: it would make them again.
        if self._staying is not None:
            self._staying.end()
        for path in self._node.paths(self._folder):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        tasks = [*self._connections, *(task for task in (self._accepting, self._staying) if task is not None)]
        for task in tasks:
            task.end()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._private is not None:
            self._private.release()
        if self._listener is not None:
            self._listener.close()
        self._listener = self._private = None
        self._spare.spend()

    def _own_task(self, coro: Coroutine[Any, Any, None], name: str) -> OwnTask[None]:
        return OwnTask(coro, self._may_cancel, loop=asyncio.get_running_loop(), name=name)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as error:
                # Out of descriptors, most likely: trading goes on, and so does this, later.
                let_in = self._spare.let_in(listener)
                if let_in is None:
                    self._spare.keep()
                    if not self._connections:
                        _log.warning("control socket: %s", error)
                    self._one_has_left.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_ACCEPT_AGAIN_S):
                            # A verb has more than one connection: the next has its turn behind the first.
                            await self._one_has_left.wait()
                    continue
                connection = let_in
            connection.setblocking(False)  # noqa: FBT003
            private = PrivateDescriptor(connection.fileno())
            task = self._own_task(self._serve(connection, private), "libra-operator")
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

    async def _serve(self, connection: socket.socket, private: PrivateDescriptor) -> None:
        try:
            await self._hear(connection, private)
        finally:
            # Before anybody else runs, who may wait for this one.
            self._spare.keep()
            self._one_has_left.set()

    async def _hear(self, connection: socket.socket, private: PrivateDescriptor) -> None:
        with connection, private, contextlib.suppress(OSError, TimeoutError):
            if len(self._connections) > _MOST_CONNECTIONS:
                await _turn_away(connection, encode_error("BUSY", "too many connections"))
                return
            peer = self._who(connection)
            if not peer.may_operate:
                _log.warning("control socket: %s was refused", peer)
                await _turn_away(connection, encode_error("FORBIDDEN", f"{peer} may not operate this node"))
                return
            await self._converse(connection, peer)

    async def _converse(self, connection: socket.socket, peer: Peer) -> None:
        loop = asyncio.get_running_loop()
        waiting = b""
        while True:
            line, newline, rest = waiting.partition(b"\n")
            if newline:
                waiting = rest
                await _say(connection, self.answer(peer, line, lambda: _is_there(connection)))
                continue
            if len(waiting) >= LONGEST_REQUEST:
                text = f"a request has at most {LONGEST_REQUEST} bytes"
                await _turn_away(connection, encode_error("TOO_LONG", text))
                return
            async with asyncio.timeout(_IDLE_S):
                more = await loop.sock_recv(connection, LONGEST_REQUEST)
            if not more:
                return
            waiting += more

    def answer(self, peer: Peer, line: bytes, is_there: Callable[[], bool] = lambda: True) -> bytes:
        """Carry one request out, whatever it is, unless nobody waits for it any more; gives the reply."""
        try:
            if len(line) >= LONGEST_REQUEST:
                raise ControlError("TOO_LONG", f"a request has at most {LONGEST_REQUEST} bytes")
            op, arguments, until_ns = decode_request(line)
            verb = self._verbs.get(op)
            if verb is None:
                raise ControlError("UNKNOWN_OP", f"there is no verb {op!r}; there are {', '.join(sorted(self._verbs))}")
            is_late = until_ns is not None and time.monotonic_ns() >= until_ns
            if is_late or (op not in LASTING and not is_there()):
                if op not in LOOKS:
                    _log.warning("control socket: %s by %s came too late, and is not done", op, peer)
                raise ControlError("LATE", "it came too late, and is not done")
            return encode_reply(verb(peer, arguments))
        except ControlError as error:
            return encode_error(error.code, error.text)
        except LibraError as error:
            return encode_error("REFUSED", str(error))
        except Exception as error:
            # A fault of ours must not take the connection, nor the node, with it.
            _log.exception("control socket: a request failed")
            return encode_error("FAULT", f"{type(error).__name__}: {error}")


def _is_there(connection: socket.socket) -> bool:
    """False when the other side has closed; one that only says no more may still listen."""
    poll = select.poll()
    poll.register(connection, 0)
    return not any(happened & (select.POLLHUP | select.POLLERR) for _, happened in poll.poll(0))


async def _say(connection: socket.socket, line: bytes) -> None:
    async with asyncio.timeout(_WRITE_S):
        await asyncio.get_running_loop().sock_sendall(connection, line)


async def _turn_away(connection: socket.socket, line: bytes) -> None:
    """Say the last word and let the other side finish: a socket closed on an unread request takes the word with it."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_FAREWELL_S):
        await loop.sock_sendall(connection, line)
        connection.shutdown(socket.SHUT_WR)
        left = 2 * LONGEST_REQUEST
        while left > 0 and (more := await loop.sock_recv(connection, left)):
            left -= len(more)
