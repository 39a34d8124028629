"""Exceptions whose own code is hostile: what is said of them harms nobody but the actor that raised them."""

import logging

import pytest

from libra.core.actor import Actor
from libra.core.faults import describe, log_failure
from libra.core.mail import AskFailed
from libra.core.supervision import RestartPolicy


class OddError(Exception):
    """Raises when it is asked what it says."""

    def __str__(self):
        raise SystemExit("within")

    __repr__ = __str__


class Nameless(type):
    @property
    def __name__(cls):
        raise RuntimeError("no name")


class AnonymousError(Exception, metaclass=Nameless):
    """Its class will not say its name."""


class Sly(str):
    """A text that raises as soon as it is used."""

    __slots__ = ()

    def __format__(self, spec):
        raise RuntimeError("format")

    __getitem__ = __len__ = encode = __str__ = __format__


class SaysError(Exception):
    def __str__(self):
        return Sly("sly")


def test_whatever_is_raised_is_described_in_short():
    assert describe(ValueError("plain")) == "ValueError: plain"
    assert describe(OddError()) == "OddError (without its message: asked for that, it raised SystemExit)"
    assert describe(AnonymousError("x")) == "AnonymousError: x"
    assert describe(SaysError()) == "SaysError: sly"
    assert describe(ValueError("\ud800")) == r"ValueError: \ud800"
    long = describe(ValueError("x" * 1_000_000))
    assert long == f"ValueError: {'x' * 500}... (999500 characters more)"


def test_what_ends_the_run_is_raised_on():
    class StoppedError(Exception):
        def __str__(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        describe(StoppedError(), (KeyboardInterrupt,))


def test_a_log_line_of_an_error_asks_it_nothing_later(caplog):
    log = logging.getLogger("libra.test")
    with pytest.raises(AnonymousError) as raised:
        try:
            raise OddError
        except OddError as cause:
            raise AnonymousError("y" * 100_000) from cause
    assert log_failure(log, "it %s", "failed", error=raised.value).startswith("AnonymousError: yyy")
    [record] = caplog.records
    assert (record.getMessage(), record.levelno, record.name) == ("it failed", logging.ERROR, "libra.test")
    assert "test_hostile_errors.py" in record.exc_text
    assert len(record.exc_text) < 25_000
    assert record.filename == "test_hostile_errors.py"


def test_a_handler_of_log_lines_that_raises_does_not_hide_the_failure(capsys):
    class Bad(logging.Handler):
        def emit(self, record):
            raise SystemExit(3)

    log = logging.getLogger("libra.test.bad")
    log.addHandler(bad := Bad())
    try:
        assert log_failure(log, "it failed", error=ValueError("why")) == "ValueError: why"
    finally:
        log.removeHandler(bad)
    assert "libra: ValueError: why; it could not be logged: SystemExit: 3" in capsys.readouterr().err


def raiser(error, record, *, is_async):
    class Raises(Actor):
        if is_async:

            async def on_quote(self, quote):
                raise error
        else:

            def on_quote(self, quote):
                raise error

    class Fine(Actor):
        def on_start(self):
            self.watch("raises")

        def on_quote(self, quote):
            record.append(int(quote.bid))

        def on_terminated(self, terminated):
            record.append(terminated.detail)

    return Raises, Fine


@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize("error", [OddError(), AnonymousError("x"), SaysError(), ValueError("x" * 10_000)])
def test_its_actor_fails_and_the_others_go_on(stage, error, is_async):
    record = []
    raises, fine = raiser(error, record, is_async=is_async)
    set_up = stage(restarts=RestartPolicy(max_restarts=0))
    set_up.quotes(0, 1, 2)
    set_up.add("raises", raises)
    set_up.add("fine", fine)
    outcome = set_up.run()
    assert (outcome.failed, outcome.errors) == (["raises"], 1)
    assert [row for row in record if isinstance(row, int)] == [100, 101, 102]
    assert describe(error) in record


@pytest.mark.parametrize("is_async", [True, False])
def test_one_that_never_says_what_it_is_has_the_time_of_a_handler(stage, is_async):
    class EndlessError(Exception):
        def __str__(self):
            while True:
                pass

    class Raises(Actor):
        def on_start(self):
            self.ref.tell("go")

        if is_async:

            async def on_message(self, message):
                raise EndlessError
        else:

            def on_message(self, message):
                raise EndlessError

    told = []

    class Watches(Actor):
        def on_start(self):
            self.watch("raises")

        def on_terminated(self, terminated):
            told.append(terminated.detail)
            set_up.node.stop()

    set_up = stage(simulated=False, slow_handler_s=0.02, handler_timeout_s=0.1, restarts=RestartPolicy(max_restarts=0))
    set_up.node.endless = True
    set_up.add("watches", Watches)
    set_up.add("raises", Raises)
    assert set_up.run().failed == ["raises"]
    assert told == ["EndlessError (without its message: asked for that, it raised HandlerTimedOut)"]
    assert set_up.node.blocking.counts["raises"] >= 1


@pytest.mark.parametrize("is_async", [True, False])
def test_whoever_asked_learns_of_it_all_the_same(stage, is_async):
    told = []

    class Answers(Actor):
        if is_async:

            async def on_message(self, message):
                raise OddError
        else:

            def on_message(self, message):
                raise OddError

    class Asks(Actor):
        async def on_quote(self, quote):
            try:
                await self.actor("answers").ask("?", timeout=5)
            except AskFailed as error:
                told.append(str(error))

    set_up = stage()
    set_up.quotes(0, 9)
    set_up.add("asks", Asks)
    set_up.add("answers", Answers)
    assert set_up.run().errors == 2
    assert told == [describe(OddError())] * 2


class NotedError(Exception):
    """Raises when it is asked for its notes, as a traceback does."""

    def __init__(self, why):
        super().__init__("noted")
        self.why = why

    @property
    def __notes__(self):
        raise self.why


def test_an_error_whose_notes_raise_keeps_the_lines_where_it_was_raised(caplog):
    log = logging.getLogger("libra.test.notes")
    with pytest.raises(NotedError) as raised:
        raise NotedError(SystemExit("notes"))
    assert log_failure(log, "it failed", error=raised.value) == "NotedError: noted"
    [record] = caplog.records
    assert "test_hostile_errors.py" in record.exc_text
    assert record.exc_text.endswith("NotedError: noted")


def test_what_ends_the_run_is_raised_on_by_whatever_logs_it():
    class Bad(logging.Handler):
        def emit(self, record):
            raise KeyboardInterrupt

    fatal = (KeyboardInterrupt,)
    log = logging.getLogger("libra.test.fatal")
    with pytest.raises(KeyboardInterrupt):
        log_failure(log, "it failed", error=NotedError(KeyboardInterrupt()), fatal=fatal)
    log.addHandler(bad := Bad())
    try:
        with pytest.raises(KeyboardInterrupt):
            log_failure(log, "it failed", error=ValueError("why"), fatal=fatal)
    finally:
        log.removeHandler(bad)
