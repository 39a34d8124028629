"""What a host that is gone does to those who talk to it: connections stand, or come about, and are never answered."""

import asyncio
import re
import threading
from dataclasses import dataclass
from pathlib import Path


@dataclass
class _Connection:
    name: str
    is_swallowed: bool


class Swallowing:
    """A way to a server, by a port of its own, that swallows what the connections of some say.

    They are named as a node names them, `libra:ENV:NODE:libra-calls`, or by a part of that. One that was swallowed is
    never answered again.
    """

    def __init__(self) -> None:
        self.to = Path()
        """The server's socket."""
        self._swallowed: set[str] = set()
        self._connections: list[_Connection] = []
        self._loop = asyncio.new_event_loop()
        serving = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = self._loop.run_until_complete(serving)
        self.url = f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def swallow(self, *names: str) -> None:
        """From now on, also what stands."""

        def begin() -> None:
            self._swallowed |= {*names}
            for connection in self._connections:
                connection.is_swallowed |= self._is_swallowed(connection.name)

        self._now(begin)

    def serve(self, *names: str) -> None:
        """Connections that begin from now on."""
        self._now(lambda: self._swallowed.difference_update(names))

    def _now(self, does: object) -> None:
        async def do() -> None:
            assert callable(does)
            does()

        asyncio.run_coroutine_threadsafe(do(), self._loop).result(10)

    def _is_swallowed(self, name: str) -> bool:
        return any(part in name for part in self._swallowed)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(65_536)
        found = re.search(rb"libra:[\w:.-]+", first)
        name = found[0].decode() if found else ""
        connection = _Connection(name, self._is_swallowed(name))
        self._connections.append(connection)
        try:
            if connection.is_swallowed:
                while await reader.read(65_536):
                    pass
                return
            there, back = await asyncio.open_unix_connection(str(self.to))
            back.write(first)
            await asyncio.gather(self._pass(reader, back, connection), self._pass(there, writer, connection))
        except OSError:
            pass
        finally:
            self._connections.remove(connection)
            writer.close()

    @staticmethod
    async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: _Connection) -> None:
        try:
            while data := await reader.read(65_536):
                if not connection.is_swallowed:
                    writer.write(data)
                    await writer.drain()
        finally:
            writer.close()

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
