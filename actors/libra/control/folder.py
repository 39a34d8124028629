"""Where the running nodes of this host are found: a folder of its user's own, with a socket and a run file for each.

The folder is ``$LIBRA_RUN_DIR``, else ``$XDG_RUNTIME_DIR/libra``, else ``/tmp/libra-UID``. It belongs to the user and
to nobody else: a folder that others may write to could hold a socket of theirs. Whoever looks for nodes may have
another environment than they have, a service's for instance: unless ``$LIBRA_RUN_DIR`` says where, all of these are
looked into, and what the kernel knows of further sockets of nodes is told.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import stat
from collections.abc import Container, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from libra.control.process import NodeProcess
from libra.errors import ControlError

__all__ = ["RunFile", "find_nodes", "hidden_nodes", "make_folder", "run_folder", "run_folders"]

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
        accounts: The accounts that trade in it; None where it does not tell.
        run: Nodes of one run have the same one; none for a node that is a run by itself.
    """

    name: str
    pid: int
    started_ns: int
    profile: str
    version: str
    takes_signal: bool
    accounts: tuple[str, ...] | None = None
    run: str = ""

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


def run_folders(environ: Mapping[str, str] | None = None) -> list[Path]:
    """Where nodes of this user may be found, the folder of `run_folder` first; others only where they are there."""
    first, *others = _usual_folders(os.environ if environ is None else environ)
    return [first, *(folder for folder in others if folder != first and _is_fit(folder))]


def _usual_folders(environ: Mapping[str, str]) -> list[Path]:
    first = run_folder(environ)
    if environ.get("LIBRA_RUN_DIR"):
        return [first]
    uid = os.geteuid()
    return [first, Path(f"/run/user/{uid}/libra"), Path(f"/tmp/libra-{uid}")]  # noqa: S108 - checked before it is used


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


def _is_fit(folder: Path) -> bool:
    try:
        _check(folder)
    except (OSError, ControlError):
        return False
    return True


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


_EARLY = re.compile(rb"(?P<folder>/.*)/\.(?P<pid>[1-9][0-9]*)-(?P<life>[0-9a-f]{8})\.s")
"""A node's socket by the name that it was bound under, which the kernel goes on to tell."""


_NAMELESS = "a node"


@dataclass(frozen=True, slots=True)
class HiddenNode:
    """A node that the kernel knows of, and whose files are elsewhere.

    Attributes:
        name: What its files call it, where they can be read.
        pid: Its process.
        folder: Where it listens.
        is_ours: It is one of this user.
        takes_signal: It does something of its own at SIGUSR1, as far as the system tells.
    """

    name: str
    pid: int
    folder: str
    is_ours: bool
    takes_signal: bool = False

    @property
    def was_listed(self) -> bool:
        """Its files are gone from a folder that is looked into: it makes them again, unless it hangs."""
        return self.name == _NAMELESS and Path(self.folder) in _usual_folders(os.environ)


def hidden_nodes(found: Container[int]) -> list[HiddenNode]:
    """Nodes whose sockets the kernel knows of, and which were not found by their files: other users' too.

    Args:
        found: Processes whose nodes were found.

    Returns:
        Each by its process; none where the system does not tell.
    """
    try:
        lines = Path("/proc/net/unix").read_bytes().splitlines()
    except OSError:
        return []
    hidden = {}
    for line in lines:
        match = _EARLY.fullmatch(line.split(maxsplit=7)[-1])
        if match is not None and (pid := int(match["pid"])) not in found and not _is_dead(pid):
            folder = Path(os.fsdecode(match["folder"]))
            name = _name_in(folder, f"-{pid}-{match['life'].decode()}.json")
            hidden[pid] = HiddenNode(name, pid, str(folder), _is_ours(pid), _takes_signal(pid))
    return [hidden[pid] for pid in sorted(hidden)]


def _is_ours(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}").stat().st_uid == os.geteuid()
    except OSError:
        return False


def _takes_signal(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        caught = next(line for line in text.splitlines() if line.startswith("SigCgt:"))
        return bool(int(caught.partition(":")[2], 16) & 1 << (signal.SIGUSR1 - 1))
    except (OSError, ValueError, StopIteration):
        return False


def _name_in(folder: Path, ending: str) -> str:
    try:
        return next((path.name.removesuffix(ending) for path in folder.glob(f"*{ending}")), _NAMELESS)
    except OSError:
        return _NAMELESS


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
        known = {field.name: field.default for field in fields(RunFile)}
        # What an older version does not tell is as if there were none.
        values = {name: data[name] if usual is MISSING else data.get(name, usual) for name, usual in known.items()}
        if values["accounts"] is not None:
            values["accounts"] = tuple(values["accounts"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    kinds = {"name": str, "pid": int, "started_ns": int, "profile": str, "version": str, "takes_signal": bool}
    kinds["run"] = str
    fits = all(type(values[key]) is kind for key, kind in kinds.items())
    return RunFile(**values) if fits and all(type(name) is str for name in values["accounts"] or ()) else None


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
