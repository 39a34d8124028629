"""Exit codes of the command line."""

OK = 0
FAILED = 1
USAGE = 2
"""A wrong argument or a wrong configuration: nothing was started."""
RISK_STOP = 3
"""The run was ended by a risk limit."""
