"""Whether a loop comes round, on a clock of the test."""

import pytest

from libra.telemetry.pulse import Pulse


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def loop():
    class Handle:
        def cancel(self):
            made.due = None

    class Due:
        due = None

        def call_later(self, delay_s, call, *arguments):
            self.due = (delay_s, call, arguments)
            return Handle()

        def turn(self, clock, late_s=0.0):
            delay_s, call, arguments = self.due
            clock.now += delay_s + late_s
            call(*arguments)

    made = Due()
    return made


def test_a_loop_that_is_held_for_longer_than_it_may_be_is_late(clock, loop):
    pulse = Pulse(5.0, clock)
    pulse.start(loop)
    for _ in range(3):
        loop.turn(clock)
    clock.now += 5.2
    assert not pulse.is_late, "the beat itself has its time"
    clock.now += 0.1
    assert pulse.is_late
    loop.turn(clock)
    assert not pulse.is_late


def test_without_a_limit_it_never_is(clock, loop):
    pulse = Pulse(0.0, clock)
    pulse.start(loop)
    clock.now += 1e6
    assert (pulse.is_late, pulse.age_s) == (False, 1e6)


def test_lateness_is_counted(clock, loop):
    pulse = Pulse(5.0, clock)
    pulse.start(loop)
    for late_s in (0.0, 0.0, 0.03, 20.0):
        loop.turn(clock, late_s)
    lag = pulse.lag()
    assert sum(lag.counts) == 4
    assert lag.counts[0] == 2
    assert lag.counts[-1] == 1
    assert lag.total == pytest.approx(20.03)


def test_it_ends(clock, loop):
    pulse = Pulse(5.0, clock)
    pulse.start(loop)
    pulse.stop()
    pulse.stop()
    assert loop.due is None
