"""What `[telemetry]` makes a node remember and export."""

import sys

import pytest

from libra.assembly import build
from libra.config import load
from libra.core.events import Event, EventType
from libra.errors import ConfigError


def settings(**changes):
    return load("paper", environ={"LIBRA__" + key.upper().replace(".", "__"): value for key, value in changes.items()})


def remembers(**changes):
    node = build(settings(**changes))
    for _ in range(3):
        node.core.publish(Event.create(EventType.SIGNAL, "test"))
    return node.core.recorded()["notes"]


@pytest.mark.parametrize(
    ("changes", "notes"),
    [
        ({}, 3),
        ({"telemetry.recent_events": "2"}, 2),
        ({"telemetry.recent_events": "0"}, 0),
        ({"node.control": "false"}, 0),
        ({"node.control": "false", "telemetry.traces": "console"}, 3),
        ({"node.clock": "simulated", "node.speed": "max"}, 0),
        ({"node.clock": "simulated", "node.speed": "10"}, 3),
    ],
)
def test_a_node_remembers_where_anyone_may_ask(changes, notes):
    assert remembers(**changes) == notes


def test_quotes_are_sampled_where_a_profile_says_so():
    for rate, notes in (("0", 0), ("1", 1)):
        node = build(settings(**{"telemetry.sample": rate}))
        node.core.publish(Event.create(EventType.QUOTE, "test"))
        assert node.core.recorded()["notes"] == notes


def test_only_what_exports_waits_for_an_exporter():
    assert build(settings()).core.take_notes(5) == []
    node = build(settings(**{"telemetry.traces": "otlp", "telemetry.queue": "256"}))
    for _ in range(300):
        node.core.publish(Event.create(EventType.SIGNAL, "test"))
    assert node.core.recorded()["not_exported"] == 44


def test_what_is_not_installed_is_named(monkeypatch):
    for name in ("libra.telemetry.exporter", "libra.telemetry.spans"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    with pytest.raises(ConfigError, match=r'pip install "libra\[otel\]"'):
        build(settings(**{"telemetry.traces": "otlp"}))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("endpoint", "localhost:4318", "http://HOST:PORT"),
        ("endpoint", "http://", "http://HOST:PORT"),
        ("endpoint", "http://me:secret@host", "OTEL_EXPORTER_OTLP_HEADERS"),
        ("sample", "1.5", "1"),
        ("traces", "jaeger", "otlp"),
        ("recent_events", "-1", "0"),
    ],
)
def test_mistakes_are_told_and_no_secret_is(key, value, said):
    with pytest.raises(ConfigError) as caught:
        settings(**{f"telemetry.{key}": value})
    (problem,) = caught.value.problems
    assert f"telemetry.{key}" in problem
    assert said in problem
    assert "secret" not in problem


def test_the_path_of_traces_is_added_to_the_endpoint_once():
    assert settings(**{"telemetry.endpoint": "http://host:4318/"}).telemetry.endpoint == "http://host:4318"
