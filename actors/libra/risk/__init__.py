"""The risk actor of an account group: every order request passes the gate's check here, or is rejected with a code.

The checks are native (``libra-trading``, modules ``risk`` and ``gate``); the limits come from the profile,
and an operator may change them while the account trades.
"""

from libra.risk.actor import Risk
from libra.risk.limits import LimitChange, LimitsChange, change_limits

__all__ = ["LimitChange", "LimitsChange", "Risk", "change_limits"]
