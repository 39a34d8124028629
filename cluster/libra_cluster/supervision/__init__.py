"""One command for a topology: its nodes as child processes, told, stopped and summed up as one run.

`supervisor` is the run, `child` one process of it, `merge` makes one summary of several. A node trades on while we are
busy, or stopped: nothing waits for us.
"""
