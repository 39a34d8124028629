"""Where the running nodes of this host are found: a folder of its user's own, with a socket and a run file for each.

The folder is ``$LIBRA_RUN_DIR``, else ``$XDG_RUNTIME_DIR/libra``, else ``/tmp/libra-UID``. It belongs to the user and
to nobody else: a folder that others may write to could hold a socket of theirs.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from libra.control.process import NodeProcess
from libra.errors import ControlError

__all__ = ["RunFile", "find_nodes", "make_folder", "run_folder"]

_LONGEST_SOCKET_PATH = 103
"""Bytes that a socket's path may have on every system, its end apart."""


@dataclass(frozen=True, slots=True)
class RunFile:
    """What a node says about itself beside its socket.

    Attributes:
        name: The node's name.
        pid: Its process.
        started_ns: When it started, nanoseconds since the epoch.
        profile: The profile that it runs.
        version: The version of Libra.
        takes_signal: True when SIGUSR1 is its kill switch; otherwise that signal would end it.
    """

    name: str
    pid: int
    started_ns: int
    profile: str
    version: str
    takes_signal: bool

    def paths(self, folder: Path) -> tuple[Path, Path]:
        """Its socket and its run file.

        Raises:
            ControlError: When the socket's path would be too long.
        """
        stem = folder / f"{self.name}-{self.pid}-{self._life}"
        path = stem.with_name(stem.name + ".sock")
        if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
            raise ControlError("FOLDER", f"{path} is too long for a socket; set LIBRA_RUN_DIR to a shorter folder")
        return path, stem.with_name(stem.name + ".json")

    def early_paths(self, folder: Path) -> tuple[Path, Path]:
        """Both, before it is to be found."""
        stem = folder / f".{self.pid}-{self._life}"
        return stem.with_name(stem.name + ".s"), stem.with_name(stem.name + ".r")

    @property
    def _life(self) -> str:
        # No later process has these names, whatever its pid: so what does not listen any more never will again, and
        # whoever finds it may remove it without asking.
        return f"{self.started_ns // 1_000_000 & 0xFFFFFFFF:08x}"

    def to_json(self) -> str:
        """Its text in the run file."""
        return json.dumps(asdict(self))


def run_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Where nodes of this user are found, whether or not it exists."""
    given = os.environ if environ is None else environ
    if folder := given.get("LIBRA_RUN_DIR"):
        return Path(folder)
    if folder := given.get("XDG_RUNTIME_DIR"):
        return Path(folder) / "libra"
    return Path(f"/tmp/libra-{os.geteuid()}")  # noqa: S108 - made for this user alone, and checked


def make_folder(folder: Path) -> None:
    """Make the folder, or see that it is fit.

    Raises:
        ControlError: When it belongs to somebody else, or others may look in.
    """
    with contextlib.suppress(FileExistsError):
        try:
            folder.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            raise
        except OSError as error:
            raise ControlError("FOLDER", f"the folder for control sockets cannot be made: {error}") from None
    _check(folder)


def _check(folder: Path) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise ControlError("FOLDER", f"{folder} is no folder; control sockets live there")
    if found.st_uid != os.geteuid():
        raise ControlError(
            "FOLDER", f"{folder} belongs to uid {found.st_uid}; set LIBRA_RUN_DIR to a folder of your own"
        )
    if found.st_mode & 0o077:
        raise ControlError("FOLDER", f"others may use {folder}: chmod 700 it, or set LIBRA_RUN_DIR to another folder")


def find_nodes(folder: Path) -> list[RunFile]:
    """The nodes that run, oldest first. What dead processes left behind is removed.

    Raises:
        ControlError: When the folder is not fit.
    """
    if not folder.exists():
        return []
    _check(folder)
    nodes = []
    for path in folder.glob("*.json"):
        node = _read(path)
        if node is None:
            continue
        socket_path, run_path = node.paths(folder)
        if run_path != path:
            continue
        if _listens(socket_path):
            nodes.append(node)
        else:
            for left in (socket_path, run_path):
                left.unlink(missing_ok=True)
    _remove_halves(folder)
    return sorted(nodes, key=lambda node: (node.started_ns, node.pid))


_HALF = re.compile(r"(?:[a-z].*-|\.)(?P<pid>[1-9][0-9]*)-[0-9a-f]{8}\.(?:sock|s|r)")
"""What a node makes before its run file is there."""


def _remove_halves(folder: Path) -> None:
    """Remove what processes left that died before they could be found."""
    for path in list(folder.iterdir()):
        half = _HALF.fullmatch(path.name)
        if half is None or path.with_suffix(".json").exists():
            continue
        if _is_dead(int(half["pid"])):
            path.unlink(missing_ok=True)


def _is_dead(pid: int) -> bool:
    try:
        with NodeProcess(pid) as process:
            return process.has_ended(0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        # It cannot be asked about, and what is left of it is small.
        return False


def _read(path: Path) -> RunFile | None:
    """A run file; None for what is none, which is nobody's business here."""
    try:
        data: Any = json.loads(path.read_bytes())
        values = {field.name: data[field.name] for field in fields(RunFile)}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    kinds = {"name": str, "pid": int, "started_ns": int, "profile": str, "version": str, "takes_signal": bool}
    return RunFile(**values) if all(type(values[key]) is kind for key, kind in kinds.items()) else None


def _listens(path: Path) -> bool:
    """True while some process listens: a node's loop may hang, its socket still takes the connection."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # noqa: FBT003
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True
