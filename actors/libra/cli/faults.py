"""What a user sees of an error that nobody foresaw: one line, and where the rest was written; and a reader who left."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
import traceback
from pathlib import Path


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
