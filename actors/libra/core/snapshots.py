"""Snapshots: what an actor carries over to its next instance, in this process or in the next one.

An actor takes part by setting ``snapshot_interval_s``. Its state is asked for between two of its events, every so many
seconds of the node's clock, and when it has stopped in order; `libra.core.codec` encodes it at once, so what the actor
does to its state later does not show. A fresh instance is given the last one before ``on_start``. Where the node has a
``state_dir``, a run begins with what the last one left there: a live one each of its snapshots, as soon as it is taken
(`libra.core.snapshot_files`), so that a crash costs what came behind it; one in simulated time those of its orderly end
only, since how fast a disk is must decide nothing there. The file names the actor, its class and the version of its
state; what does not fit is not restored, and put aside under another name.

A snapshot never costs an actor its life: one that raises or cannot be encoded is logged and counted, and the one before
stays; one that cannot be restored is logged and counted, and the actor starts without.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from libra.core import codec
from libra.core.blocking import HandlerTimedOut
from libra.core.faults import describe, log_failure
from libra.core.snapshot_files import SnapshotFiles
from libra.errors import CodecError

if TYPE_CHECKING:
    from pathlib import Path

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
        at_once: A snapshot is written when it is taken, not only at the end.
    """

    def __init__(self, folder: Path | None, fatal: Fatal, *, at_once: bool) -> None:
        self._errors = 0
        self._fatal = fatal
        self._files = None if folder is None else SnapshotFiles(folder)
        self._at_once = at_once
        self._last: dict[str, Snapshot] = {}
        self._read: set[str] = set()

    @property
    def errors(self) -> int:
        """What could not be taken, restored, read or written, counted."""
        return self._errors + (0 if self._files is None else self._files.errors)

    def take(self, name: str, actor: Actor, now_ns: int) -> None:
        """Take a snapshot of an actor, if it takes part. One that does not return in time is a failure of its actor."""
        if actor.snapshot_interval_s is None:
            return
        try:
            state = actor.snapshot()
            if state is not None:
                tag, data = codec.encode(state)
                snapshot = Snapshot(_FORMAT, name, _made_by(actor), actor.snapshot_version, now_ns, tag, data)
                self._last[name] = snapshot
                if self._at_once and self._files is not None:
                    self._files.keep(name, snapshot)
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
        self._errors += 1
        self._put_aside(name)
        return None

    def restore(self, snapshot: Snapshot, actor: Actor, now_ns: int) -> bool:
        """Give an instance its snapshot; False when it could not take it, and must not be used."""
        taken = datetime.fromtimestamp(snapshot.taken_ns / 1e9, UTC).isoformat(sep=" ", timespec="milliseconds")
        # A run in simulated time may begin before the one that left this.
        age_s = (now_ns - snapshot.taken_ns) / 1e9
        age = f", {age_s:.1f} s ago" if age_s >= 0 else ""
        _log.info("actor %s goes on with its snapshot of %s%s", snapshot.actor, taken, age)
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

    def save(self, within_s: float) -> None:
        """The end: have written what outlives the process, each file as a whole or not at all.

        Args:
            within_s: How long a disk may take for that.
        """
        if self._files is None:
            return
        for name, snapshot in self._last.items():
            self._files.keep(name, snapshot)
        if left := self._files.close(within_s):
            _log.error(
                "the newest snapshots of %s are in no file: the next run begins with those before, or without",
                ", ".join(left),
            )

    def _load(self, name: str) -> None:
        if self._files is None:
            return
        try:
            snapshot = msgspec.msgpack.decode(self._files.read(name), type=Snapshot)
            if (snapshot.format, snapshot.actor) != (_FORMAT, name):
                raise CodecError(f"it is of format {snapshot.format} and of actor {snapshot.actor}")
        except FileNotFoundError:
            return
        except (OSError, msgspec.MsgspecError, CodecError) as error:
            path = self._files.path(name)
            self._failed(name, f"it starts without its snapshot: {path} cannot be read", error)
            self._put_aside(name)
            return
        self._last[name] = snapshot

    def _put_aside(self, name: str) -> None:
        """A snapshot that was of no use is not written over, nor is one before it: somebody may look at them."""
        self._last.pop(name, None)
        if self._files is not None:
            self._files.put_aside(name)

    def _failed(self, name: str, what: str, error: BaseException) -> None:
        self._errors += 1
        log_failure(_log, "actor %s: %s: %s", name, what, describe(error, self._fatal), error=error, fatal=self._fatal)


def _made_by(actor: Actor) -> str:
    return f"{type(actor).__module__}.{type(actor).__qualname__}"
