"""What users and recordings get wrong, by the command line: a message that names the place, the right exit code."""

import fcntl
import gzip
import json
import re

import pytest

T0_NS = 1_723_161_600_000_000_000

REPLAY_MARKET = '\n[market]\nkind = "replay"\nfiles = []\n'


def quote(n, bid="61800.10", ask="61800.20", symbol="BTCUSDT"):
    return json.dumps(
        {
            "stream": f"{symbol.lower()}@bookTicker",
            "data": {
                "e": "bookTicker", "u": n, "s": symbol, "b": bid, "B": "2.000", "a": ask, "A": "2.000",
                "T": 1723161601262, "E": 1723161601269,
            },
        }
    )  # fmt: skip


def trade(n, price="61800.10"):
    return json.dumps(
        {
            "stream": "btcusdt@trade",
            "data": {
                "e": "trade", "E": 1723161601269, "T": 1723161601262, "s": "BTCUSDT", "t": n, "p": price, "q": "0.010",
                "X": "MARKET", "m": False,
            },
        }
    )  # fmt: skip


def depth(first, last, before):
    return json.dumps(
        {
            "stream": "btcusdt@depth@0ms",
            "data": {
                "e": "depthUpdate", "E": 1723161601269, "T": 1723161601262, "s": "BTCUSDT", "U": first, "u": last,
                "pu": before, "b": [["61800.10", "1.000"]], "a": [],
            },
        }
    )  # fmt: skip


def lines(*frames, step_ns=10_000_000):
    return "".join(f"{T0_NS + n * step_ns} {frame}\n" for n, frame in enumerate(frames))


def replay(shell, text, name="frames.txt", *arguments):
    path = shell.folder / name
    if isinstance(text, bytes):
        path.write_bytes(text)
    else:
        path.write_text(text, encoding="utf-8")
    return shell.run("run", "replay", "--data", path, "--json", *arguments), path


def many(count=200):
    return [quote(n + 1) for n in range(count)]


# Recordings ----------------------------------------------------------------------------------------------------------


