"""Where an account's log and journal are: beside their profile, wherever that is started from."""

from pathlib import Path

import pytest

from libra.config import Flags, load, resolve
from libra.errors import ConfigError

BALANCES = 'balances = { USDT = "100000" }'


@pytest.fixture
def profile(write):
    """A profile with a log named by a relative path."""
    return Path(write(swap={BALANCES: f'{BALANCES}\nlog = {{ path = "state/main.log", resume = true }}'})).resolve()


def paths(profile, **given):
    account = load(profile, environ={}, **given).account_groups[0]
    return Path(account.log.path), account.journal_path


def test_a_log_is_beside_its_profile_wherever_that_is_started_from(profile, tmp_path, monkeypatch):
    expected = (profile.parent / "state/main.log", profile.parent / "state/main.journal.db")
    assert paths(profile) == expected
    for number in range(2):
        elsewhere = tmp_path / f"elsewhere{number}"
        elsewhere.mkdir()
        monkeypatch.chdir(elsewhere)
        assert paths(profile) == expected


def test_what_the_command_line_names_is_in_the_current_folder(profile, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = Flags(sets=("account_groups.paper.log.path=other.log",))
    assert paths(profile, flags=given) == (tmp_path / "other.log", tmp_path / "other.journal.db")


def test_a_log_in_the_current_folder_is_not_passed_over(profile, tmp_path, monkeypatch):
    here = tmp_path / "here"
    (here / "state").mkdir(parents=True)
    (here / "state/main.log").touch()
    monkeypatch.chdir(here)
    with pytest.raises(ConfigError, match="a relative path counts from its profile"):
        paths(profile)
    (profile.parent / "state").mkdir()
    (profile.parent / "state/main.log").touch()
    assert paths(profile)[0] == profile.parent / "state/main.log"


def test_a_profile_of_libras_own_writes_into_the_current_folder(profile, tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(resolve, "carried_folder", lambda: profile.parent)
    assert paths(profile) == (here / "state/main.log", here / "state/main.journal.db")
