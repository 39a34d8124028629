"""Arguments that several verbs share: which profile, and what is laid over it."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libra.config import Flags


def add_profile_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds PROFILE, --data, --speed, --duration, --seed and --set."""
    parser.add_argument(
        "profile",
        nargs="?",
        metavar="PROFILE",
        help="a name in ./config or among the profiles that come with Libra, or a path with .toml or a slash "
        "(default: paper; replay where --data is given)",
    )
    parser.add_argument("--data", nargs="+", action="extend", metavar="FILE", help="replay these recordings")
    parser.add_argument(
        "--speed", type=_speed, metavar="max|1|N", help="pace of simulated time: as fast as it goes, real, N times that"
    )
    parser.add_argument("--duration", type=_seconds, metavar="S", help="stop after S seconds of the node's clock")
    parser.add_argument("--seed", type=_seed, metavar="N", help="seed of every random generator")
    parser.add_argument(
        "--set", action="append", metavar="section.key=value", help="lay one setting over the profile; may be repeated"
    )


def flags_of(options: argparse.Namespace) -> Flags:
    """What was given by the arguments that `add_profile_arguments` added."""
    from libra.config import Flags

    return Flags(
        data=tuple(options.data or ()),
        speed=options.speed,
        duration_s=options.duration,
        seed=options.seed,
        sets=tuple(options.set or ()),
    )


def _speed(text: str) -> float | str:
    if text == "max":
        return "max"
    number = _number(text)
    if number is None or not 0 < number < 1_000_000:
        raise argparse.ArgumentTypeError(f'has to be "max" or a number above zero, not "{text}"')
    return number


def _seconds(text: str) -> float:
    number = _number(text)
    if number is None or number <= 0:
        raise argparse.ArgumentTypeError(f'has to be a number of seconds above zero, not "{text}"')
    return number


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 2**63):
        raise argparse.ArgumentTypeError(f'has to be a whole number from 0 to 2^63 - 1, not "{text}"')
    return int(text)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
