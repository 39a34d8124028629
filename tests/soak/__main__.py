"""``make soak``: an hour's load on each of the loads, with what it takes and whether that is flat."""

from __future__ import annotations

import argparse
import sys

from tests.soak.flat import BYTES_AN_ORDER, bytes_an_order, rises
from tests.soak.probe import Sample
from tests.soak.watch import LOADS, soak


def main() -> int:
    """Run what the command line asks for; 1 when something is not flat."""
    parser = argparse.ArgumentParser(prog="make soak", description="Memory under an hour's load, in minutes.")
    parser.add_argument("--hours", type=float, default=1.0, help="how much load (1)")
    parser.add_argument("--only", choices=LOADS, action="append", help="one load; may be repeated")
    options = parser.parse_args()
    bad = 0
    for load in options.only or LOADS:
        print(f"{load}: {options.hours:g} h of load")
        print(f"{'at':>6}{'events':>11}{'orders':>9}{'rss MiB':>9}{'blocks':>10}{'objects':>9}{'fds':>5}{'threads':>9}")
        soaked = soak(load, options.hours, _show)
        for rise in rises(soaked.samples):
            if not rise.is_flat or rise.what in ("rss", "blocks", "descriptors", "threads"):
                verdict = "flat" if rise.is_flat else "NOT FLAT"
                print(f"  {rise.what:<40} rises by {rise.by:>12.1f}, allowed {rise.allowed:>12.1f}: {verdict}")
                bad += not rise.is_flat
        per_order = bytes_an_order(soaked.samples)
        if per_order is not None:
            print(f"  {per_order:.0f} bytes an order, all that grew beside it included (allowed: {BYTES_AN_ORDER})")
    print("flat" if not bad else f"{bad} not flat")
    return int(bool(bad))


def _show(sample: Sample) -> None:
    objects = sum(sample.objects.values())
    print(
        f"{sample.at:>6.0%}{sample.events:>11,}{sample.orders:>9,}{sample.rss / 2**20:>9.1f}{sample.blocks:>10,}"
        f"{objects:>9,}{sample.descriptors:>5}{sample.threads:>9}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
