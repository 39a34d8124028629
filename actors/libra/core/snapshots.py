"""Snapshots: what an actor carries over to its next instance, in this process or in the next one.

An actor takes part by setting ``snapshot_interval_s``. Its state is asked for between two of its events, every so many
seconds of the node's clock, and when it has stopped in order; `libra.core.codec` encodes it at once, so what the actor
does to its state later does not show. A fresh instance is given the last one before ``on_start``. Where the node has a
``state_dir``, a run begins with what the last one left there and leaves its own at its orderly end. The file names the
actor, its class and the version of its state; what does not fit is not restored, and put aside under another name.

A snapshot never costs an actor its life: one that raises or cannot be encoded is logged and counted, and the one before
stays; one that cannot be restored is logged and counted, and the actor starts without.
"""

from __future__ import annotations

import logging
import os
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from libra.core import codec
from libra.core.blocking import HandlerTimedOut
from libra.core.faults import describe, log_failure
from libra.errors import CodecError

if TYPE_CHECKING:
    from libra.core.actor import Actor
    from libra.core.faults import Fatal

__all__ = ["Snapshot", "Snapshots"]

_log = logging.getLogger(__name__)
_FORMAT = 1


class Snapshot(msgspec.Struct, frozen=True):
    """The state of an actor, encoded.

    Attributes:
        format: Of the file that it is kept in.
        actor: The actor's name.
        made_by: Module and name of the actor's class.
        version: The class's ``snapshot_version``.
        taken_ns: When, on the node's clock.
        tag: The codec's tag.
        data: The codec's bytes.
    """

    format: int
    actor: str
    made_by: str
    version: int
    taken_ns: int
    tag: str
    data: bytes


class Snapshots:
    """The last snapshots of a node's actors.

    Args:
        folder: Where they outlive the process; None for nowhere.
        fatal: What ends the run instead of the actor that raised it.

    Attributes:
        errors: What could not be taken, restored, read or written, counted.
    """

    def __init__(self, folder: Path | None, fatal: Fatal) -> None:
        self.errors = 0
        self._fatal = fatal
        self._folder = folder
        self._last: dict[str, Snapshot] = {}
        self._read: set[str] = set()

    def take(self, name: str, actor: Actor, now_ns: int) -> None:
        """Take a snapshot of an actor, if it takes part. One that does not return in time is a failure of its actor."""
        if actor.snapshot_interval_s is None:
            return
        try:
            state = actor.snapshot()
            if state is not None:
                tag, data = codec.encode(state)
                self._last[name] = Snapshot(_FORMAT, name, _made_by(actor), actor.snapshot_version, now_ns, tag, data)
        except self._fatal:
            raise
        except HandlerTimedOut:
            raise
        except BaseException as error:
            self._failed(name, "its snapshot could not be taken", error)

    def find(self, name: str, actor: Actor) -> Snapshot | None:
        """What a fresh instance begins with, if that was made by a class of its name and version."""
        if actor.snapshot_interval_s is None:
            return None
        if name not in self._read:
            self._read.add(name)
            self._load(name)
        snapshot = self._last.get(name)
        if snapshot is None or (snapshot.made_by, snapshot.version) == (_made_by(actor), actor.snapshot_version):
            return snapshot
        _log.warning(
            "actor %s starts without its snapshot: that is of %s, version %d, and the actor is of %s, version %d",
            name,
            snapshot.made_by,
            snapshot.version,
            _made_by(actor),
            actor.snapshot_version,
        )
        self.errors += 1
        self._put_aside(name)
        return None

    def restore(self, snapshot: Snapshot, actor: Actor) -> bool:
        """Give an instance its snapshot; False when it could not take it, and must not be used."""
        try:
            actor.restore(codec.decode(snapshot.tag, snapshot.data))
        except self._fatal:
            raise
        except HandlerTimedOut:
            # The actor's failure; the next instance must not hang in the same state.
            self._put_aside(snapshot.actor)
            raise
        except BaseException as error:
            self._failed(snapshot.actor, "it starts without its snapshot, which could not be restored", error)
            self._put_aside(snapshot.actor)
            return False
        return True

    def save(self) -> None:
        """Write what outlives the process: each file as a whole or not at all."""
        if self._folder is None:
            return
        for name, snapshot in self._last.items():
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                _write(self._path(self._folder, name), msgspec.msgpack.encode(snapshot))
            except OSError as error:
                self._failed(name, "its snapshot could not be written", error)

    def _load(self, name: str) -> None:
        if self._folder is None:
            return
        path = self._path(self._folder, name)
        try:
            snapshot = msgspec.msgpack.decode(path.read_bytes(), type=Snapshot)
            if (snapshot.format, snapshot.actor) != (_FORMAT, name):
                raise CodecError(f"it is of format {snapshot.format} and of actor {snapshot.actor}")
        except FileNotFoundError:
            return
        except (OSError, msgspec.MsgspecError, CodecError) as error:
            self._failed(name, f"it starts without its snapshot: {path} cannot be read", error)
            self._put_aside(name)
            return
        self._last[name] = snapshot

    def _put_aside(self, name: str) -> None:
        """A snapshot that was of no use is not written over, nor is one before it: somebody may look at them."""
        self._last.pop(name, None)
        if self._folder is not None:
            path = self._path(self._folder, name)
            try:
                path.replace(_free_name(path))
            except FileNotFoundError:
                pass
            except OSError as error:
                self._failed(name, f"{path} could not be put aside", error)

    def _failed(self, name: str, what: str, error: BaseException) -> None:
        self.errors += 1
        log_failure(_log, "actor %s: %s: %s", name, what, describe(error, self._fatal), error=error, fatal=self._fatal)

    @staticmethod
    def _path(folder: Path, name: str) -> Path:
        # Two names never share a file, and none leaves the folder.
        return folder / f"{quote(name, safe='')}.snapshot"


def _made_by(actor: Actor) -> str:
    return f"{type(actor).__module__}.{type(actor).__qualname__}"


def _write(path: Path, data: bytes) -> None:
    """Atomic: after a crash the file is the old one or the new one."""
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _free_name(path: Path) -> Path:
    """Where a snapshot is put aside, beside those that were before."""
    names = (f"{path.name}.refused{'' if number == 1 else f'-{number}'}" for number in count(1))
    return next(aside for name in names if not os.path.lexists(aside := path.with_name(name)))
