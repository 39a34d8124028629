"""The bridge as Python sees it: `settings` (its section of a profile) and `native` (the seam to what carries events).

Reading a profile needs the settings alone, so nothing is imported here.
"""
