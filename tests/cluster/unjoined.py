"""`libra` with topologies whose nodes are not joined: processes and their supervision alone, without a bridge."""

import os
import sys
from functools import partial

import libra_cluster.supervision.supervisor as supervision
from libra.cli.main import main

if __name__ == "__main__":
    supervision._GRACE_S = float(os.environ.get("LIBRA_TEST_GRACE_S", supervision._GRACE_S))
    supervision.Supervisor = partial(supervision.Supervisor, joined=False)
    if "LIBRA_TEST_HELD_UP" in os.environ:
        # Until its other end is closed.
        held_up = int(os.environ["LIBRA_TEST_HELD_UP"])
        supervision._Pace.__call__ = lambda *_: os.read(held_up, 1)
    sys.exit(main())
