"""The other verbs, verbs that are plugged in, and the process as a whole."""

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from libra.cli import main as cli
from libra.cli.main import main

ACTORS = Path(__file__).resolve().parents[3] / "actors"
CONFIG = ACTORS.parent / "config"


def test_config_check_and_show(capsys):
    assert main(["config", "check"]) == 0
    assert capsys.readouterr().out == "ok: 3 instruments, 1 account group, 1 strategy\n"
    assert main(["config", "check", "replay", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "ok": True,
        "instruments": 5,
        "account_groups": 2,
        "strategies": 2,
        "warnings": [],
    }
    assert main(["config", "show", "replay", "--set", "node.seed=42"]) == 0
    shown = capsys.readouterr().out
    assert "seed = 42" in shown
    assert 'lot_size = "0.00001"' in shown
    assert main(["config", "show", "paper", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["account_groups"][0]["balances"] == {"USDT": "100000"}


def test_config_check_warns_of_limits_that_nobody_has_a_part_of(capsys, tmp_path: Path):
    (tmp_path / "two.toml").write_text(
        f'include = ["{CONFIG / "paper.toml"}"]\n[risk]\nmax_open_orders = 1\n[[strategies]]\nname = "second"\n'
        'class = "libra.strategies.examples.sma_crossover:SmaCrossover"\naccount = "paper"\n'
        'symbols = ["BTC/USDT:USDT"]\n'
    )
    assert main(["config", "check", "two.toml"]) == 0
    told = capsys.readouterr()
    assert told.out == "ok: 3 instruments, 1 account group, 2 strategies\n"
    assert told.err.startswith("warning: account paper: max_open_orders = 1 is below its 2 strategies")
    assert main(["config", "check", "two.toml", "--json"]) == 0
    [warning] = json.loads(capsys.readouterr().out)["warnings"]
    assert warning == told.err.removeprefix("warning: ").strip()


def test_config_schema_is_json(capsys):
    assert main(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Settings"


def test_config_check_tells_all_mistakes(capsys, tmp_path: Path):
    (tmp_path / "bad.toml").write_text('[market]\nkind = "replay"\nfile = []\n[node]\nclock = "live"\nsede = 1\n')
    assert main(["config", "check", "bad.toml"]) == 2
    err = capsys.readouterr().err
    assert "libra: the configuration has 3 problems:" in err
    assert [row.split(": ")[0].strip() for row in err.splitlines()[1:]] == ["bad.toml:3", "bad.toml:5", "bad.toml:6"]


def test_a_new_strategy_has_a_profile_that_is_ready(engine, capsys, tmp_path: Path):
    assert main(["new-strategy", "my_idea"]) == 0
    out = capsys.readouterr().out
    assert "libra run config/my_idea.toml" in out
    assert 'class = "strategies/my_idea.py:MyIdea"' in out
    written = (tmp_path / "strategies/my_idea.py").read_text()
    compile(written, "my_idea.py", "exec")
    assert "once for each instance, so after a restart again" in written
    assert main(["run", "config/my_idea.toml"]) == 0
    assert main(["run", "my_idea"]) == 0
    assert engine.settings.strategies[0].class_path == f"{tmp_path}/strategies/my_idea.py:MyIdea"


def test_a_new_strategy_overwrites_nothing(capsys, tmp_path: Path):
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies/mine.py").write_text("# years of work")
    assert main(["new-strategy", "mine"]) == 2
    assert "strategies/mine.py exist already" in capsys.readouterr().err
    assert (tmp_path / "strategies/mine.py").read_text() == "# years of work"
    assert not (tmp_path / "config").exists()


@pytest.mark.parametrize("name", ["", "1up", "a-b", "a.b", "../x", "class", "A", "ä", "a" * 61, "x_"])
def test_names_that_python_would_not_take(name, tmp_path: Path):
    assert main(["new-strategy", name]) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_name_is_proposed(capsys):
    main(["new-strategy", "MyBest-Idea"])
    assert 'how about "my_best_idea"?' in capsys.readouterr().err


def test_a_carried_profile_is_not_hidden(capsys):
    assert main(["new-strategy", "paper"]) == 2
    assert "paper.toml exist already" in capsys.readouterr().err


def test_a_strategy_folder_that_cannot_be_made(capsys, tmp_path: Path):
    (tmp_path / "strategies").write_text("a file")
    assert main(["new-strategy", "mine"]) == 1
    assert "strategies/mine.py cannot be written" in capsys.readouterr().err


def test_version_and_help(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("libra ")
    assert main(["--help"]) == 0
    assert "new-strategy" in capsys.readouterr().out
    assert main(["run", "--help"]) == 0
    assert "0 ok, 1 failed, 2 usage or configuration, 3 an account ended stopped" in " ".join(
        capsys.readouterr().out.split()
    )


def plugged(arguments: list[str]) -> int:
    """A verb of another package."""
    return len(arguments)


def test_verbs_plug_in_and_load_only_when_asked(monkeypatch, capsys):
    entries = [
        metadata.EntryPoint("cluster", f"{__name__}:plugged", cli.COMMANDS_GROUP),
        metadata.EntryPoint("broken", "no_such_module:main", cli.COMMANDS_GROUP),
        metadata.EntryPoint("run", "no_such_module:main", cli.COMMANDS_GROUP),
    ]
    monkeypatch.setattr(metadata, "entry_points", lambda group: entries if group == "libra.commands" else [])
    monkeypatch.setitem(sys.modules, __name__, sys.modules[plugged.__module__])
    assert main(["cluster", "--flag", "status", "x"]) == 3
    assert main(["--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "cluster a verb of another package broken from no_such_module:main" in told
    assert main(["broken"]) == 1
    assert 'the verb "broken" of no_such_module:main cannot be loaded' in capsys.readouterr().err
    assert main(["run", "nope"]) == 2, "a verb of ours is not replaced"


def test_a_reader_who_leaves_is_no_fault():
    env = {**os.environ, "PYTHONPATH": str(ACTORS)}
    process = subprocess.Popen(
        [sys.executable, "-m", "libra.cli.main", "config", "schema"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=20) == 1


def test_a_reader_who_leaves_does_not_change_how_a_run_ended():
    code = (
        "import sys, types\n"
        "from tests.unit.cli.conftest import FakeEngine\n"
        "module = types.ModuleType('libra.assembly')\n"
        "module.build = FakeEngine(exit_code=3).build\n"
        "sys.modules['libra.assembly'] = module\n"
        "from libra.cli.main import main\n"
        "sys.stdin.readline()\n"
        "sys.exit(main(['run']))\n"
    )
    env = {**os.environ, "PYTHONPATH": f"{ACTORS}{os.pathsep}{ACTORS.parent}"}
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe, env=env) as process:
        process.stdout.close()
        process.stdin.write(b"\n")
        process.stdin.close()
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode == 3
