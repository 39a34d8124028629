"""Random lives of a rate budget against a slow reference, in simulated time."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.gateways.budget.reference import Asked, Reference

from libra.gateways.budget import Limit, RateBudget, Urgency

S = 1_000_000_000

OFFSET = 17 * S + 123
"""The venue's clock is ahead of ours by this."""

LIMITS = [
    Limit("weight", "weight", 40, 61 * S, reserve=5, slack_ns=1 * S),
    Limit("orders_10s", "orders", 5, 10 * S, per_account=True),
    Limit("orders_1d", "orders", 30, 86_400 * S, per_account=True),
    Limit("requests", "requests", 25, 300 * S, reserve=3),
]

_waits = st.one_of(st.just(0), st.integers(0, 5 * S), st.integers(0, 70 * S), st.integers(0, 90_000 * S))
_asks = st.tuples(
    st.just("ask"),
    st.sampled_from(list(Urgency)),
    st.fixed_dictionaries({"weight": st.integers(0, 42), "orders": st.integers(0, 2), "requests": st.integers(0, 2)}),
    st.sampled_from(["a", "b"]),
    st.one_of(st.none(), st.integers(0, 100 * S)),
)
_steps = st.one_of(
    _asks,
    _asks,
    _asks,
    st.tuples(st.just("wait"), _waits),
    st.tuples(
        st.just("sync"),
        st.sampled_from([limit.name for limit in LIMITS]),
        st.integers(0, 60),
        st.sampled_from("ab"),
        st.integers(0, 5 * S),
    ),
    st.tuples(st.just("bar"), st.integers(0, 120 * S)),
)


class Life:
    """One budget and its reference, moved on together: the clock stops wherever the budget says something is due."""

    def __init__(self, most_waiting=16):
        self.now = 1_000 * S
        self.budget = RateBudget(LIMITS, most_waiting=most_waiting)
        self.reference = Reference(LIMITS, most_waiting)
        self.pairs = []
        self.granted = []  # (time, turn)
        self._seen = set()

    def look(self):
        for turn, asked in self.pairs:
            assert turn.state == asked.state, f"{asked} at {self.now}"
            if turn.state == "granted" and id(turn) not in self._seen:
                self._seen.add(id(turn))
                self.granted.append((self.now, turn))

    def ask(self, urgency, cost, account, deadline):
        deadline_ns = None if deadline is None else self.now + deadline
        self.settle()
        turn = self.budget.ask(self.now, urgency, cost, account=account, deadline_ns=deadline_ns)
        asked = Asked(len(self.pairs), int(urgency), cost, account, deadline_ns)
        self.pairs.append((turn, asked))
        self.reference.ask(self.now, asked)
        self.settle()

    def settle(self):
        self.budget.pump(self.now)
        self.reference.pump(self.now)
        self.look()

    def wait(self, length):
        until = self.now + length
        while (due := self.budget.next_due_ns(self.now)) is not None and due <= until:
            due = max(due, self.now)
            if due > self.now:
                # Nothing that the reference would grant lies before.
                self.reference.pump(due - 1)
                self.look()
            states, used = [turn.state for turn, _ in self.pairs], self.budget.counters(self.now)["used"]
            waited = self.now == due
            self.now = due
            self.settle()
            moved = states != [turn.state for turn, _ in self.pairs] or used != self.budget.counters(due)["used"]
            assert moved or not waited, "it is due at once, and nothing is done: a loop would spin"
        self.now = until
        self.settle()

    def sync(self, name, used, account, age):
        self.settle()
        left = self.now - age
        self.budget.sync(self.now, name, used, account=account, left_ns=left, venue_ns=left + OFFSET)
        self.reference.sync(self.now, name, used, account, left, OFFSET)
        self.settle()

    def bar(self, length):
        self.settle()
        self.budget.penalise(self.now + length)
        self.reference.barred_until_ns = max(self.reference.barred_until_ns, self.now + length)
        self.settle()


@settings(max_examples=200)
@given(st.lists(_steps, max_size=40))
def test_it_decides_as_the_reference_does_and_passes_no_limit(steps):
    life = Life()
    for step in steps:
        getattr(life, step[0])(*step[1:])
    # Whatever waits is served once nobody else comes: nothing starves.
    life.wait(40 * 86_400 * S)
    assert life.budget.waiting() == 0
    ended = Counter(turn.state for turn, _ in life.pairs)
    assert set(ended) <= {"granted", "EXPIRED", "TOO_LARGE", "QUEUE_FULL"}
    for limit in LIMITS:
        for account in ("a", "b") if limit.per_account else ("",):
            spends = [
                (at, turn.cost.get(limit.unit, 0), turn.urgency)
                for at, turn in life.granted
                if account in ("", turn.account)
            ]
            for first, _, _ in spends:
                within = [spend for spend in spends if first <= spend[0] < first + limit.interval_ns]
                assert sum(amount for _, amount, _ in within) <= limit.most
                others = sum(amount for _, amount, urgency in within if urgency is not Urgency.CANCEL)
                assert others <= limit.most - limit.reserve


@given(st.lists(_asks, min_size=1, max_size=30))
def test_a_cancel_waits_behind_cancels_only(asks):
    crowded, alone = Life(most_waiting=1_000), Life(most_waiting=1_000)
    granted = []
    for life in (crowded, alone):
        life.ask(Urgency.ORDER, {"weight": 35, "orders": 1, "requests": 1}, "a", None)
        for _, urgency, cost, account, _ in asks:
            if urgency is Urgency.CANCEL or life is crowded:
                life.ask(urgency, cost, account, None)
        life.wait(400 * S)
        granted.append([(at, turn.cost) for at, turn in life.granted if turn.urgency is Urgency.CANCEL])
    # An order may have gone before a cancel was asked for: what it took at once is gone, and nothing else.
    at_once = sum(at == 1_000 * S and turn.urgency is not Urgency.CANCEL for at, turn in crowded.granted) - 1
    assert granted[0] == granted[1] or at_once


def test_whoever_looks_changes_nothing():
    """Metrics are read from another thread: between two steps of the loop's own tidying nobody may do the same."""
    budget = RateBudget(LIMITS)
    budget.ask(0, Urgency.ORDER, {"weight": 7, "orders": 1}, account="a")
    budget.sync(0, "requests", 9)
    later = 62 * S
    looked = budget.counters(later)
    assert (looked["used"]["weight"], looked["left"]["weight"]) == (0, 40)
    assert looked["used"]["orders_1d/a"] == 1
    assert budget.counters(0)["used"] == {"weight": 7, "orders_10s/a": 1, "orders_1d/a": 1, "requests": 9}
