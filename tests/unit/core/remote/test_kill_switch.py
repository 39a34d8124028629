"""The kill switch of one account is that account's; one that anyone asks for is every account's, on every node."""

import shutil

from tests.unit.core.remote.test_account import opened

from libra.core.events import EventType


def test_the_kill_switch_of_one_account_latches_no_other(pair):
    two = pair()
    one, beside, other = opened(two.a.core, "one"), opened(two.a.core, "beside"), opened(two.b.core, "other")
    _, told = two.b.actor("told", EventType.CIRCUIT_BREAKER)
    two.join()
    one.kill("libra kill-switch --account one")
    two.settle()
    assert [event.payload.account for event in told] == ["one"], "the other node hears of it"
    assert (one.is_killed, beside.is_killed, other.is_killed) == (True, False, False)


def test_a_kill_switch_that_is_asked_for_latches_every_account(pair):
    two = pair()
    accounts = [opened(two.a.core, "one"), opened(two.a.core, "beside"), opened(two.b.core, "other")]
    slot, _ = two.a.actor("strategy")
    two.join()
    assert two.a.core.emit(slot, EventType.CIRCUIT_BREAKER, None)
    two.settle()
    assert [account.is_killed for account in accounts] == [True, True, True]


def test_a_latch_that_was_taken_back_is_not_said_again_after_a_restart(pair, tmp_path):
    log = tmp_path / "one.log"
    one = opened(pair().a.core, "one", log_path=log)
    one.kill("it")
    one.resume("over")
    # Nobody confirmed either.
    again = tmp_path / "again.log"
    shutil.copy(log, again)
    two = pair()
    one, other = opened(two.a.core, "one", log_path=again), opened(two.b.core, "other")
    _, told = two.b.actor("told", EventType.CIRCUIT_BREAKER, EventType.TRADING_RESUMED)
    two.join()
    assert two.a.core.publish_unconfirmed() == 1
    two.settle()
    assert [event.event_type for event in told] == [EventType.TRADING_RESUMED]
    assert (one.is_killed, other.is_killed) == (False, False)


def test_a_latch_that_stands_is_said_again_after_a_restart(pair, tmp_path):
    log = tmp_path / "one.log"
    one = opened(pair().a.core, "one", log_path=log)
    for _ in range(2):
        one.kill("it")
        one.resume("over")
    one.kill("again")
    again = tmp_path / "again.log"
    shutil.copy(log, again)
    two = pair()
    one, other = opened(two.a.core, "one", log_path=again), opened(two.b.core, "other")
    _, told = two.b.actor("told", EventType.CIRCUIT_BREAKER)
    two.join()
    two.a.core.publish_unconfirmed()
    two.settle()
    assert [event.payload.detail for event in told] == ["again"]
    assert (one.is_killed, other.is_killed) == (True, False)
