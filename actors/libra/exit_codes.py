"""How a run ends, as the exit code of the command line says it. Imports nothing, so anyone may import it."""

OK = 0
FAILED = 1
USAGE = 2
"""A wrong argument or a wrong configuration: nothing was started."""
RISK_STOP = 3
"""The run ended with an account that did not trade: someone has to look before it goes on."""
