"""The command line: `libra run|config|new-strategy`, and verbs that other packages plug in.

- `main` dispatches to a verb and turns errors into exit codes; verbs are imported only when they are asked for.
- One verb a file: `run`, `config_verb`, `new_strategy`. A verb takes its arguments and returns its exit code.
- `run` builds the node by `libra.assembly.build` and only shows what it reports: `display` picks `live` (a table on a
  terminal) or `progress` (lines), `summary` words the end, `results` writes Parquet.

Nothing here computes money: every figure that is shown comes from the engine.
"""
