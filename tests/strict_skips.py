"""For all tests: a skip that nobody allowed fails the run in CI.

With `CI=true` or `LIBRA_STRICT_SKIPS=1` each skipped test has to be on the list in `allowed_skips.toml` beside this
file, under the reason that it gave; a skip for another reason is a failure like any other.
"""

from __future__ import annotations

import fnmatch
import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ALLOWED_SKIPS = Path(__file__).with_name("allowed_skips.toml")


@dataclass(frozen=True)
class AllowedSkip:
    """One entry of the list.

    Args:
        test: The test's id, with `*` and `?` as in a shell.
        message: Stands in the reason that the test gives for its skip.
        reason: Why the skip is all right; for whoever reads the list.
    """

    test: str
    message: str
    reason: str

    def __post_init__(self) -> None:
        for name in ("test", "message", "reason"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                raise pytest.UsageError(f"{ALLOWED_SKIPS.name}: every [[skip]] needs a {name}")

    def allows(self, node_id: str, message: str) -> bool:
        """True when this entry is about that test and that reason."""
        return fnmatch.fnmatchcase(node_id, self.test) and self.message in message


@dataclass(eq=False)  # pytest keeps plugins in sets
class StrictSkips:
    """Collects the skips that nobody allowed and fails the run for them."""

    allowed: list[AllowedSkip]
    refused: dict[str, str] = field(default_factory=dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test, or its set-up, that was skipped. An expected failure is no skip."""
        if report.skipped and not hasattr(report, "wasxfail"):
            self._note(report.nodeid, report.longrepr)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A whole file that was skipped when it was read."""
        if report.skipped:
            self._note(report.nodeid, report.longrepr)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Green turns red; what is red already stays what it is."""
        if self.refused and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Names them."""
        if self.refused:
            terminalreporter.section(f"skips that {ALLOWED_SKIPS.name} does not list", red=True)
            for node_id, message in self.refused.items():
                terminalreporter.write_line(f"{node_id}: {message}", red=True)

    def _note(self, node_id: str, longrepr: object) -> None:
        message = str(longrepr[2] if isinstance(longrepr, tuple) else longrepr)
        if not any(entry.allows(node_id, message) for entry in self.allowed):
            self.refused[node_id] = message


def pytest_configure(config: pytest.Config) -> None:
    """Turns the rule on where it holds."""
    if os.environ.get("CI", "").lower() == "true" or os.environ.get("LIBRA_STRICT_SKIPS") == "1":
        config.pluginmanager.register(StrictSkips(_read_allowed()), "libra-strict-skips")


def _read_allowed() -> list[AllowedSkip]:
    entries = tomllib.loads(ALLOWED_SKIPS.read_text(encoding="utf-8")).get("skip", [])
    try:
        return [AllowedSkip(**entry) for entry in entries]
    except TypeError as error:
        raise pytest.UsageError(
            f"{ALLOWED_SKIPS.name}: every [[skip]] has test, message and reason ({error})"
        ) from error