def test_a_truncated_gzip_is_read_as_far_as_it_goes_and_the_run_failed(shell):
    whole = gzip.compress(lines(*(quote(n, f"{61000 + n * 7 % 900}.10", "62000.00") for n in range(5_000))).encode())
    ended, path = replay(shell, whole[: len(whole) * 2 // 3], "cut.gz")
    assert ended.code == 1
    summary = ended.summary
    assert 1_000 < summary["events"]["QUOTE"] < 5_000
    assert summary["input"]["truncated_files"] == 1
    assert str(path) in ended.err


def test_garbage_in_the_middle_of_a_gzip_fails_the_run_and_names_the_file(shell):
    whole = bytearray(
        gzip.compress(lines(*(quote(n, f"{61000 + n * 7 % 900}.10", "62000.00") for n in range(5_000))).encode())
    )
    whole[len(whole) // 2 : len(whole) // 2 + 50] = b"\xff" * 50
    ended, path = replay(shell, bytes(whole), "bad.gz")
    assert ended.code == 1
    assert str(path) in ended.err


def test_a_file_that_is_no_recording_is_counted_and_the_run_goes_on(shell):
    ended, path = replay(shell, "this is\nno recording\n")
    assert ended.code in (0, 1, 2)
    assert str(path) in ended.err


MALFORMED = [
    "{",
    "",
    "null",
    "[]",
    '{"stream":"btcusdt@bookTicker"}',
    '{"stream":"btcusdt@bookTicker","data":{}}',
    quote(1).replace("61800.10", "NaN"),
    quote(1).replace("61800.10", "-5"),
    quote(1).replace('"61800.10"', "61800.1e400"),
    quote(1, bid="61800.101"),
    quote(1, bid="99999999999999999999999"),
    trade(1, price="x"),
    '{"stream":"btcusdt@bookTicker","data":' + "[" * 10_000,
    "\x00\x01\x02",
]


def test_malformed_frames_are_left_out_counted_and_named(shell):
    good = [quote(n + 1) for n in range(len(MALFORMED) + 1)]
    frames = [frame for pair in zip(good, MALFORMED, strict=False) for frame in pair] + good[-1:]
    ended, path = replay(shell, lines(*frames))
    assert ended.code == 0, ended.err
    summary = ended.summary
    assert summary["events"]["QUOTE"] == len(good)
    assert summary["malformed"] + summary["input"]["unknown"] == len(MALFORMED)
    named = set(map(int, re.findall(re.escape(str(path)) + r":(\d+)\b", ended.err)))
    assert named <= {2 * n + 2 for n in range(len(MALFORMED))}, "only bad lines are named"
    assert len(named) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("frame", MALFORMED, ids=range(len(MALFORMED)))
def test_each_malformed_frame_is_named_by_its_line(shell, frame):
    ended, path = replay(shell, lines(quote(1), frame, quote(2)))
    assert ended.code == 0, ended.err
    summary = ended.summary
    assert summary["events"]["QUOTE"] == 2
    assert summary["malformed"] + summary["input"]["unknown"] == 1
    assert re.search(re.escape(str(path)) + r":2\b", ended.err), ended.err


def test_a_line_without_a_time_is_malformed(shell):
    ended, path = replay(shell, lines(quote(1)) + quote(2) + "\n" + f"{T0_NS * 5} {quote(3)}\n".replace("5", "x", 1))
    assert ended.summary["malformed"] == 2
    assert f"{path}:2" in ended.err


def test_trailing_zeros_are_no_mistake(shell):
    ended, _ = replay(shell, lines(quote(1, bid="61800.10000000", ask="61800.2000")))
    assert ended.code == 0
    assert (ended.summary["malformed"], ended.summary["events"]["QUOTE"]) == (0, 1)


def test_an_unknown_frame_is_counted_and_named(shell):
    frame = '{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1,"s":"BTCUSDT","k":{}}}'
    ended, path = replay(shell, lines(quote(1), frame, quote(2)))
    assert ended.code == 0
    assert ended.summary["input"]["unknown"] == 1
    assert f"{path}:2" in ended.err


def test_a_frame_out_of_time_order_is_counted_and_named(shell):
    text = lines(quote(1), quote(2)) + f"{T0_NS - 5} {quote(3)}\n" + f"{T0_NS + 10**9} {quote(4)}\n"
    ended, path = replay(shell, text)
    assert ended.code == 0
    assert ended.summary["input"]["out_of_order"] == 1
    assert f"{path}:3" in ended.err


def test_a_depth_gap_is_counted_and_named(shell):
    ended, path = replay(shell, lines(quote(1), depth(10, 12, 9), depth(13, 15, 12), depth(20, 22, 19)))
    assert ended.code == 0
    assert ended.summary["input"]["depth_gaps"] == 1
    assert f"{path}:4" in ended.err


def test_a_crossed_quote_is_counted_and_named(shell):
    ended, path = replay(shell, lines(quote(1), quote(2, bid="61900.00", ask="61800.00"), quote(3)))
    assert ended.code == 0
    assert ended.summary["input"]["crossed"] == 1
    assert f"{path}:2" in ended.err


def test_an_unlisted_symbol_gives_market_data_with_a_warning(shell):
    frame = quote(1, bid="0.12345", ask="0.12346", symbol="DOGEUSDT")
    ended, _ = replay(shell, lines(quote(1), frame, frame, quote(2)))
    assert ended.code == 0
    assert ended.summary["events"]["QUOTE"] == 4
    assert ended.summary["input"]["unlisted"] >= 1
    assert "DOGE" in ended.err
    assert ended.err.count("WARNING") <= 3, "one warning, not one a frame"


def test_a_flood_of_bad_frames_does_not_flood_the_log(shell):
    ended, _ = replay(shell, lines(*["{" for _ in range(5_000)], quote(1)))
    assert ended.code == 0
    assert ended.summary["malformed"] == 5_000
    assert len(ended.err.splitlines()) < 100


def test_a_recording_without_a_frame_ends_well(shell):
    ended, _ = replay(shell, "")
    assert ended.code in (0, 2)
    assert "Traceback" not in ended.err


# Configuration and files ---------------------------------------------------------------------------------------------


def test_five_mistakes_in_a_profile_are_told_at_once_with_their_places(shell):
    profile = shell.profile()
    path = shell.folder / "test.toml"
    text = path.read_text()
    for old, new in (
        ('clock = "live"', 'clock = "sundial"'),
        ("seed = 1", "seed = -1"),
        ('tick_size = "0.1"', 'tick_size = "a lot"'),
        ("latency_ms = 5", "latency_ms = -5"),
        ("allow_short = true", "allow_shorts = true"),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text)
    ended = shell.run("run", profile)
    assert ended.code == 2
    for word in ("clock", "seed", "tick_size", "latency_ms", "allow_shorts"):
        assert re.search(rf"test\.toml:\d+.*{word}", ended.err), f"{word}\n{ended.err}"


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "nowhere"],
        ["run", "./nowhere.toml"],
        ["run", "replay", "--data", "nowhere.gz"],
        ["run", "replay"],
        ["run", "paper", "--speed", "fast"],
        ["run", "paper", "--set", "node.nothing=1"],
        pytest.param(["run", "paper", "--duration", "-3"], marks=pytest.mark.slow),
        pytest.param(["run", "paper", "--set", "nonsense"], marks=pytest.mark.slow),
        pytest.param(["run", "paper", "--unknown"], marks=pytest.mark.slow),
        pytest.param(["walk"], marks=pytest.mark.slow),
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_usage_and_missing_files_are_exit_code_2_and_named(shell, arguments):
    ended = shell.run(*arguments)
    assert ended.code == 2
    assert ended.err.strip()
    if "nowhere" in arguments[-1]:
        assert "nowhere" in ended.err


def test_one_missing_recording_among_others_is_named(shell):
    (shell.folder / "there.txt").write_text(lines(quote(1)))
    ended = shell.run("run", "replay", "--data", "there.txt", "missing-1.gz", "missing-2.gz")
    assert ended.code == 2
    assert "missing-1.gz" in ended.err
    assert "missing-2.gz" in ended.err


def test_a_folder_in_the_place_of_a_recording_is_named(shell):
    (shell.folder / "folder").mkdir()
    ended = shell.run("run", "replay", "--data", "folder")
    assert ended.code in (1, 2)
    assert "folder" in ended.err


def test_an_out_that_cannot_be_written_is_refused_before_the_run(shell):
    (shell.folder / "file").write_text("")
    ended = shell.run("run", "paper", "--speed", "max", "--duration", "1", "--out", "file/below")
    assert ended.code == 2
    assert "file/below" in ended.err
    assert ended.out == ""


# Strategies ----------------------------------------------------------------------------------------------------------


EMPTY = "class Mine:\n    pass\n"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("class Mine(:\n    pass\n", "line 1"),
        ("x = 1\nraise RuntimeError('no luck')\n" + EMPTY, "line 2: RuntimeError: no luck"),
        ("import no_such_module\n" + EMPTY, "no_such_module"),
        ("class Other:\n    pass\n", "has no class Mine"),
        pytest.param("Mine = 5\n", "has no class Mine", marks=pytest.mark.slow),
        ("class Mine:\n    pass\n", "is no strategy"),
        ("raise SystemExit(0)\n" + EMPTY, "SystemExit"),
        ("from libra.core.actor import Actor\n\n\nclass Mine(Actor):\n    pass\n", "is no strategy"),
        (
            "from libra.strategies import Strategy\nclass Mine(Strategy):\n    def on_quote(self, q):\n        yield\n",
            "Mine.on_quote is a generator",
        ),
        pytest.param("\x00", "null", marks=pytest.mark.slow),
    ],
)
def test_a_strategy_file_that_cannot_be_used_is_named(shell, text, named):
    (shell.folder / "mine.py").write_text(text)
    ended = shell.run("run", shell.profile("mine.py:Mine"), "--speed", "max", "--duration", "1")
    assert ended.code == 2, ended.err
    assert "mine.py" in ended.err
    assert named in ended.err


