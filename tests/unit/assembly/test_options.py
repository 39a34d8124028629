"""What a profile says about its node is what the node does."""

import pytest

from libra.assembly.options import node_options
from libra.config import load
from libra.core.supervision import RestartPolicy


@pytest.mark.parametrize(
    ("term", "option", "value"),
    [
        ("node.max_events_per_s=1234", "publish_limit", 1_234),
        ("node.max_rss_mb=3", "max_rss_bytes", 3 << 20),
        ("node.max_tasks=77", "max_tasks", 77),
        ("node.max_timers=78", "max_timers", 78),
        ("node.handler_timeout_s=1.5", "handler_timeout_s", 1.5),
        ("node.slow_handler_ms=50", "slow_handler_s", 0.05),
        ("node.heartbeat_s=2.5", "heartbeat_s", 2.5),
        ("node.drain_timeout_s=7", "drain_timeout_s", 7.0),
        ("node.seed=9", "seed", 9),
        ("node.duration_s=3", "duration_s", 3.0),
        ("node.supervision.max_restarts=8", "restarts", RestartPolicy(max_restarts=8)),
        ("node.supervision.jitter=0.5", "restarts", RestartPolicy(jitter=0.5)),
    ],
)
def test_each_setting_reaches_the_node(term, option, value):
    key, _, text = term.partition("=")
    name = "LIBRA__" + key.upper().replace(".", "__")
    plain = node_options(load("paper", environ={}))
    options = node_options(load("paper", environ={name: text}))
    assert getattr(options, option) == value
    assert getattr(plain, option) != value
