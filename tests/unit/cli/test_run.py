"""`libra run` around a fake engine: arguments, exit codes, what goes to which stream."""

import json
import logging
from decimal import Decimal
from pathlib import Path

import pytest

from libra.cli.main import main
from libra.errors import GatewayError, StrategyError


@pytest.fixture(autouse=True)
def _logging_as_before():
    logger = logging.getLogger("libra")
    before = (logger.handlers, logger.level, logger.propagate)
    yield
    logger.handlers, logger.level, logger.propagate = before


def test_arguments_reach_the_engine(engine, tmp_path: Path):
    (tmp_path / "a.gz").write_bytes(b"")
    (tmp_path / "b.gz").write_bytes(b"")
    arguments = ["--seed", "9", "replay", "--data", "a.gz", "b.gz", "--speed", "2.5", "--duration", "30"]
    assert main(["run", *arguments, "--set", "strategies.sma_usdm.params.fast=3", "--set", "node.name=mine"]) == 0
    node = engine.settings.node
    assert (node.name, node.clock, node.speed, node.duration_s, node.seed) == ("mine", "simulated", 2.5, 30.0, 9)
    assert engine.settings.market.files == (str(tmp_path / "a.gz"), str(tmp_path / "b.gz"))
    assert engine.settings.strategies[0].params["fast"] == 3


def test_no_profile_means_paper_and_data_means_replay(engine, tmp_path: Path):
    assert main(["run"]) == 0
    assert engine.settings.node.name == "paper"
    (tmp_path / "a.gz").write_bytes(b"")
    assert main(["run", "--data", "a.gz"]) == 0
    assert engine.settings.node.name == "replay"
    assert main(["run", "paper", "--data", "a.gz"]) == 0
    assert (engine.settings.node.name, engine.settings.market.kind) == ("paper", "replay")


@pytest.mark.parametrize("code", [0, 1, 3])
def test_the_engines_exit_code_is_ours(engine, capsys, code):
    engine.exit_code = code
    assert main(["run"]) == code
    verdict = {0: "done", 1: "failed", 3: "ended stopped: kill switch, loss limit or incident"}[code]
    assert verdict in capsys.readouterr().out


def test_json_is_one_object_and_nothing_else(engine, capsys):
    engine.said = "a strategy prints"
    engine.statuses *= 3
    assert main(["run", "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1
    summary = json.loads(captured.out)
    assert summary["pnl"]["USDT"]["realised"] == "12.500000000001"
    assert summary["pnl"]["USDT"]["fees"] == "0.00000001", "no exponent"
    assert summary["positions"][0]["size"] == "-0.083"
    assert summary["events"]["QUOTE"] == 1200
    assert "a strategy prints" in captured.err
    assert "first fill" in captured.err


def test_people_get_lines_and_a_summary(engine, capsys):
    assert main(["run"]) == 0
    out = capsys.readouterr().out
    assert "first fill: buy 0.041 BTC/USDT:USDT at 60000.1 (sma_crossover)" in out
    for said in ("1,234 events in 2.00 s", "FILLED 4", "QUOTE 1,200", "p50 7.5 us", "100,013.99 USDT", "-14.00"):
        assert said in out, out
    assert "MARKET_DATA 3 dropped  MARKET_DATA 31 conflated" in out
    assert "ab" * 16 in out


def test_a_summary_of_nothing_is_still_readable(engine, capsys):
    engine.summary = {
        "events": {}, "lanes": {}, "signals": 0, "orders": {}, "fills": 0, "errors": 0, "malformed": 0, "positions": [],
        "pnl": {}, "equity": {}, "latency_us": {"tick_to_order": {"p50": None, "p99": None, "max": None}},
        "duration_s": 0, "events_per_s": 0, "digest": None,
    }  # fmt: skip
    engine.statuses = []
    assert main(["run"]) == 0
    assert "0 events" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["rnu"],
        ["run", "nope"],
        ["run", "no/such.toml"],
        ["run", "replay"],
        ["run", "--speed", "0"],
        ["run", "--speed", "fast"],
        ["run", "--speed", "nan"],
        ["run", "--duration", "-1"],
        ["run", "--seed", "-1"],
        ["run", "--seed", "x"],
        ["run", "--data"],
        ["run", "--data", "no.gz"],
        ["run", "--set", "node.seed"],
        ["run", "--set", "node.sede=1"],
        ["run", "--sed", "1"],
        ["run", "paper", "replay"],
        ["config"],
        ["config", "chek"],
        ["new-strategy"],
        ["new-strategy", "No Name"],
    ],
)
def test_wrong_usage_is_2_with_a_message_and_no_run(engine, capsys, arguments):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.strip()
    assert "Traceback" not in captured.err
    assert not captured.out
    assert engine.settings is None


