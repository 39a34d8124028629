"""`libra trace` in front of nodes that a test plays: what is asked, what is shown, which code comes back."""

import json
from types import SimpleNamespace

import pytest

from libra.cli import main, nodes
from libra.errors import ControlError

ID = "0af7651916cd43dd8448eb211c80319c"
T0 = 1_723_161_256_000_000_000
ALL = {"notes": 5, "overwritten": 0, "since_ns": T0, "not_exported": 0}
CUT = {"notes": 5, "overwritten": 3, "since_ns": T0, "not_exported": 0}
NONE = {"notes": 0, "overwritten": 0, "since_ns": None, "not_exported": 0}


def note(step="published", *, span="a", parent="", event_type="SIGNAL", at_ms=0.0, took_ms=0.0, actor="", trace=ID):
    at_ns = T0 + int(at_ms * 1e6)
    return {
        "trace_id": trace,
        "span_id": span,
        "parent_span_id": parent,
        "step": step,
        "event_type": event_type,
        "lane": "SIGNALS",
        "source": "mine",
        "instrument": "X/Y@v",
        "actor": actor,
        "sequence": 1,
        "at_ns": at_ns,
        "end_ns": at_ns + int(took_ms * 1e6),
    }


@pytest.fixture
def played(monkeypatch):
    """Plays nodes by their names: each gives rows, or what it says instead."""

    def play(**answers):
        clients = []
        for name, answer in answers.items():

            def ask(op, *, timeout_s, _answer=answer, **arguments):
                if isinstance(_answer, ControlError):
                    raise _answer
                asked.append((op, arguments))
                return _answer

            clients.append(SimpleNamespace(node=SimpleNamespace(name=name, pid=1, profile="p"), ask=ask))
        asked = []
        monkeypatch.setattr(nodes, "running_nodes", lambda: clients)
        return asked

    return play


def knows(*notes, recorded=ALL, more=False):
    return {"notes": list(notes), "recorded": recorded, "more": more}


def test_the_path_is_a_tree_over_nodes_with_times(played, capsys):
    asked = played(
        b=knows(note("received", at_ms=2), note("handled", at_ms=3, took_ms=0.25, actor="risk")),
        a=knows(note(), note("sent", at_ms=1), note("failed", actor="other", at_ms=4)),
        c=knows(note(span="b", parent="a", event_type="ORDER_REQUEST", at_ms=1_500)),
    )
    assert main.main(["trace", "0AF7"]) == 0
    assert asked == [("trace", {"id": "0af7"})] * 3
    assert capsys.readouterr().out.splitlines() == [
        f"trace {ID}  from 23:54:16.000000 UTC",
        "SIGNAL  by mine  X/Y@v",
        "        0.000 ms  a: published",
        "        1.000 ms  a: left for other nodes",
        "        2.000 ms  b: received",
        "        3.000 ms  b: handled by risk, in 0.250 ms",
        "        4.000 ms  a: a handler of other raised",
        "    ORDER_REQUEST  by mine  X/Y@v",
        "             1.500 s  c: published",
    ]


def test_machines_get_the_events_in_their_order(played, capsys):
    played(a=knows(note(), note(span="b", parent="a", at_ms=1), more=True))
    assert main.main(["trace", ID, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["trace_id"], shown["cut"], shown["silent"]) == (ID, True, [])
    assert [(event["span_id"], event["depth"]) for event in shown["events"]] == [("a", 0), ("b", 1)]
    assert shown["events"][0]["happenings"][0]["node"] == "a"


def test_a_trace_that_nobody_remembers_is_told_with_how_far_each_reaches(played, capsys):
    played(a=knows(recorded=CUT), b=knows(), c=knows(recorded=NONE), d=ControlError("SILENT", "d did not answer"))
    assert main.main(["trace", ID]) == 1
    said = capsys.readouterr().err
    assert f"no node remembers a trace {ID}" in said
    assert "a remembers since 23:54:16.000000 UTC; what was before is overwritten" in said
    assert "b remembers everything since its start" in said
    assert "c remembers nothing" in said
    assert "d did not answer" in said


def test_a_trace_whose_beginning_is_overwritten_says_so(played, capsys):
    played(a=knows(note(span="b", parent="a"), recorded=CUT, more=True))
    assert main.main(["trace", ID]) == 0
    said = capsys.readouterr().out
    assert "there is more of it than is shown" in said
    assert "what led to it is not remembered" in said
    assert "a remembers since" in said


def test_digits_that_begin_several_traces_are_refused_with_a_list(played, capsys):
    other = "0af7" + "0" * 28
    played(a=knows(note()), b=knows(note(trace=other)))
    assert main.main(["trace", "0af7"]) == 2
    said = capsys.readouterr().err
    assert "2 traces begin with 0af7" in said
    assert ID in said
    assert other in said


def test_the_latest_orders_of_all_nodes_are_listed_once_each(played, capsys):
    other = "1" * 32
    rows = [note(event_type="ORDER_NEW", at_ms=1), note(trace=other, event_type="ORDER_FILLED", at_ms=3)]
    later = [note(event_type="ORDER_REJECTED", at_ms=5)]
    asked = played(a={"traces": rows, "recorded": ALL}, b={"traces": later, "recorded": ALL})
    assert main.main(["trace", "--last"]) == 0
    assert asked == [("traces", {"last": 10})] * 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[::2] for line in lines] == [
        [ID, "ORDER_REJECTED", "mine", "b"],
        [other, "ORDER_FILLED", "mine", "a"],
    ]
    assert main.main(["trace", "--last", "1", "--json"]) == 0
    assert [row["trace_id"] for row in json.loads(capsys.readouterr().out)["traces"]] == [ID]


def test_an_order_is_listed_by_who_published_what_happened_last(played, capsys):
    filled = note(event_type="ORDER_FILLED", span="f", at_ms=3)
    played(
        trading={"traces": [filled], "recorded": ALL},
        rest={"traces": [{**filled, "step": "received", "at_ns": filled["at_ns"] + 1}], "recorded": ALL},
    )
    assert main.main(["trace", "--last"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert line.endswith("on trading")


def test_a_node_that_is_silent_fails_the_verb_but_hides_nothing(played, capsys):
    played(a=knows(note()), b=ControlError("SILENT", "b did not answer"))
    assert main.main(["trace", ID]) == 1
    said = capsys.readouterr().out
    assert "a: published" in said
    assert "b did not answer" in said


def test_where_no_order_is_known_that_is_said(played, capsys):
    played(a={"traces": [], "recorded": NONE})
    assert main.main(["trace", "--last"]) == 0
    assert "no node remembers an order\na remembers nothing" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [[], [ID, "--last"], ["abc"], ["xyzw"], ["0" * 33], ["--last", "0"], ["--last", "1001"]],
)
def test_what_makes_no_sense_is_usage(played, arguments):
    asked = played(a=knows(note()))
    assert main.main(["trace", *arguments]) == 2
    assert asked == []


def test_without_a_node_the_verb_fails(played, capsys):
    played()
    assert main.main(["trace", ID]) == 1
    assert "no node was found" in capsys.readouterr().err
