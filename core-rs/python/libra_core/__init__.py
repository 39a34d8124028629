"""The native core of Libra: events, buses, the order path. Private to Libra; users import ``libra``."""

from libra_core._core import *  # noqa: F403
from libra_core._core import __all__ as __all__
