"""The oldest server that is supported, where one is installed: what holds on a Valkey holds on a Redis 7, too."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.chaos.test_latest import ALL, knows, says
from tests.chaos.test_redis import comes_back_empty, forgets_its_functions
from tests.chaos.topology import TwoNodes, wait_until

OLDEST = (7, 0)

FETCHED = Path(__file__).parents[2] / ".build" / "redis" / "redis-server"
"""What `.ci/redis.sh` has brought, where apt is."""


def version_of(said: str) -> tuple[int, int]:
    """Out of what `redis-server --version` says."""
    found = re.search(r"\bv=(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


@pytest.fixture
def redis() -> str:
    """The program that LIBRA_REDIS_SERVER names, the one on the path, or what was fetched for the tests."""
    binary = os.environ.get("LIBRA_REDIS_SERVER") or shutil.which("redis-server") or shutil.which(FETCHED)
    if binary is None:
        pytest.skip("no redis-server on the path, LIBRA_REDIS_SERVER names none, and .ci/redis.sh has brought none")
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    if version_of(said) < OLDEST:
        pytest.skip(f"the redis-server is older than 7.0: {said.strip()}")
    return binary


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1", (7, 0)),
        ("Redis server v=6.2.14 sha=0 malloc=libc bits=64", (6, 2)),
        ("Valkey server v=9.0.1 sha=0 malloc=libc bits=64", (9, 0)),
        ("something else", (0, 0)),
    ],
)
def test_a_version_is_read(said: str, version: tuple[int, int]):
    assert version_of(said) == version


def test_nothing_durable_is_lost_on_the_oldest_server(redis: str):
    with TwoNodes(quotes=True, binary=redis) as two:
        two.start()
        two.publish_more(5_000)
        comes_back_empty(two)
        two.publish_more(2_000)
        forgets_its_functions(two)
        quotes = two.con.status["quotes"]
        two.publish_more(3_000)
        wait_until(lambda: two.con.status["quotes"] > quotes, two.tell)
        counts = two.settle()
        assert sum(counts.values()) >= 10_000
        assert not two.con.told("gap_lost"), two.tell()
        assert not two.pub.told("overflow"), two.tell()


def test_latest_values_are_kept_by_the_oldest_server(redis: str):
    with TwoNodes(per_s=0, binary=redis) as two:
        two.start()
        number = says(two)
        two.con.kill()
        two.con.start()
        wait_until(lambda: knows(two.con, ALL, number), two.tell)
