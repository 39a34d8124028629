"""`libra cluster`: topologies, from the command line.

`main` finds the action, `plan` says what would run where.
"""