def test_a_strategy_file_that_is_missing_is_named(shell):
    ended = shell.run("run", shell.profile("strategies/none.py:Mine"))
    assert ended.code == 2
    assert "none.py" in ended.err


def test_a_strategy_that_cannot_start_is_given_up_and_the_run_goes_on(shell):
    path = shell.strategy("def on_start(self):\n    raise ValueError('bad parameters')")
    ended = shell.start(
        "run", shell.profile(path, clock="simulated"), "--speed", "max", "--duration", "20", "--json"
    ).end()
    assert ended.code == 1
    summary = ended.summary
    assert summary["failed"] == ["mine"]
    assert summary["errors"] == 4
    assert summary["events"]["QUOTE"] > 500
    assert "bad parameters" in ended.err
    assert "given up: actor mine" in ended.err


def test_a_strategy_that_keeps_failing_has_its_open_orders_cancelled(shell):
    path = shell.strategy(
        """
def on_quote(self, quote):
    self.submit(quote.symbol, OrderSide.BUY, "0.001", price=quote.bid - 500)
    self.n = getattr(self, "n", 0) + 1
    if self.n == 3:
        raise ValueError("enough")
"""
    )
    profile = shell.profile(path, clock="simulated", risk="max_open_orders = 500")
    ended = shell.start("run", profile, "--speed", "max", "--duration", "30", "--json").end()
    assert ended.code == 1
    summary = ended.summary
    assert summary["failed"] == ["mine"]
    assert summary["errors"] == 4
    assert summary["orders"] == {"CANCELLED": 11, "REJECTED": 1}
    assert summary["rejections"] == {"STRATEGY_STOPPED": 1}, "the last one was on its way: it never leaves"
    assert (summary["events"]["ORDER_NEW"], summary["events"]["ORDER_REJECTED"]) == (11, 1)
    assert summary["events"]["STRATEGY_STOPPED"] == 1
    assert summary["events"]["QUOTE"] > 1_000


