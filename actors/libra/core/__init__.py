"""Events and how they move in one process: thin Python over the native core.

``events`` and ``message_bus`` stand alone; ``actor``, ``supervision``, ``clock`` and ``node`` build on them. An event
goes one way: made, published, put into mailboxes, handled.
"""
