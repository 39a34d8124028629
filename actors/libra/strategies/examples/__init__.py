"""Examples: strategies to read, to run, and to copy from."""
