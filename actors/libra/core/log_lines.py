"""The node's log lines reach whom they reached when its run began, whatever somebody's code does to `logging`.

``logging.config.dictConfig({"version": 1})`` disables every logger that is there, ``logging.disable``, another level or
a handler that is taken away do the same. Loggers of actors (``libra.actor.NAME``) are theirs, but for being disabled:
they may be louder or quieter.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from typing import Any

__all__ = ["LogLines"]

_OURS = "libra"
_ACTORS = "libra.actor."
_STDERR = 2


class LogLines:
    """How the node's loggers, their handlers and stderr were."""

    def __init__(self) -> None:
        manager = logging.root.manager
        self._disabled_to = manager.disable
        self._make_record = logging.getLogRecordFactory()
        self._loggers: list[logging.Logger] = []
        self._known = -1
        self._was: dict[str, tuple[int, bool, bool]] = {}
        ours = logging.getLogger(_OURS)
        self._handlers = {logger: list(logger.handlers) for logger in _line_of(ours)}
        kept = {handler for handlers in self._handlers.values() for handler in handlers}
        self._terms = {handler: (handler.level, list(handler.filters)) for handler in kept}
        self._root_level = logging.root.level
        self._stderr: TextIO | None = sys.stderr
        self._find()

    def look(self) -> list[str]:
        """Put back what is not as it was; gives what that was."""
        found = self._look_at_stderr()
        if logging.root.manager.disable > self._disabled_to:
            logging.disable(self._disabled_to)
            found.append("logging.disable")
        if logging.getLogRecordFactory() is not self._make_record:
            logging.setLogRecordFactory(self._make_record)
            found.append("logging.setLogRecordFactory")
        if self._put_back_handlers():
            found.append("handlers of the node's log lines")
        self._find()
        changed = [logger for logger in self._loggers if self._put_back_logger(logger)]
        if changed:
            found.append(f"the loggers {', '.join(sorted(logger.name for logger in changed)[:3])}")
        return found

    def _find(self) -> None:
        """The loggers of the node: those that are made later begin as they are made."""
        loggers = logging.root.manager.loggerDict
        if len(loggers) == self._known:
            return
        is_first, self._known = self._known < 0, len(loggers)
        self._loggers = [
            logger
            for name, logger in list(loggers.items())
            if isinstance(logger, logging.Logger) and (name == _OURS or name.startswith(f"{_OURS}."))
        ]
        for logger in self._loggers:
            self._was.setdefault(logger.name, (logger.level, logger.propagate, logger.disabled and is_first))

    def _put_back_logger(self, logger: logging.Logger) -> bool:
        level, propagates, disabled = self._was[logger.name]
        is_changed = logger.disabled and not disabled
        logger.disabled = disabled
        if not logger.name.startswith(_ACTORS):
            if logger.level > level:
                logger.setLevel(level)
                is_changed = True
            if logger.propagate is not propagates:
                logger.propagate = propagates
                is_changed = True
        return is_changed

    def _put_back_handlers(self) -> bool:
        """Those of the node's logger, and such of those above it as are missing."""
        differ = False
        for logger, handlers in self._handlers.items():
            if logger.name == _OURS and logger.handlers != handlers:
                logger.handlers = list(handlers)
                differ = True
            for handler in handlers:
                if handler not in logger.handlers:
                    logger.handlers.append(handler)
                    differ = True
        if len(self._handlers) > 1 and logging.root.level > self._root_level:
            logging.root.setLevel(self._root_level)
            differ = True
        for handler, (level, filters) in self._terms.items():
            if handler.level > level or handler.filters != filters:
                handler.setLevel(level)
                handler.filters = list(filters)
                differ = True
        return differ

    def _look_at_stderr(self) -> list[str]:
        now: Any = sys.stderr
        # A live table gives the process's own back when it ends.
        if now is not None and not _is_closed(now) and (now is self._stderr or now is sys.__stderr__):
            return []
        if self._stderr is None or _is_closed(self._stderr):
            self._stderr = _opened()
        sys.stderr = self._stderr
        return [] if now is self._stderr else ["sys.stderr"]


def _line_of(logger: logging.Logger) -> list[logging.Logger]:
    """A logger, and those above it that its lines come to."""
    line = [logger]
    while line[-1].propagate and line[-1].parent is not None:
        line.append(line[-1].parent)
    return line


def _is_closed(stream: Any) -> bool:  # noqa: ANN401 - whatever somebody has put there
    return bool(getattr(stream, "closed", False))


def _opened() -> TextIO | None:
    """The process's stderr anew: closing the object leaves the descriptor open."""
    try:
        return open(_STDERR, "w", buffering=1, errors="backslashreplace", closefd=False)
    except OSError:
        return None
