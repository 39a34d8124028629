"""The portfolio actor of an account group: signals in, order requests out; it learns of orders from their events.

How it sizes is native (``libra-trading``, module ``portfolio``) and set by the profile.
"""

from libra.portfolio.actor import Portfolio

__all__ = ["Portfolio"]
