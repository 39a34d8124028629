"""Libra over several processes: one topology, its nodes joined by a bridge through Redis.

| here | what |
| --- | --- |
| `bridge` | `[bridge]` of a profile, and the seam to the native bridge |
| `topology` | `[nodes.NAME]` of a profile: which node builds what |
| `server` | the embedded Valkey server that the processes of a topology share, and its guardian |
| `member` | one node of a topology, as a process: `python -m libra_cluster.member` |
| `supervision` | starts the members, forwards signals, drains them in order, merges what they tell |
| `plugin` | what all this adds to `libra`: sections of a profile, and the run of one that has `[nodes]` |

It stands above `libra`, which finds it by entry point and never imports it. No event passes through any of this: the
native bridge carries them, and these modules start and stop what does.
"""
