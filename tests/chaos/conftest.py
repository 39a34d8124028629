"""What holds after every chaos test: nothing runs on, and nothing is left lying about."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def processes_of(folder: Path) -> list[str]:
    """Processes that work in a folder or were told of it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(folder) in told or str((process / "cwd").readlink()).startswith(str(folder)):
                found.append(f"{process.name}: {told}")
        except OSError:
            continue
    return found


@pytest.fixture(autouse=True)
def _nothing_stays(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    # Pytest's own folders are made before the others have a place of theirs.
    tmp_path_factory.getbasetemp()
    # Not where pytest keeps its folders: the path of a Unix socket has to be short.
    folder = Path(tempfile.mkdtemp(prefix="lc-"))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    left = [str(path) for path in folder.rglob("*")]
    shutil.rmtree(folder)
    assert not left
    assert not processes_of(folder)
