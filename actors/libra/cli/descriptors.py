"""Standard input, output and error where a process was started without one (`libra run >&-`): as with `/dev/null`.

Whatever is opened next would get its number: a log of orders that of standard error, and what is said there natively
would stand in it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["open_missing"]


def open_missing() -> None:
    """Before anything else is opened, give each that is not there."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest that is free, which is this one. Who is started by us has it too.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - its name says what it is
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - to the end of the process
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
