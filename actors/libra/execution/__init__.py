"""The execution actor of an account group: spends approvals, so that each becomes one order, once.

What happens between approval and venue is native (``libra-trading``, modules ``desk`` and ``gate``).
"""

from libra.execution.actor import Execution

__all__ = ["Execution"]
