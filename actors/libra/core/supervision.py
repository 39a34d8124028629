"""Supervision: what happens to an actor whose hook raised, and to those that stand with it.

Actors stand in a tree of groups, as Erlang/OTP's supervisors do. A failure is counted, and decided by the group:

| who failed | within the intensity | over it |
| --- | --- | --- |
| an actor of a `ONE_FOR_ONE` group | it alone is started anew, after a wait | the group has failed |
| an actor of a `REST_FOR_ONE` group | it and all that were added after it | the group has failed |
| a group inside another | as an actor of the outer group, with all its actors | the outer group has failed |
| an actor of the node itself | it alone is started anew | it is given up |
| a group of the node itself | it is started anew as a whole | all its actors are given up |

Those that are concerned are taken down in the reverse order of adding, each with its ``on_stop`` but for the one that
failed, and started in order, each when the one before it is running.

A group counts the failures of all its members together, by its policy; a member with a policy of its own is counted by
that as well. The node itself counts each member by itself, so that one that keeps failing costs no other its life. The
wait doubles with each failure in the period, up to a limit; a part of it is drawn at random, so that what failed
together does not come back together. A group that is started anew has forgotten the failures of its members.

Where giving up helps nobody, a policy names a ``slow_restart_s``: what would be given up has *exhausted* its intensity
instead. That is told, and it is started again after so long, each time, for as long as it takes.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["RestartPolicy", "RestartStrategy", "Restarts", "SupervisionTree", "Verdict"]


class RestartStrategy(StrEnum):
    """Whom a failing member of a group takes along."""

    ONE_FOR_ONE = "one_for_one"
    REST_FOR_ONE = "rest_for_one"


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How often a failing actor, or the actors of a group, are started again.

    Attributes:
        max_restarts: Restarts allowed within the period; one failure more ends the actor, or the group.
        period_s: The period, in seconds of the node's clock.
        backoff_s: The wait before the first restart in a period; it doubles with each.
        max_backoff_s: The longest wait.
        jitter: The part of a wait that is drawn at random: 0.2 makes it 80 to 100 % of its length.
        slow_restart_s: Of an actor of the node, or of a group as a whole: the wait beyond the intensity, until it has
            not failed for a period; None gives it up.
    """

    max_restarts: int = 3
    period_s: float = 60.0
    backoff_s: float = 0.1
    max_backoff_s: float = 5.0
    jitter: float = 0.2
    slow_restart_s: float | None = None


@dataclass(slots=True)
class Restarts:
    """Counts failures against a policy.

    Args:
        policy: The policy.
        draw: Gives numbers from 0 to 1 for the jitter.
    """

    policy: RestartPolicy
    draw: Callable[[], float] = random.random
    _times_ns: deque[int] = field(default_factory=deque)
    _exhausted_ns: int | None = None
    """When it failed last beyond the intensity."""

    def next_wait_s(self, now_ns: int) -> float | None:
        """A failure at ``now_ns``: seconds to wait before the restart, or None when that was one too many."""
        policy = self.policy
        period_ns = round(policy.period_s * 1e9)
        if self._is_exhausted(now_ns, period_ns):
            return None
        while self._times_ns and now_ns - self._times_ns[0] > period_ns:
            self._times_ns.popleft()
        if len(self._times_ns) >= policy.max_restarts:
            self._exhausted_ns = now_ns
            return None
        wait_s = min(policy.backoff_s * 2.0 ** min(len(self._times_ns), 64), policy.max_backoff_s)
        self._times_ns.append(now_ns)
        return wait_s * (1.0 - policy.jitter * self.draw()) if policy.jitter else wait_s

    def slow_wait_s(self) -> float | None:
        """Seconds to wait beyond the intensity; None to give up."""
        slow_s = self.policy.slow_restart_s
        return None if slow_s is None else slow_s * (1.0 - self.policy.jitter * self.draw())

    def _is_exhausted(self, now_ns: int, period_ns: int) -> bool:
        """True for a failure that comes too soon behind a slow restart to begin anew."""
        slow_s, last_ns = self.policy.slow_restart_s, self._exhausted_ns
        if slow_s is None or last_ns is None:
            return False
        if now_ns - last_ns > round(slow_s * 1e9) + period_ns:
            self.forget()
            return False
        self._exhausted_ns = now_ns
        return True

    def forget(self) -> None:
        """Begin anew."""
        self._times_ns.clear()
        self._exhausted_ns = None


