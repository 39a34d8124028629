"""From settings to a running node: the one place that knows configuration, actors and the native core together.

- `load_class` — a user's class by its path;
- `instruments` — settings as native instruments;
- `options`, `sources`, `accounts` — how the node runs, its native market data, its account groups;
- `vanished`, `operator` — strategies that are no more; what an operator may ask;
- `trading_node` — the node with its accounts, sources and strategies;
- `summary` — what a run has to tell at its end, and while it runs.
"""

from libra.assembly.trading_node import RunResult, TradingNode, build

__all__ = ["RunResult", "TradingNode", "build"]
