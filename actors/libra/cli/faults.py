"""What a user sees of an error that nobody foresaw: one line, and where the rest was written; and output that fails."""

from __future__ import annotations

import errno
import os
import platform
import stat
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TextIO

from libra.errors import LibraError


def report_fault(error: BaseException) -> None:
    """Says in one line what happened and writes the traceback to a crash log; with LIBRA_DEBUG=1 it is shown."""
    if os.environ.get("LIBRA_DEBUG") == "1":
        traceback.print_exception(error)
        return
    said = " ".join(f"{type(error).__name__}: {error}".split())
    log = _write_crash_log(error)
    where = f"the details are in {log}" if log is not None else "set LIBRA_DEBUG=1 to see the details"
    print(f"libra: an unforeseen fault: {said}; {where}", file=sys.stderr)


def silence_stdout() -> None:
    """Whoever read our output is gone: nothing more goes there, nor does the interpreter try to at exit."""
    void = os.open(os.devnull, os.O_WRONLY)
    os.dup2(void, sys.stdout.fileno())
    os.close(void)


def is_reader_gone(error: OSError, stream: TextIO) -> bool:
    """Whether a write failed since there is nobody to read it: a pipe or socket without a reader, a closed terminal."""
    if isinstance(error, (BrokenPipeError, ConnectionResetError)):
        return True
    try:
        is_terminal = stat.S_ISCHR(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError, AttributeError):
        return False
    return is_terminal and error.errno == errno.EIO


def not_told(error: OSError) -> LibraError:
    """For a run whose summary could not be written, which is the end of what a run writes."""
    return LibraError(f"the summary could not be written: {error.strerror or error}")


def _write_crash_log(error: BaseException) -> Path | None:
    text = f"{' '.join(sys.argv)}\nPython {platform.python_version()}, {platform.platform()}\n\n"
    text += "".join(traceback.format_exception(error))
    name = f"crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    for folder in (Path(".libra"), Path(tempfile.gettempdir())):
        try:
            folder.mkdir(exist_ok=True)
            path = folder / name
            path.write_text(text, encoding="utf-8")
        except OSError:
            continue
        return path
    return None
