"""The risk actor of an account group: every order request passes the gate's check here, or is rejected with a code.

The checks are native (``libra-trading``, modules ``risk`` and ``gate``); the limits come from the profile.
"""

from libra.risk.actor import Risk

__all__ = ["Risk"]
