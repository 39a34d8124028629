"""The operator's verbs in front of a node that a test plays: what is asked, what is shown, which code comes back."""

import io
import itertools
import json
from types import SimpleNamespace

import pytest

from libra.cli import kill_switch, main, nodes, resume, status
from libra.control.folder import HiddenNode
from libra.errors import ControlError

STANDING = {
    "killed": None,
    "unattended": None,
    "stopped": None,
    "incident": None,
    "open_orders": 0,
    "cancelling": 0,
    "limits_version": 1,
    "latch": "a1",
    "positions": [],
}
KILLED = {**STANDING, "name": "paper", "killed": "ops", "stopped": ["KILL_SWITCH", "ops"]}
TRADING = {**STANDING, "name": "paper"}


ANSWER = {
    "name": "n", "pid": 1, "profile": "", "uptime_s": 1.0, "errors": 0, "accounts": [], "strategies": [],
    "waiting_s": {}, "vanished": [],
}  # fmt: skip
PIDS = itertools.count(4_242)


class Client:
    """A node that answers each verb with what a test has set."""

    def __init__(self, **answers):
        self.node = SimpleNamespace(name="n", pid=next(PIDS), profile="p", takes_signal=True, accounts=None, run="")
        self.answers = answers
        self.asked = []
        self.pulled = 0

    def ask(self, op, **arguments):
        self.asked.append((op, {key: value for key, value in arguments.items() if value is not None}))
        answer = self.answers[op]
        if isinstance(answer, ControlError):
            raise answer
        return answer

    def pull_switch(self):
        self.pulled += 1


@pytest.fixture
def node(monkeypatch):
    def play(**answers):
        client = Client(**answers)
        monkeypatch.setattr(nodes, "running_nodes", lambda: [client])
        return client

    return play


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ({"stopped": ["UNATTENDED", "it failed"]}, "UNATTENDED (it failed)  0 open orders"),
        ({"killed": "ops", "stopped": ["KILL_SWITCH", "ops"]}, "UNATTENDED (it failed)  KILLED (ops)"),
    ],
)
def test_an_account_that_nobody_looks_after_is_named(row, shown):
    (line,) = status.account_lines({**TRADING, "unattended": "it failed", **row})
    assert shown in line


def silent():
    return ControlError("SILENT", "it did not answer")


