"""The budget as one would write it without a thought for speed: everything is kept, and counted anew each time."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil

STEPS = 256


@dataclass
class Asked:
    number: int
    urgency: int
    cost: dict
    account: str
    deadline_ns: int | None
    state: str = "waiting"


@dataclass
class Reference:
    limits: list
    most_waiting: int
    spent: list = field(default_factory=list)  # (limit name, account, time, amount)
    waiting: list = field(default_factory=list)
    barred_until_ns: int = 0

    def used(self, now_ns, limit, account):
        step = max(1, limit.interval_ns // STEPS)
        return sum(
            amount
            for name, whose, at, amount in self.spent
            if name == limit.name and whose == account and now_ns < ceil(at / step) * step + limit.interval_ns
        )

    def whose(self, limit, account):
        return account if limit.per_account else ""

    def room(self, now_ns, limit, asked):
        most = limit.most if asked.urgency == 0 else limit.most - limit.reserve
        return most - self.used(now_ns, limit, self.whose(limit, asked.account))

    def ask(self, now_ns, asked):
        for limit in self.limits:
            most = limit.most if asked.urgency == 0 else limit.most - limit.reserve
            if asked.cost.get(limit.unit, 0) > most:
                asked.state = "TOO_LARGE"
                return
        bound = self.most_waiting if asked.urgency == 0 else self.most_waiting - self.most_waiting // 8
        if len(self.waiting) >= bound:
            asked.state = "QUEUE_FULL"
            return
        self.waiting.append(asked)
        self.pump(now_ns)

    def pump(self, now_ns):
        claimed = set()
        for asked in sorted(self.waiting, key=lambda asked: (asked.urgency, asked.number)):
            if asked.deadline_ns is not None and asked.deadline_ns <= now_ns:
                asked.state = "EXPIRED"
                continue
            short = {
                (limit.name, self.whose(limit, asked.account))
                for limit in self.limits
                if (amount := asked.cost.get(limit.unit, 0)) > 0
                and (
                    (limit.name, self.whose(limit, asked.account)) in claimed
                    or self.room(now_ns, limit, asked) < amount
                )
            }
            needed = {
                (limit.name, self.whose(limit, asked.account))
                for limit in self.limits
                if asked.cost.get(limit.unit, 0) > 0
            }
            claimed |= needed if short and asked.urgency == 0 else short
            if short or now_ns < self.barred_until_ns:
                continue
            asked.state = "granted"
            for limit in self.limits:
                if asked.cost.get(limit.unit, 0) > 0:
                    entry = (limit.name, self.whose(limit, asked.account), now_ns, asked.cost[limit.unit])
                    self.spent.append(entry)
        self.waiting = [asked for asked in self.waiting if asked.state == "waiting"]

    def sync(self, now_ns, name, used, account):
        limit = next(limit for limit in self.limits if limit.name == name)
        whose = self.whose(limit, account)
        ours = self.used(now_ns, limit, whose)
        if used > ours:
            self.spent.append((name, whose, now_ns, used - ours))