@dataclass(slots=True, eq=False)
class _Member:
    """An actor, or a group of them."""

    name: str
    parent: _Member | None
    own: Restarts | None
    """Counts this member's own failures."""
    within: Restarts | None = None
    """Of a group: counts those of its members together."""
    strategy: RestartStrategy = RestartStrategy.ONE_FOR_ONE
    children: list[_Member] = field(default_factory=list)
    is_group: bool = False

    def actors(self) -> Iterator[str]:
        """The actors at or below, in the order of adding."""
        if not self.is_group:
            yield self.name
        for child in self.children:
            yield from child.actors()

    def groups(self) -> Iterator[_Member]:
        """The groups that it stands in, the innermost first; the node itself is the last."""
        above = self.parent
        while above is not None:
            yield above
            above = above.parent

    def begin_anew(self) -> None:
        """A group forgets the failures of all that it holds; not its own as a whole."""
        counters = [self.within, *(child.own for child in self.children)]
        for restarts in filter(None, counters):
            restarts.forget()
        for child in self.children:
            child.begin_anew()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a failure leads to.

    Attributes:
        actors: Those that are concerned, in the order of their start; the one that failed among them.
        wait_s: Seconds until they are started again; None when they are given up.
        why: For people: whose intensity was exceeded, where one was.
        exhausted: They would be given up, did their policy not start them again all the same.
    """

    actors: tuple[str, ...]
    wait_s: float | None
    why: str = ""
    exhausted: bool = False


class SupervisionTree:
    """The groups of a node and their actors: decides, and does nothing else.

    Args:
        policy: Of whoever has none of their own.
        draw: Gives a generator of numbers from 0 to 1, by the name of whom it is for.
    """

    def __init__(
        self, policy: RestartPolicy, draw: Callable[[str], Callable[[], float]] = lambda _: random.random
    ) -> None:
        self._policy = policy
        self._draw = draw
        self._root = _Member("", None, None, is_group=True)
        self._actors: dict[str, _Member] = {}
        self._groups: dict[str, _Member] = {}

    def add_group(
        self,
        name: str,
        *,
        strategy: RestartStrategy = RestartStrategy.ONE_FOR_ONE,
        policy: RestartPolicy | None = None,
        whole: RestartPolicy | None = None,
        parent: str | None = None,
    ) -> None:
        """Add a group.

        Args:
            name: Its name.
            strategy: Whom a failing member takes along.
            policy: How often its members may fail, all together.
            whole: How often it may be started anew as a whole.
            parent: The group it stands in; the node itself where left out.

        Raises:
            ValueError: When there is a group of that name.
            KeyError: When there is no group ``parent``.
        """
        if name in self._groups:
            raise ValueError(f"there is a group named {name!r} already")
        above = self._group(parent)
        within = Restarts(policy or self._policy, self._draw(f"group {name}"))
        own = self._own(f"whole {name}", whole, above)
        group = _Member(name, above, own, within, RestartStrategy(strategy), is_group=True)
        above.children.append(group)
        self._groups[name] = group

    def add_actor(self, name: str, *, group: str | None = None, policy: RestartPolicy | None = None) -> None:
        """Add an actor, behind those that its group has.

        Raises:
            KeyError: When there is no such group.
        """
        above = self._group(group)
        actor = _Member(name, above, self._own(name, policy, above))
        above.children.append(actor)
        self._actors[name] = actor

    def decide(self, name: str, now_ns: int) -> Verdict:
        """An actor failed at ``now_ns``: what follows."""
        member = self._actors[name]
        why, slow_s = "", None
        for above in member.groups():
            counters = [counter for counter in (member.own, above.within) if counter is not None]
            waits = [(counter, counter.next_wait_s(now_ns)) for counter in counters]
            exceeded = [counter for counter, wait_s in waits if wait_s is None]
            if not exceeded:
                longest = max(wait_s for _, wait_s in waits if wait_s is not None)
                return Verdict(tuple(self._concerned(member, above)), longest, why)
            limit = exceeded[0]
            whose = member.name if limit is member.own else f"group {above.name}"
            why = f"{whose}: more than {limit.policy.max_restarts} failures within {limit.policy.period_s:g} s"
            if above is not self._root:
                above.begin_anew()
                member = above
            else:
                slow_s = limit.slow_wait_s()
        return Verdict(tuple(member.actors()), slow_s, why, exhausted=slow_s is not None)

    def give_up(self, name: str, why: str) -> Verdict:
        """An actor failed in a way that another instance would not mend: it is given up, with those that hang on it."""
        member = self._actors[name]
        above = next(iter(member.groups()))
        return Verdict(tuple(self._concerned(member, above)), None, why)

    @staticmethod
    def _concerned(member: _Member, above: _Member) -> Iterator[str]:
        takes_rest = above.strategy is RestartStrategy.REST_FOR_ONE
        for sibling in above.children[above.children.index(member) :] if takes_rest else [member]:
            yield from sibling.actors()

    def _own(self, name: str, policy: RestartPolicy | None, above: _Member) -> Restarts | None:
        """The node itself counts each member by itself; a group only those that have a policy of their own."""
        if policy is None and above is not self._root:
            return None
        return Restarts(policy or self._policy, self._draw(name))

    def _group(self, name: str | None) -> _Member:
        return self._root if name is None else self._groups[name]
