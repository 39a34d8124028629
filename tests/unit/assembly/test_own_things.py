"""What a strategy is given is its instance's own, or cannot be changed; what its module sets holds for nobody else."""

import decimal

import pytest
from tests.integration.conftest import Shell

from libra.assembly import build
from libra.assembly.load_class import load_class
from libra.config import Flags, load
from libra.errors import ConfigError

STRATEGY = "def on_start(self):\n    pass"


@pytest.fixture
def settings(tmp_path):
    def settings(more):
        shell = Shell(tmp_path)
        shell.profile(shell.strategy(STRATEGY), clock="simulated", strategy_more=more)
        return load(tmp_path / "test.toml", flags=Flags(duration_s=0.1), environ={})

    return settings


def test_each_instance_has_its_parameters(settings):
    node = build(settings('params = { levels = [1, 2], map = { x = 1 } }\non_vanish = "keep"'))
    (name,) = [strategy.name for strategy in node.strategies]
    factory = node._actors._places[node._actors.slot_of(name)].factory
    first = factory()
    first.params["levels"].pop()
    first.params["map"]["x"] = 2
    assert factory().params == {"levels": [1, 2], "map": {"x": 1}}
    assert node.settings.strategies[0].params == {"levels": [1, 2], "map": {"x": 1}}
    with pytest.raises(TypeError):
        first.instruments["BTC/USDT:USDT"] = None
    assert first.instruments["BTC/USDT:USDT"] is factory().instruments["BTC/USDT:USDT"]


def test_parameters_that_cannot_be_copied_are_refused_at_once(settings):
    given = settings('params = { made = "in Python" }')
    given.strategies[0].params["made"] = (row for row in ())
    with pytest.raises(ConfigError, match=r"strategies\.mine\.params: each instance gets a copy, and TypeError"):
        build(given)


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("decimal.getcontext().prec = 4", "prec"),
        ("decimal.setcontext(decimal.Context(rounding=decimal.ROUND_UP))", "rounding"),
        ("decimal.DefaultContext.traps[decimal.Inexact] = True", "DefaultContext.traps"),
        ("decimal.getcontext().clear_flags()", ""),
    ],
)
def test_a_module_that_sets_decimals_when_it_is_imported_is_told_of(tmp_path, caplog, line, names):
    file = tmp_path / "sets.py"
    file.write_text(f"import decimal\n\n{line}\n\n\nclass Sets:\n    pass\n", encoding="utf-8")
    # As in a fresh process: tests before this one may have left another context behind.
    with decimal.localcontext(decimal.Context()):
        before, default = repr(decimal.getcontext()), repr(decimal.DefaultContext)
        assert load_class(f"{file}:Sets").__name__ == "Sets"
        assert (repr(decimal.getcontext()), repr(decimal.DefaultContext)) == (before, default)
    told = f"{file} changes {names} of decimal when it is imported: that holds for no actor; set it in on_start"
    assert [record.getMessage() for record in caplog.records] == ([told] if names else [])
