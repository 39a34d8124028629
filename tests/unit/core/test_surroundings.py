"""What belongs to the whole process: what it is put back to, and how it is told. tests/integration/ has real runs."""

import logging
import os
import sys
from pathlib import Path

import pytest

from libra.core.surroundings import Surroundings


@pytest.fixture
def surroundings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Surroundings(list)


def test_a_folder_that_somebody_left_is_returned_to_and_he_is_told_once(surroundings, tmp_path, caplog):
    (tmp_path / "elsewhere").mkdir()
    for _ in range(3):
        os.chdir(tmp_path / "elsewhere")
        surroundings.look("a")
        assert Path.cwd() == tmp_path
    os.chdir(tmp_path / "elsewhere")
    surroundings.look(None)
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == [
        "actor a changed what belongs to the whole process: os.chdir",
        "somebody's code changed what belongs to the whole process: os.chdir",
    ]


def test_a_folder_that_is_gone_is_told_and_nothing_else_is_left_undone(surroundings, tmp_path, caplog):
    (tmp_path / "elsewhere").mkdir()
    os.chdir(tmp_path / "elsewhere")
    gone = tmp_path.with_name(f"{tmp_path.name}-gone")
    tmp_path.rename(gone)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(100)
    surroundings.look("a")
    assert sys.getswitchinterval() == pytest.approx(interval)
    assert "os.chdir (there is no way back: No such file or directory)" in caplog.text
    gone.rename(tmp_path)
    os.chdir(tmp_path)


def test_what_is_as_it_was_is_not_told(surroundings, caplog):
    interval, limit = sys.getswitchinterval(), sys.getrecursionlimit()
    try:
        # More often than it was, and deeper, does no harm.
        sys.setswitchinterval(interval / 5)
        sys.setrecursionlimit(limit + 100)
        logging.getLogger("libra.actor.a").setLevel(logging.CRITICAL)
        logging.getLogger("libra.core.surroundings").setLevel(logging.NOTSET)
        surroundings.look("a")
        assert sys.getrecursionlimit() == limit + 100
    finally:
        sys.setswitchinterval(interval)
        sys.setrecursionlimit(limit)
        logging.getLogger("libra.actor.a").setLevel(logging.NOTSET)
    surroundings.look("a")
    assert caplog.records == []


def test_a_logger_that_was_off_before_stays_off():
    mute = logging.getLogger("libra.mute")
    try:
        mute.disabled = True
        surroundings = Surroundings(list)
        surroundings.look(None)
        assert mute.disabled
        mute.disabled = False
        surroundings.look(None)
        assert mute.disabled
    finally:
        mute.disabled = False


def test_a_logger_of_ours_that_is_made_later_is_ours_too():
    surroundings = Surroundings(list)
    late = logging.getLogger("libra.late")
    late.disabled = True
    surroundings.look(None)
    assert not late.disabled


def test_what_nobody_foresaw_is_told_and_the_node_goes_on(caplog):
    def odd():
        raise RuntimeError("odd")

    Surroundings(odd).look("a")
    assert "what belongs to the whole process could not be put back" in caplog.text
    assert "odd" in caplog.text


def test_where_there_is_no_folder_there_is_nothing_to_return_to(tmp_path, monkeypatch, caplog):
    here = Path.cwd()
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    surroundings = Surroundings(list)
    os.chdir(here)
    surroundings.look("a")
    assert caplog.records == []
    assert Path.cwd() == here
