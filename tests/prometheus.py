"""A real Prometheus, and `promtool`: of Debian's package, or unpacked below `.build` by `make prometheus`."""

import json
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

import pytest

UNPACKED = Path(__file__).parents[1] / ".build" / "prometheus" / "usr" / "bin"


def program(name: str) -> str:
    """The path of `prometheus` or `promtool`; skips the test where there is none."""
    found = shutil.which(name, path=str(UNPACKED)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: make prometheus unpacks Debian's package where there is apt")
    return found


def promtool(*arguments: str, said: str | None = None) -> None:
    """Runs it, and fails with what it says."""
    command = [program("promtool"), *arguments]
    done = subprocess.run(command, input=said, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


class Prometheus:
    """Scrapes each second while it is entered.

    Args:
        folder: Where its configuration and its data are.
        targets: What it scrapes, HOST:PORT each.
        rules: Files of rules.
    """

    def __init__(self, folder: Path, targets: list[str], rules: list[Path]) -> None:
        self._program = program("prometheus")
        self._folder = folder
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(path) for path in rules],
            "scrape_configs": [{"job_name": "libra", "static_configs": [{"targets": targets}]}],
        }
        # JSON is YAML, too.
        (folder / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._address = f"127.0.0.1:{listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        log = (self._folder / "prometheus.log").open("w", encoding="utf-8")
        with log:
            self._process = subprocess.Popen(
                [
                    self._program,
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address={self._address}",
                ],
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def ask(self, path: str, **arguments: str) -> Any:
        """What its API answers."""
        url = f"http://{self._address}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[Any]:
        """The samples of an expression now."""
        found: list[Any] = self.ask("query", query=expression)["result"]
        return found

    def wait_for(self, expression: str, timeout_s: float = 60.0) -> list[Any]:
        """The samples of an expression, once there are some."""
        until = time.monotonic() + timeout_s
        while True:
            try:
                found = self.query(expression)
            except OSError:
                found = []
            if found:
                return found
            log = (self._folder / "prometheus.log").read_text(encoding="utf-8")
            assert time.monotonic() < until, f"no data: {expression}\n{log[-2000:]}"
            time.sleep(0.2)
