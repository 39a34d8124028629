"""A process that holds a topology's server until its standard input ends, and says which server it is."""

import sys

from libra_cluster.server.membership import ServerMembership

if __name__ == "__main__":
    membership = ServerMembership(sys.argv[1], appendonly="appendonly" in sys.argv)
    sys.stdout.write((membership.socket_path.parent / "server.pid").read_text(encoding="utf-8") + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    membership.close()
    sys.stdout.write("left\n")
