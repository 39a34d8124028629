"""The examples of docs/guide.md, as they stand there."""

import re
import tomllib
from pathlib import Path

import pytest

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "guide.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
STRATEGIES = {
    found.group(1): text for _, text in BLOCKS if (found := re.search(r"^class (\w+)\(Strategy\)", text, re.M))
}
SPIN = next(text for language, text in BLOCKS if language == "toml")


def test_nothing_is_left_out():
    assert [language for language, _ in BLOCKS] == ["python", "python", "python", "text", "toml"]
    assert list(STRATEGIES) == ["Flow", "Imbalance"]


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_trades_by_its_batches(shell, name):
    (shell.folder / "guide.py").write_text(STRATEGIES[name], encoding="utf-8")
    profile = shell.profile(f"guide.py:{name}", clock="simulated")
    ended = shell.run("run", profile, "--speed", "max", "--duration", "20", "--json")
    assert ended.code == 0, ended.err
    assert ended.summary["errors"] == 0
    assert ended.summary["events"]["SIGNAL"] > 1, "it changes its opinion"
    assert ended.summary["fills"] > 0


def test_the_bus_prints_what_the_guide_says(capsys):
    (example,) = [text for language, text in BLOCKS if language == "python" and "MessageBus" in text]
    (printed,) = [text for language, text in BLOCKS if language == "text"]
    exec(compile(example, "guide.md", "exec"), {})
    assert capsys.readouterr().out == printed


def test_a_node_that_spins_trades(shell):
    assert tomllib.loads(SPIN) == {"node": {"spin": True}}
    (shell.folder / "guide.py").write_text(STRATEGIES["Imbalance"], encoding="utf-8")
    profile = shell.profile("guide.py:Imbalance", node=SPIN.removeprefix("[node]\n"))
    ended = shell.run("run", profile, "--duration", "2", "--json")
    assert ended.code == 0, ended.err
    assert ended.summary["errors"] == 0
    assert ended.summary["events"]["SIGNAL"] > 0
