"""What is kept beside the order gate's logs, for people and programs to read. Nothing here decides anything.

- `journal`: each account's log as tables of an SQLite database.

Data goes one way: from a log, which is the account's only truth, to what is made of it.
"""
