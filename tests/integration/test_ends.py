"""Objects whose end never returns, of a strategy that failed or that a run ends with: in a turn of its own, which is
watched, whoever held them last; a second strategy trades on, and the run has its summary."""

import pytest
from tests.integration.hostile import run_beside

RAISES = "def on_quote(self, quote):\n    raise ValueError('for good')\n"
NEVER = "\ndef __del__(self):\n    while True:\n        pass\n"
HELD = {
    "by the traceback": RAISES,
    "by a circle": "def on_start(self):\n    self.me = self\n" + RAISES,
    "by a task": "def on_start(self):\n    self.task = asyncio.get_running_loop().create_task(self.wait())\n"
    "async def wait(self):\n    await asyncio.Event().wait()\n" + RAISES,
    "by its coroutine": "async " + RAISES,
    "by nobody else, half made": "def __init__(self, *given):\n    super().__init__(*given)\n    raise KeyError",
}
LIVE = {"clock": "live", "node": "handler_timeout_s = 0.2\n[node.supervision]\nmax_restarts = 1\nbackoff_s = 0.05\n"}


@pytest.fixture
def run(shell):
    return run_beside(shell)


OFTEN = ("by the traceback", "by a task")


@pytest.mark.parametrize("how", [how if how in OFTEN else pytest.param(how, marks=pytest.mark.slow) for how in HELD])
def test_the_end_of_a_failed_instance_that_never_returns_holds_nobody_up(run, how):
    ended, fills = run(HELD[how] + NEVER, "--duration", "3", **LIVE)
    assert ended.summary["failed"] == ["mine"], ended.err
    assert ended.summary["ended"] == "ended"
    assert "actor mine has blocked the loop for" in ended.err
    assert "in Mine.__del__" in ended.err
    assert ended.summary["blocked"]["mine"] >= 1
    assert "no actor's handler runs" not in ended.err
    # It was ended in both of its lives.
    assert ended.err.count("Exception ignored in") == 2
    assert len(fills) >= 6


def test_the_end_of_what_a_failed_handler_had_that_never_returns_holds_nobody_up(run):
    body = (
        "class Odd:\n    def __del__(self):\n        while True:\n            pass\n\n"
        "def on_quote(self, quote):\n    odd = self.Odd()\n    raise ValueError(odd)\n"
    )
    ended, fills = run(body, "--duration", "3", **LIVE)
    assert ended.summary["failed"] == ["mine"], ended.err
    assert "in Mine.Odd.__del__" in ended.err
    assert len(fills) >= 6


@pytest.mark.parametrize("body", ["def on_quote(self, quote):\n    self.stop()\n", "me = None\n"])
def test_a_run_whose_strategy_never_ends_is_over_all_the_same_and_has_its_summary(run, body):
    """An instance that stopped in order lasts to the end of the run; behind that nobody would end the process."""
    ended, fills = run(body + NEVER, "--duration", "2", **LIVE)
    assert (ended.code, ended.summary["failed"]) == (0, []), ended.err
    assert "in Mine.__del__" in ended.err
    assert len(fills) >= 3


def test_an_end_that_cannot_be_ended_is_named_when_the_drains_time_is_over(run):
    body = "me = None\n\ndef __del__(self):\n    while True:\n        try:\n            time.sleep(0.01)\n"
    body += "        except BaseException:\n            pass\n"
    ended, _fills = run(body, "--duration", "1", **LIVE)
    assert ended.code == 1
    assert "the drain ran out of time; mine did not return from its handler at " in ended.err
    assert "in Mine.__del__" in ended.err.rsplit("did not return", 1)[1]


BAD = "\nclass Bad:\n    def __del__(self):\n        while True:\n            pass\n"
PUBLISHES = """
def on_start(self):
    HOW
    self.set_timer("go", 0.5)

def heard(self, event):
    event.payload

def on_timer(self, name):
    self.emit(EventType.BAR, self.Bad())
"""


@pytest.mark.parametrize(
    "how", ["by its own handler", "by another's handler", "by one that raises", "by nobody any more"]
)
def test_the_end_of_what_was_published_that_never_returns_holds_nobody_up(run, shell, how):
    """The node holds it last: behind the last handler, or of an event that nobody handles any more."""
    body = PUBLISHES.replace("HOW", "self.subscription = self.subscribe(EventType.BAR, self.heard)") + BAD
    if how == "by another's handler":
        body = PUBLISHES.replace("HOW", "pass") + BAD
        victim = (shell.folder / "victim.py").read_text(encoding="utf-8")
        hears = "filled = 0\n        self.subscribe(EventType.BAR, lambda event: event.payload)\n"
        imports = "from libra.core.events import EventType\n"
        (shell.folder / "victim.py").write_text(imports + victim.replace("filled = 0\n", hears), encoding="utf-8")
    elif how == "by one that raises":
        body = body.replace("    event.payload\n\ndef on_timer", "    raise ValueError('for good')\n\ndef on_timer")
    elif how == "by nobody any more":
        body += "\ndef on_quote(self, quote):\n    pass\n"
        body = body.replace("self.Bad())\n", "self.Bad())\n    self.unsubscribe(self.subscription)\n")
    ended, fills = run(body, "--duration", "3", **LIVE)
    assert ended.summary["failed"] == ["mine"], ended.err
    assert ended.summary["ended"] == "ended"
    # One that raised is held by the traceback as well, and is let go of with that.
    told = "HandlerTimedOut: the end of something that it has published did not return"
    assert (told in ended.err) == (how != "by one that raises"), ended.err
    assert "actor mine has blocked the loop for" in ended.err
    assert "in Mine.Bad.__del__" in ended.err
    assert set(ended.summary["blocked"]) == {"mine"}
    assert "no actor's handler runs" not in ended.err
    assert len(fills) >= 6