def test_limits_are_set_as_typed(node, capsys):
    limits = {"limits": {"paper": {"a": None}}, "versions": {"paper": 3}}
    change = {"account": "paper", "who": "uid 0", "time_ns": 1_723_161_256_000_000_000, "version": 4}
    changed = [{"key": "max_order_size", "old": None, "new": "2"}, {"key": "max_open_orders", "old": "5", "new": None}]
    client = node(set_limits={"account": "paper", "change": {**change, "changes": changed}}, limits=limits)
    assert main.main(["limits", "set", "max_order_size=2", "--account", "paper", "--confirm"]) == 0
    asked = {"account": "paper", "changes": {"max_order_size": "2"}, "confirmed": True, "version": 3}
    assert client.asked == [("limits", {"account": "paper"}), ("set_limits", asked)], "of those that hold now"
    client.asked.clear()
    assert main.main(["limits", "set", "max_order_size=2", "--account", "paper", "--confirm", "--version", "2"]) == 0
    assert client.asked == [("set_limits", {**asked, "version": 2})]
    assert main.main(["limits", "set", "max_order_size=2", "--version", "2"]) == 2
    assert main.main(["limits", "show", "--version", "2"]) == 2
    capsys.readouterr()
    assert main.main(["limits", "set", "max_order_size=2"]) == 0
    told = "paper  version 4, set by uid 0 at 2024-08-08 23:54:16 UTC\n  max_order_size = 2  (was no limit)\n"
    assert capsys.readouterr().out == told + "  max_open_orders = no limit  (was 5)\n"
    assert client.asked[-1][1]["confirmed"] is False, "loosening is never assumed"
    capsys.readouterr()
    assert main.main(["limits", "show"]) == 0
    assert capsys.readouterr().out == "paper  version 3\n  a = -\n"
    assert main.main(["limits"]) == 0, "a look, where no verb is given"
    assert (client.asked[-1][0], capsys.readouterr().out) == ("limits", "paper  version 3\n  a = -\n")
    assert main.main(["limits", "--json", "--account", "paper"]) == 0
    capsys.readouterr()
    assert main.main(["limits", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == limits


def test_limits_that_have_their_values_already_are_said_to(node, capsys):
    change = {"account": "paper", "who": "uid 0", "time_ns": 0, "version": 3, "changes": []}
    node(set_limits={"account": "paper", "change": change})
    assert main.main(["limits", "set", "max_order_size=2"]) == 0
    assert capsys.readouterr().out == "paper  version 3: every limit has its value already\n"


@pytest.mark.parametrize(
    "words", [["set"], ["set", "a"], ["set", "a="], ["set", "=1"], ["set", "a=1", "a=2"], ["show", "a=1"], ["x"]]
)
def test_limits_that_are_none(node, words):
    assert main.main(["limits", *words]) == 2


def test_a_refusal_is_said_and_fails(node, capsys):
    node(set_limits=ControlError("NOT_CONFIRMED", "that loosens a limit: --confirm"))
    assert main.main(["limits", "set", "a=1"]) == 1
    assert capsys.readouterr().err == "libra: that loosens a limit: --confirm\n"


def test_a_resume_is_asked_for_on_a_terminal(node, monkeypatch, capsys):
    client = node(status={"accounts": [KILLED]}, resume={"accounts": [TRADING]})
    for answer, code, calls in (("no\n", 1, 0), ("yes\n", 0, 1)):
        terminal = io.StringIO(answer)
        terminal.isatty = lambda: True
        monkeypatch.setattr("sys.stdin", terminal)
        assert resume.main([]) == 0 if code == 0 else main.main(["resume"]) == code
        resumes = [given for op, given in client.asked if op == "resume"]
        assert resumes == [{"latches": {"paper": "a1"}}] * calls, "what was looked at is named"
    shown = capsys.readouterr()
    assert "KILLED (ops)" in shown.err
    assert "trading" in shown.out
    assert main.main(["resume", "--yes", "--account", "other"]) == 1
    assert main.main(["resume", "--yes", "--json"]) == 0


def test_what_still_stops_an_account_fails_a_resume(node):
    node(status={"accounts": [KILLED]}, resume={"accounts": [{**TRADING, "stopped": ["DAILY_LOSS", "5 of 3"]}]})
    assert main.main(["resume", "--yes"]) == 1


def test_one_account_of_a_node_that_hangs_takes_all_of_them(node, capsys):
    client = node(kill=silent())
    assert kill_switch.main(["--account", "paper"]) == 1
    assert client.pulled == 1
    said = capsys.readouterr().out
    assert "NOT CONFIRMED" in said
    assert "no new order of any of its accounts leaves" in said


def test_the_signal_goes_before_the_question(node, monkeypatch):
    client = node(kill={"accounts": [KILLED]})
    order = []
    monkeypatch.setattr(client, "pull_switch", lambda: order.append("signal"))
    ask = client.ask
    monkeypatch.setattr(client, "ask", lambda op, **more: order.append(op) or ask(op, **more))
    assert kill_switch.main([]) == 0
    assert order == ["signal", "kill"]


def test_a_node_that_cannot_be_reached_at_all_is_said(node, monkeypatch, capsys):
    client = node(kill=silent())

    def gone():
        raise ControlError("GONE", "it is gone")

    monkeypatch.setattr(client, "pull_switch", gone)
    assert kill_switch.main(["--json"]) == 1
    [row] = json.loads(capsys.readouterr().out)["nodes"]
    assert row["signalled"] is False
    assert "could not be signalled: it is gone" in row["error"]


def test_orders_that_stay_open_are_not_called_done(node, monkeypatch, capsys):
    monkeypatch.setattr(kill_switch, "_CANCELS_S", 0.0)
    node(kill={"accounts": [{**KILLED, "open_orders": 2, "cancelling": 2}]})
    assert kill_switch.main([]) == 1
    said = capsys.readouterr().out
    assert "some orders are still open" in said
    assert "2 open orders, 2 being cancelled" in said


def test_a_status_of_a_node_that_is_silent(node, capsys):
    node(status=silent())
    assert status.main([]) == 1
    assert "it did not answer" in capsys.readouterr().out


def test_what_a_status_shows():
    row = {
        "name": "n", "pid": 1, "profile": "", "uptime_s": 3_725.5, "errors": 2,
        "accounts": [
            {**TRADING, "positions": [{"instrument": "BTC", "size": "1", "unrealised": "-2"}]},
            {**TRADING, "name": "b", "stopped": ["RECONCILING", ""]},
        ],
        "strategies": [{"name": "s", "state": "running", "account": "paper"}],
        "waiting_s": {"paper.risk": {}, "s": {"ORDERS": 0.04, "MARKET_DATA": 12.51}},
        "vanished": [{"strategy": "h", "account": "b", "on_vanish": "cancel", "can_resume": True, "flattening": []},
                     {"strategy": "g", "account": "paper", "on_vanish": "flatten", "can_resume": False, "flattening": [
            {"instrument": "BTC", "state": "given up", "code": "C", "detail": "d"},
        ]}],
    }  # fmt: skip
    assert status.describe(row).splitlines() == [
        "n  pid 1  profile -  up 1:02:05  2 errors",
        "  account paper  trading  0 open orders  limits version 1",
        "    BTC  1  unrealised -2.00",
        "  account b  stopped: RECONCILING  0 open orders  limits version 1",
        "  strategy s  running  on paper",
        "  s has waiting: ORDERS 0.0 s, MARKET_DATA 12.5 s",
        "  strategy h  GONE from b (cancel): its requests are refused until libra resume --strategy h",
        "  strategy g  ENDED on paper (flatten): its requests are refused until its account's node is started again",
        "  flattening g BTC  given up: C d",
    ]


def test_of_several_nodes_none_is_stopped_until_one_is_named_or_all_are(monkeypatch, capsys):
    both = [Client(kill={"accounts": [KILLED]}), Client(kill={"accounts": [KILLED]})]
    monkeypatch.setattr(nodes, "running_nodes", lambda: list(both))
    for given in ([], ["--account", "paper"], ["--json"]):
        assert main.main(["kill-switch", *given]) == 2
        told = capsys.readouterr()
        assert (told.out, [(client.pulled, client.asked) for client in both]) == ("", [(0, []), (0, [])])
        assert "2 nodes run here, and NOTHING WAS STOPPED" in told.err
        assert told.err.count("--pid ") == 2
    assert main.main(["kill-switch", "--account", "a b", "--reason", "it's mad"]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line == "ALL OF THEM: libra kill-switch --all --account 'a b' --reason 'it'\"'\"'s mad'"
    assert main.main(["kill-switch", "--all"]) == 0
    assert [client.pulled for client in both] == [1, 1]
    # One alone is meant, with --all or without.
    for given in ([], ["--all"]):
        monkeypatch.setattr(nodes, "running_nodes", lambda: both[:1])
        assert main.main(["kill-switch", *given]) == 0
    capsys.readouterr()


@pytest.mark.parametrize(
    ("given", "is_ours", "code"),
    [([], True, 1), (["--all"], True, 1), (["--node", "n"], True, 0), ([], False, 0)],
)
def test_a_node_that_is_seen_by_the_kernel_alone_is_named(monkeypatch, capsys, given, is_ours, code):
    monkeypatch.delenv("LIBRA_RUN_DIR")
    found = Client(kill={"accounts": [KILLED]}, status=ANSWER)
    hidden = HiddenNode("service", 77, "/x", is_ours)
    monkeypatch.setattr(nodes, "running_nodes", lambda: [found])
    monkeypatch.setattr(kill_switch, "running_nodes", lambda: [found])
    monkeypatch.setattr(nodes, "hidden_nodes", lambda pids: [] if hidden.pid in pids else [hidden])
    assert main.main(["kill-switch", *given]) == code
    told = capsys.readouterr()
    assert "no new orders leave" in told.out
    line = "  but service (pid 77) listens in /x: LIBRA_RUN_DIR=/x libra ..., as its user"
    assert told.err.splitlines() == ["NOT STOPPED, since they were not found by their files:", line]
    assert main.main(["status"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == line
    assert main.main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hidden"][0]["folder"] == "/x"
    # Who says where to look looks there.
    monkeypatch.setenv("LIBRA_RUN_DIR", "/y")
    assert main.main(["kill-switch", *given]) == 0
    assert capsys.readouterr().err == ""


def member(accounts, run="9", **answers):
    made = Client(**answers)
    made.node.accounts, made.node.run = accounts, run
    return made


@pytest.mark.parametrize("run", ["9", ""])
def test_whose_accounts_are_stopped_asks_no_other_node_of_its_run(monkeypatch, capsys, run):
    has, has_not = member(("paper",), kill={"accounts": [KILLED]}), member((), run, kill={"accounts": []})
    monkeypatch.setattr(nodes, "running_nodes", lambda: [has_not, has])
    assert main.main(["kill-switch", "--all"]) == 0
    # Of one that says of no run nobody knows whose accounts it trades on.
    assert (has.pulled, has_not.pulled) == (1, int(not run))
    assert "kill -9" not in capsys.readouterr().out


def test_where_an_account_does_not_answer_the_other_nodes_are_asked_too(monkeypatch, capsys):
    hangs = member(("paper",), kill=ControlError("SILENT", "it hangs"))
    has_not = member((), kill=ControlError("SILENT", "it hangs, too"))
    monkeypatch.setattr(nodes, "running_nodes", lambda: [has_not, hangs])
    assert main.main(["kill-switch"]) == 1
    assert (hangs.pulled, has_not.pulled) == (1, 1)
    told = capsys.readouterr().out
    assert told.count("kill -9") == 1
    assert "it has no account" in told


def test_a_strategy_is_stopped_by_whoever_has_it(monkeypatch, capsys):
    gone = {"strategy": "s", "on_vanish": "keep"}
    unknown, silent = ControlError("UNKNOWN_STRATEGY", "strategies are none"), ControlError("SILENT", "it hangs")
    for refusals, error in (([silent, unknown], "it hangs"), ([unknown, unknown], "strategies are none")):
        run = [member((), stop_strategy=refusal) for refusal in refusals]
        monkeypatch.setattr(nodes, "running_nodes", lambda run=run: run)
        assert main.main(["stop", "--strategy", "s"]) == 1
        assert error in capsys.readouterr().err
        has = member((), stop_strategy=gone)
        monkeypatch.setattr(nodes, "running_nodes", lambda run=run, has=has: [*run, has])
        assert main.main(["stop", "--strategy", "s"]) == 0
        # The one that is named is asked first, and the others not at all.
        asked = [len(one.asked) for one in run]
        assert main.main(["stop", "--strategy", "s", "--pid", str(has.node.pid)]) == 0
        assert [len(one.asked) for one in run] == asked


def test_all_and_one_do_not_go_together(node):
    assert main.main(["kill-switch", "--all", "--pid", "1"]) == 2
    assert main.main(["kill-switch", "--all", "--node", "n"]) == 2


def test_an_account_is_in_one_of_several_nodes(monkeypatch, capsys):
    elsewhere = ControlError("UNKNOWN_ACCOUNT", "accounts are none")
    has, has_not = Client(kill={"accounts": [KILLED]}), Client(kill=elsewhere)
    monkeypatch.setattr(nodes, "running_nodes", lambda: [has_not, has])
    assert main.main(["kill-switch", "--all", "--account", "paper", "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)["nodes"]
    assert row["accounts"] == [KILLED]
    # One that no node knows is stopped nowhere.
    monkeypatch.setattr(nodes, "running_nodes", lambda: [has_not, Client(kill=elsewhere)])
    assert main.main(["kill-switch", "--all", "--account", "papre"]) == 1
    assert capsys.readouterr().out.count("NOT CONFIRMED") == 2


LOOK = {
    "at_ns": 0,
    "duration_ns": 12_000_000,
    "missed_executions": 2,
    "missed_flows": 0,
    "adopted": 0,
    "unsettled": 0,
    "foreign": 1,
    "opened": False,
    "settled": True,
    "undecided": [],
    "differences": [["POSITION_DIFFERS", "BTC/USDT:USDT", "0", "0.5", "0.5"]],
}


def test_the_venues_word_is_shown_and_asked_about(node, monkeypatch, capsys):
    differs = {**TRADING, "stopped": ["INCIDENT", "POSITION_DIFFERS"], "look": LOOK}
    client = node(status={"accounts": [differs]}, resume={"accounts": [TRADING]})
    terminal = io.StringIO("no\n")
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", terminal)
    assert main.main(["resume", "--accept-venue"]) == 1
    shown = capsys.readouterr().err
    assert "1 differ (2 missed executions booked, 1 foreign)" in shown
    assert "POSITION_DIFFERS BTC/USDT:USDT  ours 0, the venue's 0.5, difference 0.5" in shown
    assert "Take the venue's word for what differs?" in shown
    assert not [op for op, _ in client.asked if op == "resume"]
    assert main.main(["resume", "--accept-venue", "--yes", "--reason", "by hand"]) == 0
    given = {"account": "paper", "reason": "by hand", "accept_venue": True, "latches": {"paper": "a1"}}
    assert client.asked[-1] == ("resume", given)
    assert capsys.readouterr().out.startswith("account paper: the venue's word is taken\n")
    loses = {**TRADING, "stopped": ["DAILY_LOSS", "limit 100 USDT, value 500 USDT"]}
    node(status={"accounts": [differs]}, resume={"accounts": [loses]})
    assert main.main(["resume", "--accept-venue", "--yes"]) == 1
    shown = capsys.readouterr().out
    assert "the venue's word is taken" in shown
    assert "DAILY_LOSS" in shown
    node(status={"accounts": [TRADING, {**TRADING, "name": "other"}]})
    assert main.main(["resume", "--accept-venue", "--yes"]) == 1
    assert "name the account" in capsys.readouterr().err


def test_a_resume_waits_for_the_look_that_it_needs(node, monkeypatch):
    waiting = {**TRADING, "stopped": ["RECONCILING", ""], "look": {**LOOK, "differences": []}}
    client = node(status={"accounts": [waiting]}, resume={"accounts": [waiting]})
    monkeypatch.setattr(resume.time, "sleep", lambda _: client.answers.update(status={"accounts": [TRADING]}))
    assert main.main(["resume", "--yes"]) == 0
    client = node(status={"accounts": [waiting]}, resume={"accounts": [waiting]})
    monkeypatch.setattr(resume, "LOOK_WITHIN_S", 0.0)
    assert main.main(["resume", "--yes"]) == 1
