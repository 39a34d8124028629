"""A user's class by its path: ``package.module:Class`` or ``path/to/file.py:Class``."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import logging
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from libra.core.own_context import under_a_copy
from libra.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["load_class"]

_log = logging.getLogger(__name__)


def load_class(class_path: str) -> type[Any]:
    """Import a class.

    Args:
        class_path: The module, or the file, and the class's name behind a colon.

    Returns:
        The class.

    Raises:
        ConfigError: When there is no such module, file or class, or its code fails while it is imported.
    """
    where, _, name = class_path.rpartition(":")
    try:
        module = _import(where)
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{class_path} cannot be imported: {_explain(error, where)}") from error
    found = getattr(module, name, None)
    if not isinstance(found, type):
        raise ConfigError(f"{class_path}: {where} has no class {name}")
    return found


def _import(where: str) -> Any:  # noqa: ANN401 - a module
    load: Callable[[str], Any] = _load_file if where.endswith(".py") else importlib.import_module
    module, changed = under_a_copy(load, where)
    if changed:
        _log.warning(
            "%s changes %s of decimal when it is imported: that holds for no actor; set it in on_start",
            where,
            ", ".join(changed),
        )
    return module


def _load_file(where: str) -> Any:  # noqa: ANN401 - a module
    path = Path(where)
    # Two files of one name must not take each other's place.
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    name = f"_libra_user_{path.stem}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _explain(error: BaseException, where: str) -> str:
    """The error and the user's own line that raised it."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(Path(where).name)]
    place = f"line {frames[-1].lineno}: " if frames and where.endswith(".py") else ""
    return f"{place}{type(error).__name__}: {error}"
