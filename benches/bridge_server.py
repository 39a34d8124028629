"""A Valkey of a benchmark's own, on a Unix socket, and the processes that talk through it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import valkey

from libra_cluster.server.membership import server_binary

__all__ = ["BENCHES", "Process", "Server"]

BENCHES = Path(__file__).resolve().parent
_START_S = 10.0
_ANSWER_S = 180.0


class Server:
    """It keeps nothing, and ends with the block."""

    def __enter__(self) -> Server:
        # Not where the system keeps long paths: the path of a Unix socket has to be short.
        self._folder = tempfile.mkdtemp(prefix="libra-bench-")
        self.socket = f"{self._folder}/s"
        options = [
            "--port",
            "0",
            "--unixsocket",
            self.socket,
            "--dir",
            self._folder,
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        self._process = subprocess.Popen(
            [server_binary(), *options, "--logfile", f"{self._folder}/log"], stdin=subprocess.DEVNULL
        )
        self.client = valkey.Valkey(unix_socket_path=self.socket)
        until = time.monotonic() + _START_S
        try:
            while not self._answers():
                if time.monotonic() > until:
                    raise RuntimeError(Path(f"{self._folder}/log").read_text(encoding="utf-8"))
                time.sleep(0.01)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except valkey.ConnectionError:
            return False

    def clear(self) -> None:
        """Forgets everything, so that each case finds an empty server."""
        self.client.flushall()

    def cpu_s(self) -> float:
        """What it has used of the processors."""
        info: dict[str, Any] = self.client.info("cpu")
        return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


class Process:
    """A program that prints one JSON object when it is done; one that listens is so after its input has ended."""

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=BENCHES)

    @classmethod
    def python(cls, script: str, *arguments: str, interpreter: str = sys.executable) -> Process:
        """One of the scripts beside this one."""
        return cls(interpreter, script, *arguments)

    def result(self) -> dict[str, Any]:
        """Ends its input, and waits for what it has to say."""
        out, _ = self._process.communicate(timeout=_ANSWER_S)
        return self._read(out)

    def wait(self) -> dict[str, Any]:
        """Waits for what it has to say, without ending its input."""
        if self._process.stdout is None:
            raise AssertionError("asked for")
        out = self._process.stdout.readline()
        self._process.communicate(timeout=_ANSWER_S)
        return self._read(out)

    def _read(self, out: str) -> dict[str, Any]:
        if self._process.returncode:
            raise RuntimeError(f"{self._process.args} ended with {self._process.returncode}")
        found: dict[str, Any] = json.loads(out)
        return found

    def close(self) -> None:
        """Ends it, if it has not."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