def test_faults_of_files_are_told_together(engine, capsys, tmp_path: Path):
    assert main(["run", "--data", "no.gz", str(tmp_path), "none.gz", "--set", "node.sede=1"]) == 2
    err = capsys.readouterr().err
    assert "4 problems" in err
    for said in ("no.gz does not exist", "is a directory", "none.gz does not exist", 'did you mean "seed"'):
        assert said in err


@pytest.mark.parametrize("error", [GatewayError("the venue is gone"), StrategyError("SmaCrossover keeps failing")])
def test_an_error_of_ours_is_one_line_and_1(engine, capsys, error):
    engine.error = error
    assert main(["run"]) == 1
    assert f"libra: {error}\n" in capsys.readouterr().err


def test_an_unforeseen_error_is_one_line_and_a_crash_log(engine, capsys, tmp_path: Path):
    engine.error = KeyError("oops")
    assert main(["run"]) == 1
    captured = capsys.readouterr()
    assert "libra: an unforeseen fault: KeyError: 'oops'; the details are in .libra/crash-" in captured.err
    assert "Traceback" not in captured.err + captured.out
    (log,) = (tmp_path / ".libra").glob("crash-*.log")
    assert "KeyError: 'oops'" in log.read_text()


def test_debugging_shows_the_traceback(engine, capsys, monkeypatch):
    monkeypatch.setenv("LIBRA_DEBUG", "1")
    engine.error = KeyError("oops")
    assert main(["run"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_display_that_fails_does_not_stop_the_run(engine, capsys):
    engine.statuses = [{"fills": 1, "orders": 5}, {"fills": 2}]
    assert main(["run"]) == 0
    captured = capsys.readouterr()
    assert captured.err.count("progress is not shown any more") == 1
    assert "done" in captured.out


def test_an_interrupt_before_the_run_is_quiet(engine, capsys):
    engine.error = KeyboardInterrupt()
    assert main(["run"]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_a_missing_native_core_says_how_to_build_it(monkeypatch, capsys):
    import libra.cli.run

    def missing(name):
        raise ModuleNotFoundError(f"No module named 'libra_core' for {name}", name="libra_core")

    monkeypatch.setattr(libra.cli.run, "import_module", missing)
    assert main(["run"]) == 1
    assert "the native core cannot be loaded" in capsys.readouterr().err


def test_log_lines_go_to_standard_error(engine, capsys):
    class Talking(type(engine)):
        def run(self, *args, **kwargs):
            logging.getLogger("libra.test").warning("a book is unsynced", extra={"symbol": "X", "size": Decimal("1.5")})
            return super().run(*args, **kwargs)

    engine.__class__ = Talking
    assert main(["run", "--json"]) == 0
    assert "WARNING libra.test: a book is unsynced" in capsys.readouterr().err
    assert main(["run", "--json", "--set", "node.log_format=json"]) == 0
    line = next(json.loads(row) for row in capsys.readouterr().err.splitlines() if row.startswith("{"))
    assert (line["level"], line["message"], line["symbol"], line["size"]) == (
        "warning",
        "a book is unsynced",
        "X",
        "1.5",
    )
