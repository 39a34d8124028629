"""What belongs to the whole process, changed by one strategy: put back and told; a second strategy trades on."""

import pytest
from tests.integration.hostile import run_beside

CHANGES = """
snapshot_interval_s = 0.05

def snapshot(self):
    return b"state"

def on_start(self):
    import logging, os, signal, sys
    self.quotes = 0
    if os.path.exists("elsewhere"):
        return
    loop = asyncio.get_running_loop()
    loop.set_task_factory(None)
    loop.set_exception_handler(lambda *_: sys.exit(3))
    sys.setswitchinterval(1000)
    sys.setrecursionlimit(60)
    signal.signal(signal.SIGALRM, self.ring)
    signal.setitimer(signal.ITIMER_REAL, 0.5, 0.01)
    os.umask(0o777)
    os.mkdir("elsewhere")
    os.chmod("elsewhere", 0o700)
    os.chdir("elsewhere")
    logging.disable(logging.CRITICAL)
    logging.getLogger("libra").handlers.clear()
    logging.getLogger("libra.core.lifecycle").disabled = True
    sys.stderr.close()

def ring(self, *_):
    raise TimeoutError("in anybody's code")

def on_quote(self, quote):
    self.quotes += 1
    if self.quotes == 10:
        asyncio.get_running_loop().create_task(self.never())
    if self.quotes == 20:
        raise ValueError("for good")

async def never(self):
    while True:
        pass
"""

PUT_BACK = (
    "sys.setswitchinterval",
    "sys.setrecursionlimit",
    "signal.setitimer(ITIMER_REAL)",
    "os.umask",
    "os.chdir",
    "logging.disable",
    "handlers of the node's log lines",
    "the loggers libra.core.lifecycle",
    "sys.stderr",
)


@pytest.fixture
def run(shell):
    return run_beside(shell)


def test_what_belongs_to_the_process_is_put_back_and_told_and_the_other_trades_on(run, shell):
    node = 'state_dir = "state"\nhandler_timeout_s = 0.3\nslow_handler_ms = 50\n'
    node += "[node.supervision]\nmax_restarts = 1\nbackoff_s = 0.05\n"
    ended, fills = run(CHANGES, "--duration", "4", clock="live", node=node)
    # Its first life ended by the task that never returns, its second by what it raises.
    assert (ended.summary["failed"], ended.summary["errors"]) == (["mine"], 2), ended.err
    assert ended.summary["blocked"]["mine"] >= 1
    for setter in ("set_task_factory", "set_exception_handler"):
        assert ended.err.count(f"actor mine calls {setter} of the node's loop: it does nothing") == 1
    for what in PUT_BACK:
        assert ended.err.count(f"actor mine changed what belongs to the whole process: {what}; ") == 1, what
    assert "actor mine raised while running" in ended.err
    assert "outside any handler" not in ended.err
    assert len(fills) >= 8
    assert (shell.folder / "state" / "mine.snapshot").stat().st_mode & 0o600 == 0o600
    assert list((shell.folder / "elsewhere").iterdir()) == []


def test_a_timers_signal_that_nobody_takes_does_not_end_the_process(run):
    """Set in a handler, so that it is only known that somebody did it."""
    body = (
        "rings = False\n\ndef on_quote(self, quote):\n    import signal\n    if not self.rings:\n"
        "        self.rings = True\n        signal.setitimer(signal.ITIMER_REAL, 1.0)\n"
    )
    ended, fills = run(body, "--duration", "2.5", clock="live")
    assert (ended.code, ended.summary["failed"]) == (0, []), ended.err
    told = "somebody's code changed what belongs to the whole process: signal.setitimer(ITIMER_REAL)"
    assert ended.err.count(told) == 1
    assert len(fills) >= 6


SILENCED = {
    "dictConfig": "import logging.config; logging.config.dictConfig({'version': 1})",
    "basicConfig": "import logging; logging.basicConfig(level=logging.CRITICAL, force=True)",
    "disable": "import logging; logging.disable(logging.CRITICAL)",
    "no handlers": "import logging; logging.getLogger().handlers.clear(); logging.getLogger('libra').handlers.clear()",
    "shutdown": "import logging; logging.shutdown()",
    "level": "import logging; logging.getLogger('libra').setLevel(logging.CRITICAL)",
    "level of a part": "import logging; logging.getLogger('libra.core.lifecycle').setLevel(logging.CRITICAL)",
    "level of a handler": "import logging; logging.getLogger('libra').handlers[0].setLevel(logging.CRITICAL)",
    "filter": "import logging; logging.getLogger('libra').handlers[0].addFilter(lambda record: 1 / 0)",
    "not passed on": "import logging; logging.getLogger('libra.core.lifecycle').propagate = False",
    "a handler that raises": "import logging; logging.getLogger('libra').handlers = [object()]",
    "records": "import logging; logging.setLogRecordFactory(lambda *_, **__: 1 / 0)",
    "stderr elsewhere": "import sys; sys.stderr = open('/dev/null', 'w')",
    "no stderr": "import sys; sys.stderr = None",
    "stderr closed": "import sys; sys.stderr.close()",
}


OFTEN = ("dictConfig", "disable", "no handlers", "filter", "stderr closed")


@pytest.mark.parametrize(
    "how", [how if how in OFTEN else pytest.param(how, marks=pytest.mark.slow) for how in SILENCED]
)
def test_what_the_node_says_of_a_failure_is_heard_whatever_its_strategy_did_to_the_log(run, how):
    body = f"def on_quote(self, quote):\n    {SILENCED[how]}\n    raise ValueError('for good')"
    node = "[node.supervision]\nmax_restarts = 0\n"
    ended, fills = run(body, "--speed", "max", "--duration", "3", node=node)
    assert ended.summary["failed"] == ["mine"], ended.err
    # By the node's own handler, and not by the one that Python has for those that have none.
    assert "ERROR   libra.core.lifecycle: actor mine raised while handling QUOTE" in ended.err
    assert "ERROR   libra.core.recoveries: given up: actor mine" in ended.err
    # These two change nothing for the node.
    silent = how in ("basicConfig", "shutdown")
    assert ("actor mine changed what belongs to the whole process" in ended.err) != silent
    assert len(fills) > 5
