"""Log lines on standard error, for people or for machines."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

_CONSOLE = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to whatever `sys.stderr` is at the moment: a live table puts itself in its place."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _: TextIO) -> None:
        """The stream is not ours to change."""


class _JsonFormatter(logging.Formatter):
    """One JSON object a line; what a call gave as `extra` becomes keys."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({key: value for key, value in record.__dict__.items() if key not in _STANDARD})
        if record.exc_info:
            # A text that stands there already was made where the exception's own code was watched.
            line["exception"] = record.exc_text or self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def configure_logging(level: str, log_format: str) -> None:
    """Sends the log lines of `libra` to standard error.

    Args:
        level: The least urgent level shown: `debug`, `info`, `warning` or `error`.
        log_format: `console` or `json`.
    """
    handler = _StderrHandler()
    handler.setFormatter(_JsonFormatter() if log_format == "json" else logging.Formatter(_CONSOLE, "%H:%M:%S"))
    logger = logging.getLogger("libra")
    logger.handlers = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
