"""Keys of an account are in nothing that a run says or leaves behind, and strategies' processes have none."""

import os
import signal
import sys
from pathlib import Path

import pytest
from tests.integration.ccxt_gateway.fake_venue import PROFILE, serving

KEYS = {"TEST_KEY": "kkkk-api-key-kkkk", "TEST_SECRET": "ssss-secret-ssss"}

# As the thief of a review: whatever else runs under this user shows what it was started with.
LOOKS = """
def on_start(self):
    import glob
    import os
    run, found = os.environ["LIBRA_RUN_DIR"].encode(), []
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            rows = dict(row.split(b"=", 1) for row in open(path, "rb").read().split(b"\\0") if b"=" in row)
            line = open(path.replace("environ", "cmdline"), "rb").read().replace(b"\\0", b" ")
        except OSError:
            continue
        if rows.get(b"LIBRA_RUN_DIR") == run or run in line:
            has = any(rows.get(name) for name in (b"TEST_KEY", b"TEST_SECRET"))
            found.append(("keys" if has else "none", line.decode()))
    print("found:", sorted(found), flush=True)
"""

NODES = '[nodes.a]\nroles = ["market", "accounts"]\n[nodes.b]\nroles = ["strategies"]'

BUYS = """
def on_start(self):
    import os
    print("has keys:", sorted(name for name in os.environ if name.startswith("TEST_")))
    self.set_timer("buy", 0.2, interval_s=0.2)

def on_timer(self, name):
    self.submit("BTC/USDT", "BUY", "0.1", price="100.01")

def on_fill(self, fill):
    print("filled", fill.trade_id)
"""


def everything(folder, *texts):
    """All that was said, and all that was left in the folder and beside it."""
    files = [path for root in (folder, Path(os.environ["LIBRA_RUN_DIR"])) for path in root.rglob("*") if path.is_file()]
    assert any(path.name == "gate.log" for path in files)
    return b"".join(["".join(texts).encode(), *(path.read_bytes() for path in files)])


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_no_process_of_a_run_shows_what_it_was_started_with(shell, tmp_path_factory):
    run_folder = tmp_path_factory.mktemp("r")
    run_folder.chmod(0o700)
    with serving() as venue:
        text = PROFILE.format(url=venue.url, strategy=shell.strategy(LOOKS), more=NODES)
        (shell.folder / "test.toml").write_text(text)
        ended = shell.run(
            "run",
            "./test.toml",
            "--json",
            "--duration",
            "2",
            env={**KEYS, "LIBRA_RUN_DIR": str(run_folder)},
            timeout_s=180,
        )
    assert ended.code == 0, ended.err
    (found,) = [line for line in ended.err.splitlines() if "found:" in line]
    for process in (
        "libra_cluster.member",
        "libra_cluster.server.guardian",
        "bridge-libra/server.sock",
        "run ./test.toml",
    ):
        assert process in found, found
    assert "'keys'" not in found, found


@pytest.mark.parametrize("more", ["", NODES])
def test_keys_are_nowhere(shell, more):
    with serving() as venue:
        text = PROFILE.format(url=venue.url, strategy=shell.strategy(BUYS), more=more)
        (shell.folder / "test.toml").write_text(text)
        run = shell.start("run", "./test.toml", "--json", env={**KEYS, "PYTHONASYNCIODEBUG": "1"})
        run.wait_for("filled ", 120)
        # What comes back with everything in it that was sent, as a proxy's page of errors might.
        venue.on_order = lambda params: (503, {"msg": f"{KEYS['TEST_KEY']} {KEYS['TEST_SECRET']} {params}"})
        run.wait_for("no answer", 60)
        venue.on_order = lambda params: (400, {"code": -2010, "msg": f"no: {KEYS['TEST_KEY']}"})
        status = shell.run("status", "--json")
        run.signal(signal.SIGINT)
        ended = run.end(60)
    assert ended.code == 0, ended.err
    assert "REJECTED" in ended.summary["orders"] or "FILLED" in ended.summary["orders"]
    said = everything(shell.folder, ended.out, ended.err, status.out, status.err)
    for key in KEYS.values():
        assert key.encode() not in said
    expected = "has keys: []" if more else "has keys: ['TEST_KEY', 'TEST_SECRET']"
    assert expected in ended.err


def test_an_account_begins_with_what_the_venue_says_that_it_has(shell):
    with serving() as venue:
        text = PROFILE.format(url=venue.url, strategy=shell.strategy("pass"), more="")
        (shell.folder / "test.toml").write_text(text)
        ended = shell.run("run", "./test.toml", "--json", "--duration", "1", env=KEYS, timeout_s=120)
    assert ended.code == 0, ended.err
    assert ended.summary["equity"] == {"USDT": "1010"}


def test_an_instrument_that_is_not_the_venues_does_not_start(shell):
    with serving() as venue:
        text = PROFILE.format(url=venue.url, strategy=shell.strategy("pass"), more="").replace(
            'min_notional = "5"', 'min_notional = "1"'
        )
        (shell.folder / "test.toml").write_text(text)
        ended = shell.run("run", "./test.toml", env=KEYS, timeout_s=120)
    assert ended.code == 2
    assert "BTC/USDT@binance: min_notional is 1, below the venue's 5" in ended.err


def test_real_money_does_not_start_unasked(shell):
    text = PROFILE.format(url="x", strategy=shell.strategy("pass"), more="").replace(
        'redirect = "x"', "testnet = false"
    )
    (shell.folder / "test.toml").write_text(text.replace(', redirect = "x"', ""))
    ended = shell.run("run", "./test.toml")
    assert ended.code == 2
    for part in ("say so: --live", "neither TEST_KEY nor TEST_KEY_FILE", "neither TEST_SECRET", "process of their own"):
        assert part in ended.err
