"""A run that ends with an account stopped says so, whatever stops it: by its exit code and in its summary."""

from tests.earlier_life import contradict, with_account
from tests.integration.conftest import LOG, Shell


def test_an_incident_ends_with_3_and_is_named(shell: Shell):
    with_account(shell.folder / "gate.log", contradict)
    profile = shell.profile(account=LOG, node="duration_s = 0.5")
    ended = shell.run("run", profile, "--json")
    assert ended.code == 3, ended.err
    assert ended.summary["stopped"]["paper"].startswith("INCIDENT: UNKNOWN_ORDER: ")
    told = shell.run("run", profile)
    assert (told.code, "account paper ended stopped: INCIDENT: UNKNOWN_ORDER" in told.out) == (3, True), told.out
    assert "until libra resume --account paper while it runs" in told.out