def test_one_failing_strategy_leaves_the_other_its_orders(shell):
    bad = shell.strategy(
        "def on_quote(self, quote):\n"
        "    self.submit(quote.symbol, OrderSide.BUY, '0.001', price=quote.bid - 500)\n"
        "    raise ValueError('no')"
    )
    shell.strategy(
        "def on_start(self):\n    self.done = False\n\n"
        "def on_quote(self, quote):\n"
        "    if not self.done:\n"
        "        self.done = self.submit(quote.symbol, OrderSide.BUY, '0.002', price=quote.bid - 500)",
        name="good.py",
    )
    more = '[[strategies]]\nname = "good"\nclass = "good.py:Mine"\naccount = "paper"\nsymbols = ["BTC/USDT:USDT"]'
    profile = shell.profile(bad, clock="simulated", strategy_more=more)
    ended = shell.start("run", profile, "--speed", "max", "--duration", "10", "--json").end()
    assert ended.code == 1
    assert ended.summary["failed"] == ["mine"]
    # The request of its last failure was still on its way: it ended before it left.
    assert ended.summary["orders"] == {"ACCEPTED": 1, "CANCELLED": 3, "REJECTED": 1}
    assert ended.summary["rejections"] == {"STRATEGY_STOPPED": 1}


def test_an_actor_of_an_account_that_fails_stops_that_account(shell):
    path = shell.strategy(
        """
def on_start(self):
    self.n = 0

def on_quote(self, quote):
    self.n += 1
    if self.n < 40:
        self.submit(quote.symbol, OrderSide.BUY, "0.001", price=quote.bid - 500)
    if self.n == 20:
        # A message is nothing that a portfolio knows what to do with.
        self.actor("paper.portfolio")._switchboard.core.send(
            self.actor("paper.portfolio")._slot, EventType.SIGNAL, None, object()
        )
"""
    )
    profile = shell.profile(
        path, clock="simulated", risk="max_open_orders = 500", node="[node.supervision]\nmax_restarts = 0"
    )
    sabotage = shell.folder / "sitecustomize.py"
    sabotage.write_text(
        "import libra.portfolio.actor as module\n"
        "def size(self, event):\n"
        "    raise RuntimeError('a fault of our own')\n"
        "module.Portfolio.size = size\n"
    )
    ended = shell.start(
        "run", profile, "--speed", "max", "--duration", "10", "--json", env={"PYTHONPATH": str(shell.folder)}
    ).end()
    assert ended.code == 1
    summary = ended.summary
    assert summary["failed"] == [], "it is started again, to refuse what is asked for"
    assert "paper.portfolio failed" in summary["unattended"]["paper"]
    assert "account paper is unattended, no new order leaves: its actor paper.portfolio failed" in ended.err
    assert set(summary["orders"]) <= {"CANCELLED", "REJECTED", "EXPIRED"}
    assert summary["orders"]["CANCELLED"] >= 5
    assert summary["events"]["QUOTE"] > 300, "the run goes on"


# Risk ----------------------------------------------------------------------------------------------------------------


def test_a_kill_switch_set_by_a_strategy_stops_trading_and_exits_3(shell):
    path = shell.strategy(
        """
def on_start(self):
    self.n = 0

def on_quote(self, quote):
    self.n += 1
    self.submit(quote.symbol, OrderSide.BUY, "0.001", price=quote.bid - 500)
    if self.n == 5:
        self.emit(EventType.CIRCUIT_BREAKER, {"why": "I do not like it"})
"""
    )
    ended = shell.run("run", shell.profile(path, clock="simulated"), "--speed", "max", "--duration", "5", "--json")
    assert ended.code == 3
    orders = ended.summary["orders"]
    assert set(orders) == {"CANCELLED", "REJECTED"}
    assert orders["CANCELLED"] <= 5
    assert "kill switch" in ended.err
    assert ended.summary["errors"] == 0


