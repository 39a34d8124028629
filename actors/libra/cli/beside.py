"""A simulated exchange that is started beside a run and ends with it, for profiles whose venue is at port 0."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from libra.errors import ConfigError, LibraError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from libra.config import Settings

__all__ = ["with_exchange"]

_END_WITHIN_S = 10.0


@contextmanager
def with_exchange(settings: Settings) -> Iterator[Settings]:
    """The settings, at an exchange that runs until the end of the block; as they are, where none is wanted.

    Its keys guard nothing, and are taken where the environment has none. It reads the end of this process by its
    standard input, however that comes.

    Raises:
        ConfigError: For a profile of several processes.
        LibraError: When the exchange does not start.
    """
    gateways = [group.gateway for group in settings.account_groups]
    if not any(getattr(place, "is_beside", False) for place in [settings.market, *gateways]):
        yield settings
        return
    if getattr(settings, "nodes", None):
        raise ConfigError("an exchange beside it (redirect with port 0) is for profiles of one process")
    command = [sys.executable, "-m", "libra.cli.main", "exchange-sim", "--json", "--until-eof"]
    command += ["--seed", str(settings.node.seed)]
    # In a session of its own: Ctrl-C is for the run, which still speaks to it while it drains.
    child = subprocess.Popen(  # noqa: S603 - ourselves
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        ready = child.stdout.readline() if child.stdout is not None else ""
        if not ready:
            raise LibraError(f"the simulated exchange did not start (exit code {child.wait()})")
        told = json.loads(ready)
        for gateway in gateways:
            if getattr(gateway, "is_beside", False):
                _lend_keys(gateway)
        with tempfile.TemporaryDirectory(prefix="libra-") as folder:
            yield _at(settings, told["url"], folder)
    finally:
        if child.stdin is not None:
            child.stdin.close()
        try:
            child.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if child.stdout is not None:
            child.stdout.close()


def _lend_keys(gateway: Any) -> None:  # noqa: ANN401 - settings of a CCXT gateway
    for name, value in ((gateway.api_key_env, "sim-key"), (gateway.secret_env, "sim-secret")):
        if not os.environ.get(name) and not os.environ.get(f"{name}_FILE"):
            os.environ[name] = value


def _at(settings: Settings, url: str, folder: str) -> Settings:
    """The settings with its address, and with logs that end with it: what they say nobody would know."""

    def moved(place: Any) -> Any:  # noqa: ANN401 - settings of any kind of venue
        return place.model_copy(update={"redirect": url}) if getattr(place, "is_beside", False) else place

    groups = []
    for group in settings.account_groups:
        update: dict[str, Any] = {"gateway": moved(group.gateway)}
        if update["gateway"] is not group.gateway and group.log.path is None:
            update["log"] = group.log.model_copy(update={"path": str(Path(folder) / f"{group.name}.log")})
            update["journal"] = group.journal.model_copy(update={"enabled": False})
        groups.append(group.model_copy(update=update))
    return settings.model_copy(update={"market": moved(settings.market), "account_groups": tuple(groups)})
