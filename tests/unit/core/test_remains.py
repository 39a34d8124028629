"""What an actor has left, let go of in a turn of its own."""

import pytest

from libra.core.remains import Remains


class Raises:
    """A core in whose turn this is raised."""

    def __init__(self, error):
        self.error = error

    def turn(self, *_given):
        raise self.error


class FatalError(Exception):
    """What ends the run."""


def test_an_end_that_is_cut_short_is_told_and_is_nobody_elses_failure(caplog):
    remains = Remains(Raises(KeyboardInterrupt()), (FatalError,))
    remains.keep(3, object())
    remains.let_go()
    assert "what an actor has left could not be let go of in time" in caplog.text
    caplog.clear()
    remains.let_go()
    assert caplog.records == [], "it is let go of once"


def test_what_ends_the_run_ends_it_there_too():
    remains = Remains(Raises(FatalError()), (FatalError,))
    remains.keep(3, object())
    with pytest.raises(FatalError):
        remains.let_go()
