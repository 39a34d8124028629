"""The operator's way into a running node: a Unix-domain socket a node, and who finds and asks it.

`folder` is where nodes of this host are found, `messages` what is said, `server` the node's side, `client` the
operator's, `peer` tells who is at the other end, `spare` has room for one more. Nothing here knows what a verb does: a
node hands its verbs to the server. docs/operating.md has the protocol.
"""
