"""What no supervisor deals with, since it is not an actor's own failure; and what is said of those that it does.

An exception is its author's code: its ``__str__`` may raise, never return or give megabytes. What is said of one goes
through `describe` and `log_failure`, which get along with the first and the last; for the second they are called while
the actor's turn is watched.
"""

from __future__ import annotations

import logging
import sys
import traceback

from libra_core import PanicException

__all__ = ["Fatal", "describe", "fatal_errors", "log_failure", "whose_doing"]

Fatal = tuple[type[BaseException], ...]

_LONGEST = 500
_LONGEST_TRACEBACK = 20_000
_name_of = type.__dict__["__name__"].__get__
"""The name that the interpreter keeps: a metaclass may say something else, or raise."""


def fatal_errors(*, takes_signals: bool) -> Fatal:
    """What ends the run: a panic of the native side, and a Ctrl-C that Python itself delivers.

    Args:
        takes_signals: The node takes SIGINT natively, so that a `KeyboardInterrupt` can only be somebody's own doing.
    """
    return (PanicException,) if takes_signals else (PanicException, KeyboardInterrupt)


def whose_doing(actor: str | None) -> str:
    """Who has done something, in the log's words; None where nobody can tell."""
    return "somebody's code" if actor is None else f"actor {actor}"


def describe(error: BaseException, fatal: Fatal = (PanicException,)) -> str:
    """Type and message of an exception in at most some hundred characters, whatever its author's code does.

    Args:
        error: It.
        fatal: What is raised on, should it come meanwhile.
    """
    name = _clipped(_name_of(type(error)), _LONGEST)
    try:
        return f"{name}: {_clipped(str(error), _LONGEST)}"
    except fatal:
        raise
    except BaseException as why:
        return f"{name} (without its message: asked for that, it raised {_clipped(_name_of(type(why)), _LONGEST)})"


def log_failure(
    log: logging.Logger, text: str, *args: object, error: BaseException, fatal: Fatal = (PanicException,)
) -> str:
    """Log an error with its traceback; gives its `describe`.

    Args:
        log: Where.
        text: What happened, as for `logging`.
        args: What stands in the text.
        error: What was raised.
        fatal: As for `describe`.
    """
    described = describe(error, fatal)
    try:
        if log.isEnabledFor(logging.ERROR):
            file, line, function, _ = log.findCaller(stacklevel=2)
            info = (type(error), error, error.__traceback__)
            record = log.makeRecord(log.name, logging.ERROR, file, line, text, args, info, function)
            # A formatter takes this as it is and asks the exception nothing.
            record.exc_text = _traceback(error, described, fatal)
            log.handle(record)
    except fatal:
        raise
    except BaseException as why:
        # Somebody's handler of log lines; the failure itself has to be dealt with all the same.
        sys.stderr.write(f"libra: {described}; it could not be logged: {describe(why, fatal)}\n")
    return described


def _traceback(error: BaseException, described: str, fatal: Fatal) -> str:
    try:
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip("\n")
    except fatal:
        raise
    except BaseException:
        # Of itself it says nothing more, but the lines where it was raised are the interpreter's.
        text = "".join(traceback.format_tb(error.__traceback__)) + described
    return _clipped(text, _LONGEST_TRACEBACK)


def _clipped(text: str, longest: int) -> str:
    """A plain text of at most so many characters that any file and any frame can hold."""
    short = str.__getitem__(text, slice(0, longest))
    short = short.encode("utf-8", "backslashreplace").decode("utf-8")
    left = str.__len__(text) - longest
    return short if left <= 0 else f"{short}... ({left} characters more)"