def test_a_daily_loss_limit_that_is_hit_exits_3(shell):
    path = shell.strategy(
        """
def on_start(self):
    self.n = 0

def on_quote(self, quote):
    self.n += 1
    self.submit(quote.symbol, [OrderSide.BUY, OrderSide.SELL][self.n % 2], "0.300")
"""
    )
    profile = shell.profile(path, clock="simulated", risk='max_daily_loss = "50"\nmax_orders_per_second = 1000')
    ended = shell.run("run", profile, "--speed", "max", "--duration", "5", "--json")
    assert ended.code == 3, ended.err
    assert ended.summary["orders"]["REJECTED"] > 10
    assert ended.summary["events"]["RISK_LIMIT_BREACH"] >= 1
    assert any("LOSS" in code for code in ended.summary["rejections"])


def test_a_rejection_is_no_error(shell):
    path = shell.strategy("def on_quote(self, quote):\n    self.submit(quote.symbol, OrderSide.BUY, '900')")
    ended = shell.run("run", shell.profile(path, clock="simulated"), "--speed", "max", "--duration", "1", "--json")
    assert ended.code == 0
    assert (ended.summary["errors"], set(ended.summary["orders"])) == (0, {"REJECTED"})
    assert ended.summary["malformed"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        "def on_quote(self, quote):\n    self.submit('DOGE/USDT', OrderSide.BUY, '1')",
        "def on_quote(self, quote):\n    self.submit(quote.symbol, OrderSide.BUY, '0.0001')",
        "def on_quote(self, quote):\n    self.submit(quote.symbol, OrderSide.BUY, 'many')",
        "def on_quote(self, quote):\n    self.submit(quote.symbol, 'SIDEWAYS', '1')",
        "def on_quote(self, quote):\n    self.signal(quote.symbol, SignalType.LONG, strength=7)",
        "def on_quote(self, quote):\n    self.signal(quote.symbol, 'UP')",
        "def on_quote(self, quote):\n    self.cancel('no order id')",
        "def on_quote(self, quote):\n    self.submit(quote.symbol, OrderSide.BUY, '1', price=float('nan'))",
    ],
)
def test_calls_that_make_no_sense_are_the_strategys_own_failure(shell, body):
    profile = shell.profile(shell.strategy(body), clock="simulated")
    ended = shell.start("run", profile, "--speed", "max", "--duration", "10", "--json").end()
    assert ended.code == 1
    assert ended.summary["failed"] == ["mine"]
    assert ended.summary["errors"] == 4
    assert ended.summary["fills"] == 0


# Logs ----------------------------------------------------------------------------------------------------------------


def test_a_log_that_another_process_holds_is_refused(shell):
    log = shell.folder / "gate.log"
    account = f'log = {{ path = "{log}", resume = true }}'
    profile = shell.profile(account=account)
    first = shell.run("run", profile, "--duration", "0.5", "--json")
    assert first.code == 0, first.err
    with log.open("rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ended = shell.run("run", profile, "--duration", "0.5")
    assert ended.code in (1, 2)
    assert "gate.log" in ended.err
    assert ended.out == ""


def test_a_log_of_an_earlier_run_is_not_carried_on_unasked(shell):
    log = shell.folder / "gate.log"
    profile = shell.profile(account=f'log = {{ path = "{log}" }}')
    assert shell.run("run", profile, "--duration", "0.5", "--json").code == 0
    before = log.read_bytes()
    ended = shell.run("run", profile, "--duration", "0.5")
    assert ended.code == 2
    assert "gate.log" in ended.err
    assert "resume" in ended.err
    assert log.read_bytes() == before


def test_a_log_that_is_no_log_is_refused_and_left_alone(shell):
    log = shell.folder / "gate.log"
    log.write_bytes(b"my shopping list\n" * 20)
    ended = shell.run("run", shell.profile(account=f'log = {{ path = "{log}", resume = true }}'), "--duration", "0.5")
    assert ended.code in (1, 2)
    assert "gate.log" in ended.err
    assert log.read_bytes() == b"my shopping list\n" * 20


def test_a_log_below_a_file_is_refused(shell):
    (shell.folder / "file").write_text("")
    ended = shell.run("run", shell.profile(account='log = { path = "file/gate.log" }'), "--duration", "0.5")
    assert ended.code in (1, 2)
    assert "paper" in ended.err
    assert "file" in ended.err
