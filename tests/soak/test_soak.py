"""A short soak of each load in every run of the tests; ``make soak`` does it at length."""

import pytest
from tests.soak.flat import rises
from tests.soak.watch import soak

HOURS = {"bus": 0.08, "simulated": 0.02, "live": 0.01}
LIVE_TIMES = 4.0
"""What a machine that is busy with other things keeps up with, too."""


@pytest.mark.usefixtures("uncounted")
@pytest.mark.parametrize("load", HOURS)
def test_what_a_load_takes_is_flat(load):
    soaked = soak(load, HOURS[load], live_times=LIVE_TIMES)
    assert [rise for rise in rises(soaked.samples) if not rise.is_flat] == []
    if load == "bus":
        assert soaked.done["published"] == soaked.done["dispatched"] > 200_000
        assert soaked.done["errors"] > 20_000, "handlers that fail are part of the load"
        return
    summary = soaked.done
    assert (summary["ended"], summary["failed"], summary["stopped"]) == ("ended", [], {})
    assert {"FILLED", "CANCELLED"} <= summary["orders"].keys(), "orders were filled, and orders were cancelled"
    # How much a live node gets done in its few seconds is the machine's.
    failures, timers, events = (30, 1_000, 50_000) if load == "simulated" else (1, 20, 1_000)
    assert summary["dead_letters"]["RAISED"] >= failures, "actors failed and were made anew"
    assert summary["events"]["TIMER"] >= timers
    assert soaked.samples[-1].events >= events
