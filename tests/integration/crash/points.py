"""Named places on an order's way at which a life of the process may end: by SIGKILL, its own, at the n-th passage."""

import os
import signal
from collections import Counter


class Points:
    """Which place is deadly, and how often each was passed. Disarmed until `arm`."""

    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        self._deadly = ""
        self._nth = 0

    def arm(self, point: str, nth: int) -> None:
        """Die at the n-th passage of a point; ``*`` counts the passages of all of them."""
        self._deadly, self._nth = point, nth

    def reach(self, point: str) -> None:
        """The process is at this point."""
        self.passed[point] += 1
        # The one that is passed at every idle moment would take all the kills for itself.
        self.passed["*"] += "confirm" not in point
        if self._deadly in (point, "*") and self.passed[self._deadly] == self._nth:
            os.kill(os.getpid(), signal.SIGKILL)


POINTS = Points()
