"""What somebody's code does to `logging` and stderr is put back, and told by name. tests/integration/ has real runs."""

import io
import logging
import sys

import pytest

from libra.core import log_lines
from libra.core.log_lines import LogLines


@pytest.fixture
def ours():
    """The node's logger with a handler of its own, as it stood before."""
    logger, handler = logging.getLogger("libra"), logging.StreamHandler(io.StringIO())
    before = (list(logger.handlers), logger.level, logger.propagate, logging.root.manager.disable)
    logger.addHandler(handler)
    # Whoever configured it for a run has its lines end here.
    logger.propagate = True
    yield logger, handler
    logger.handlers, logger.propagate = before[0], before[2]
    logger.setLevel(before[1])
    logging.disable(before[3])


def test_lines_that_are_turned_off_for_all_are_turned_on_again(ours):
    lines = LogLines()
    logging.disable(logging.CRITICAL)
    assert lines.look() == ["logging.disable"]
    assert logging.getLogger("libra.core").isEnabledFor(logging.ERROR)
    assert lines.look() == []


def test_a_logger_of_the_node_is_as_loud_as_it_was_and_its_lines_go_where_they_went(ours):
    made, lines = logging.getLogger("libra.core.made"), LogLines()
    made.setLevel(logging.CRITICAL)
    made.propagate = False
    assert lines.look() == ["the loggers libra.core.made"]
    assert (made.level, made.propagate) == (logging.NOTSET, True)
    assert lines.look() == []


def test_handlers_that_were_taken_away_or_deafened_are_there_again(ours):
    logger, handler = ours
    root_handlers, root_level = list(logging.root.handlers), logging.root.level
    lines = LogLines()
    try:
        logger.handlers = []
        logging.root.handlers = []
        handler.setLevel(logging.CRITICAL + 1)
        handler.addFilter(lambda _record: False)
        logging.root.setLevel(logging.CRITICAL + 1)
        assert lines.look() == ["handlers of the node's log lines"]
        assert handler in logger.handlers
        assert logging.root.handlers == root_handlers
        assert (handler.level, handler.filters, logging.root.level) == (logging.NOTSET, [], root_level)
        assert lines.look() == []
    finally:
        logging.root.handlers = root_handlers
        logging.root.setLevel(root_level)


def test_records_are_made_as_they_were(ours):
    lines, before = LogLines(), logging.getLogRecordFactory()
    try:
        logging.setLogRecordFactory(lambda *_args, **_more: None)
        assert lines.look() == ["logging.setLogRecordFactory"]
        assert logging.getLogRecordFactory() is before
    finally:
        logging.setLogRecordFactory(before)


@pytest.mark.parametrize("there", [True, False])
def test_a_stderr_that_was_closed_is_opened_anew_where_the_process_has_one(ours, monkeypatch, there):
    """Closing the object leaves the descriptor; a process that has none goes on without."""
    mine = io.StringIO()
    monkeypatch.setattr(sys, "stderr", mine)
    lines = LogLines()
    mine.close()
    if not there:
        monkeypatch.setattr(log_lines, "_STDERR", 1_000_000)
    assert lines.look() == ["sys.stderr"]
    if there:
        assert sys.stderr.fileno() == 2
        assert not sys.stderr.closed
    else:
        assert sys.stderr is None


def test_a_stderr_that_somebody_has_replaced_is_the_nodes_again(ours, monkeypatch):
    mine = io.StringIO()
    monkeypatch.setattr(sys, "stderr", mine)
    lines = LogLines()
    sys.stderr = io.StringIO()
    assert lines.look() == ["sys.stderr"]
    assert sys.stderr is mine
