"""The main job as a user runs it: live, at full speed, with the README's strategy, and under `make run` until Ctrl-C.

Each run has to trade, to leave nothing but its JSON object on standard output, and to end with exit code 0.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
LIBRA = str(REPOSITORY / ".venv" / "bin" / "libra")
TIMEOUT_S = 120


class SmokeError(Exception):
    """A run did not do what a user expects of it."""


def main() -> int:
    """Runs all; prints a line for each."""
    try:
        live = run_paper("--duration", "3")
        require(live["digest"] is None, "a live run has no digest")
        report("live, 3 s", live)
        fast = run_paper("--speed", "max", "--duration", "30")
        again = run_paper("--speed", "max", "--duration", "30")
        require(bool(fast["digest"]), "a simulated run has a digest")
        require(fast["digest"] == again["digest"], "a run done twice gives the same digest")
        report("simulated, 30 s, twice the same digest", fast)
        report("the README's strategy, 30 s", run_readme())
        print(f"smoke: stopped by Ctrl-C: {interrupt_make_run()}")
    except SmokeError as error:
        print(f"smoke: {error}", file=sys.stderr)
        return 1
    return 0


def run_readme() -> dict[str, object]:
    """Runs the strategy that the README shows in the place of the profile's own."""
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    code = readme.partition("```python\n")[2].partition("```")[0]
    name = code.partition("class ")[2].partition("(")[0]
    where = f"strategies.sma_crossover.class=readme.py:{name}"
    return run_paper("--speed", "max", "--duration", "30", "--set", where, files={"readme.py": code})


def run_paper(*arguments: str, files: Mapping[str, str] | None = None) -> dict[str, object]:
    """Runs the paper profile in a folder where only ``files`` and what Libra carries is found; gives its summary."""
    command = [LIBRA, "run", "paper", *arguments, "--json"]
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (files or {}).items():
            Path(folder, name).write_text(text, encoding="utf-8")
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    shown = f"{' '.join(command[1:])}: "
    require(done.returncode == 0, f"{shown}exit code {done.returncode}\n{done.stderr}")
    try:
        summary = json.loads(done.stdout)
    except ValueError as error:
        raise SmokeError(f"{shown}standard output is not one JSON object ({error}):\n{done.stdout[:2000]}") from error
    require(isinstance(summary, dict), f"{shown}standard output is not a JSON object")
    for name in ("fills", "signals"):
        require(isinstance(summary[name], int) and summary[name] > 0, f"{shown}{name} is {summary[name]}")
    for name in ("errors", "malformed"):
        require(summary[name] == 0, f"{shown}{name} is {summary[name]}")
    require(summary["events"].get("QUOTE", 0) > 0, f"{shown}no quotes")
    return summary


def interrupt_make_run() -> str:
    """Starts `make run` as a terminal does, waits for its first fill and sends Ctrl-C to the whole group."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    process = subprocess.Popen(
        ["make", "run"],
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if "first fill" in line:
                break
        else:
            raise SmokeError(f"make run ended without a fill:\n{''.join(lines)}")
        os.killpg(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=TIMEOUT_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    verdict = next((line for line in rest.splitlines() if line.startswith("done")), None)
    require(verdict is not None, f"make run printed no summary after Ctrl-C:\n{rest}")
    require("Traceback" not in rest and "interrupted" not in rest, f"make run did not drain after Ctrl-C:\n{rest}")
    return verdict.strip()


def report(what: str, summary: dict[str, object]) -> None:
    """A line about a run that went well."""
    print(f"smoke: {what}: {sum(summary['events'].values()):,} events, {summary['fills']} fills, exit 0")


def require(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as the sentence it is
    """Raises where something does not hold."""
    if not holds:
        raise SmokeError(otherwise)


if __name__ == "__main__":
    sys.exit(main())
