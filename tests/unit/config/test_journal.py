"""Where an account's journal is, and the mistakes of naming one."""

from pathlib import Path

import pytest

from libra.config import ConfigError, load

BALANCES = 'balances = { USDT = "100000" }'
SECOND = """
[[account_groups]]
name = "second"
balances = { USDT = "1" }
gateway = { kind = "paper" }
sizing = { kind = "fixed_notional", value = "5000" }
"""


def account(write, text: str):
    return load(write(swap={BALANCES: f"{BALANCES}\n{text}"}), environ={}).account_groups[0]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", None),
        ('log = { path = "state/main.log" }', "state/main.journal.db"),
        ('log = { path = "state/main" }', "state/main.journal.db"),
        ('log = { path = "main.log" }\njournal = { path = "other/j.db" }', "other/j.db"),
        ('log = { path = "main.log" }\njournal = { enabled = false }', None),
    ],
)
def test_where_it_is(write, text, path):
    found = account(write, text).journal_path
    assert found == (None if path is None else Path(write()).resolve().parent / path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('journal = { path = "j.db" }', "is made of a log with a file of its own: give it one"),
        ('log = { path = "m.log" }\njournal = { path = "m.log" }', "is the log of an account group; name another file"),
        ('log = { path = "m.log" }\njournal = { path = "" }', "journal.path"),
    ],
)
def test_mistakes(write, text, said):
    with pytest.raises(ConfigError, match=r"account_groups\.paper\.journal\.path") as caught:
        account(write, text)
    assert said in str(caught.value)


def test_two_accounts_have_two(write):
    first = f'{BALANCES}\nlog = {{ path = "a.log" }}\njournal = {{ path = "j.db" }}'
    second = SECOND + 'log = { path = "b.log" }\njournal = { path = "j.db" }\n'
    path = Path(write(swap={BALANCES: first}))
    path.write_text(path.read_text(encoding="utf-8") + second, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, environ={})
    assert str(caught.value).count("j.db is the journal of another account group too") == 2
