"""Lives of our process from seeds, each killed at a place of its own: a few here, many with LIBRA_LONG=1.

A failing seed runs alone with ``LIBRA_SEED=7 pytest tests/integration/crash/test_random_lives.py``.
"""

import os
import random

import pytest
from tests.integration.crash.compare import SIGKILL, check
from tests.integration.crash.conftest import WAYS
from tests.integration.crash.test_crash import RECOVERY, STEPS

PLACES = sorted({point for point, _ in STEPS + RECOVERY} - {"confirm.before", "confirm.after"})
LIVES_OF_A_SEED = 6


def seeds():
    if "LIBRA_SEED" in os.environ:
        return [int(os.environ["LIBRA_SEED"])]
    return range(60 if os.environ.get("LIBRA_LONG", "0") != "0" else 3)


@pytest.mark.parametrize("seed", seeds())
def test_lives_that_end_anywhere(make_world, seed):
    rng = random.Random(seed)
    ways = rng.sample(WAYS, k=rng.randint(4, len(WAYS)))
    world = make_world(orders=60, open_at_most=rng.randint(2, 7), ways=ways, seed=seed)
    deaths = []
    for life in range(LIVES_OF_A_SEED):
        # Half of them anywhere, half at a place with a name; where it is not passed as often, the life goes to its end.
        point, nth = "*", 1 + min(int(rng.expovariate(1 / 120)), 300)
        if life > 0 and rng.random() < 0.5:
            point, nth = rng.choice(PLACES), rng.randint(1, 6)
        ended = world.live(point, nth)
        deaths.append((point, nth, ended))
        assert ended in (SIGKILL, 0), (deaths, world.lines())
        if ended == 0:
            break
    assert deaths[0][-1] == SIGKILL, deaths
    if deaths[-1][-1] != 0:
        assert world.live() == 0, (deaths, world.lines())
    check(world)
