"""The supervision tree: what a failure leads to, decided without any actor."""

import pytest

from libra.core.supervision import RestartPolicy, Restarts, RestartStrategy, SupervisionTree, Verdict

NS = 1_000_000_000
ONE = RestartStrategy.ONE_FOR_ONE
REST = RestartStrategy.REST_FOR_ONE


def policy(restarts, *, period_s=60.0):
    return RestartPolicy(restarts, period_s, 1.0, 100.0, jitter=0)


def tree(default=3):
    return SupervisionTree(policy(default))


def test_the_wait_doubles_up_to_its_limit_and_the_period_forgets():
    restarts = Restarts(RestartPolicy(max_restarts=4, period_s=60, backoff_s=1, max_backoff_s=5, jitter=0))
    assert [restarts.next_wait_s(0) for _ in range(5)] == [1, 2, 4, 5, None]
    assert restarts.next_wait_s(60 * NS) is None
    assert restarts.next_wait_s(60 * NS + 1) == 1
    restarts.forget()
    assert restarts.next_wait_s(60 * NS + 1) == 1


def test_a_policy_without_restarts_gives_up_at_once():
    assert Restarts(RestartPolicy(max_restarts=0)).next_wait_s(0) is None


def test_so_many_failures_do_not_overflow_the_wait():
    restarts = Restarts(RestartPolicy(max_restarts=5_000, backoff_s=1, max_backoff_s=7, jitter=0))
    assert {restarts.next_wait_s(0) for _ in range(5_000)} == {1, 2, 4, 7}


def test_jitter_shortens_a_wait_by_what_is_drawn():
    draws = iter([0.0, 0.5, 1.0])
    restarts = Restarts(RestartPolicy(backoff_s=10, max_backoff_s=10, jitter=0.2), lambda: next(draws))
    assert [restarts.next_wait_s(0) for _ in range(3)] == [10, 9, 8]


def test_who_draws_the_jitter_is_asked_by_name():
    asked = []

    def draw(name):
        asked.append(name)
        return lambda: 0.0

    made = SupervisionTree(RestartPolicy(), draw)
    made.add_group("g")
    made.add_actor("a", group="g")
    made.add_actor("b")
    assert asked == ["group g", "whole g", "b"], "an actor of a group has no counter of its own"


def test_the_node_counts_each_of_its_actors_by_itself():
    made = tree(default=1)
    made.add_actor("a")
    made.add_actor("b", policy=policy(2))
    assert made.decide("a", 0) == Verdict(("a",), 1.0)
    assert made.decide("b", 0) == Verdict(("b",), 1.0)
    assert made.decide("a", 0) == Verdict(("a",), None, "a: more than 1 failures within 60 s")
    assert made.decide("b", 0) == Verdict(("b",), 2.0)


def test_who_is_not_to_be_given_up_is_started_again_seldom_until_it_lasts():
    made = tree()
    slow = RestartPolicy(1, 60.0, 1.0, 100.0, jitter=0, slow_restart_s=30.0)
    made.add_actor("a", policy=slow)
    why = "a: more than 1 failures within 60 s"
    exhausted = Verdict(("a",), 30.0, why, exhausted=True)
    assert made.decide("a", 0) == Verdict(("a",), 1.0)
    assert made.decide("a", 0) == exhausted
    # However long it takes: each failure comes within a period behind the slow restart.
    assert [made.decide("a", at * 80 * NS) for at in range(1, 50)] == [exhausted] * 49
    lasted_ns = (49 * 80 + 30 + 60) * NS
    assert made.decide("a", lasted_ns) == exhausted
    assert made.decide("a", lasted_ns + 90 * NS + 1) == Verdict(("a",), 1.0), "it had lasted for a period"
    assert made.give_up("a", "why") == Verdict(("a",), None, "why"), "what another instance would not mend"


def test_slow_restarts_are_spread_as_well():
    restarts = Restarts(RestartPolicy(max_restarts=0, jitter=0.2, slow_restart_s=30.0), lambda: 0.5)
    assert restarts.next_wait_s(0) is None
    assert restarts.slow_wait_s() == 27.0


@pytest.mark.parametrize(
    ("strategy", "concerned"), [(ONE, ("b",)), (REST, ("b", "inner 1", "inner 2", "c")), ("rest_for_one", None)]
)
def test_whom_a_failing_member_takes_along(strategy, concerned):
    made = tree()
    made.add_group("g", strategy=strategy)
    made.add_actor("a", group="g")
    made.add_actor("b", group="g")
    made.add_group("inner", parent="g")
    made.add_actor("inner 1", group="inner")
    made.add_actor("c", group="g")
    made.add_actor("inner 2", group="inner")
    made.add_actor("elsewhere")
    assert made.decide("b", 0).actors == (concerned or ("b", "inner 1", "inner 2", "c"))


def test_a_group_counts_its_members_together_and_is_then_its_parents_matter():
    made = tree()
    made.add_group("outer", strategy=REST, policy=policy(1))
    made.add_actor("first", group="outer")
    made.add_group("inner", policy=policy(1), parent="outer")
    made.add_actor("a", group="inner")
    made.add_actor("b", group="inner")
    made.add_actor("last", group="outer")
    assert made.decide("a", 0) == Verdict(("a",), 1.0)
    # The second failure in the inner group is one too many: the outer one starts it anew, with all that follow it.
    assert made.decide("b", 0) == Verdict(("a", "b", "last"), 1.0, "group inner: more than 1 failures within 60 s")
    # It has forgotten what was: one more is allowed.
    assert made.decide("a", 0) == Verdict(("a",), 1.0)
    # Inner fails as a whole again, which is one too many for the outer group: the node starts that anew.
    everyone = ("first", "a", "b", "last")
    assert made.decide("b", 0) == Verdict(everyone, 1.0, "group outer: more than 1 failures within 60 s")
    assert made.decide("b", 0) == Verdict(("b",), 1.0), "all counters below begin anew"


def test_a_group_of_the_node_is_given_up_when_it_fails_too_often_as_a_whole():
    made = tree()
    made.add_group("g", policy=policy(0), whole=policy(1))
    made.add_actor("a", group="g")
    made.add_actor("b", group="g")
    assert made.decide("a", 0).wait_s == 1.0
    assert made.decide("b", 0) == Verdict(("a", "b"), None, "g: more than 1 failures within 60 s")


def test_a_member_may_have_a_policy_of_its_own_beside_the_groups():
    made = tree()
    made.add_group("g", strategy=REST, policy=policy(10), whole=policy(0))
    made.add_actor("a", group="g", policy=policy(1))
    made.add_actor("b", group="g")
    assert made.decide("b", 0) == Verdict(("b",), 1.0)
    assert made.decide("a", 0) == Verdict(("a", "b"), 2.0), "the longer of the two waits"
    assert made.decide("a", 0).wait_s is None


def test_names_of_groups_are_unique_and_have_to_be_known():
    made = tree()
    made.add_group("g")
    with pytest.raises(ValueError, match="a group named 'g' already"):
        made.add_group("g")
    with pytest.raises(ValueError, match="all_at_once"):
        made.add_group("h", strategy="all_at_once")
    with pytest.raises(KeyError):
        made.add_actor("a", group="unknown")
    with pytest.raises(KeyError):
        made.add_group("h", parent="unknown")
