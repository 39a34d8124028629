"""The Valkey server of a topology that has none at hand: one for all its processes on this host, gone with the last.

- `membership` — a process joins: it finds the server, or starts it;
- `guardian` — the process behind the server: it counts the members by their open connections, which the kernel closes
  however a process dies, and ends the server behind the last of them;
- `paths` — the files in the run folder, and the locks.

The server dies with its guardian, the guardian behind its last member, and whoever starts the next one clears what a
lost machine left. So nothing outlives the topology, whichever of its processes is killed by SIGKILL.
"""
