"""The budget as one would write it without a thought for speed: everything is kept, and counted anew each time."""

from __future__ import annotations

from dataclasses import dataclass, field

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
    spent: list = field(default_factory=list)  # (limit name, account, time, amount, place)
    told: list = field(
        default_factory=list
    )  # (limit name, account, place, count, its interval's number, time, its interval's end)
    waiting: list = field(default_factory=list)
    barred_until_ns: int = 0
    places: int = 0

    def used(self, now_ns, limit, account):
        step = max(1, limit.interval_ns // STEPS)
        own = sum(
            amount
            for name, whose, at, amount, _ in self.spent
            if name == limit.name and whose == account and now_ns < -(-at // step) * step + limit.interval_ns
        )
        return max(own, self.counted(now_ns, limit, account))

    def counted(self, now_ns, limit, account):
        """By the venue's words of the newest interval that is not over: the highest, with what was spent behind it."""
        words = [word for word in self.told if word[:2] == (limit.name, account) and word[6] > now_ns]
        newest = max((word[4] for word in words), default=0)
        spent = [entry for entry in self.spent if entry[:2] == (limit.name, account)]
        return max(
            (
                count + sum(amount for _, _, _, amount, place in spent if place > said)
                for _, _, said, count, number, _, _ in words
                if number == newest
            ),
            default=0,
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
                    self.places += 1
                    entry = (limit.name, self.whose(limit, asked.account), now_ns, asked.cost[limit.unit], self.places)
                    self.spent.append(entry)
        self.waiting = [asked for asked in self.waiting if asked.state == "waiting"]

    def sync(self, now_ns, name, used, account, left_ns, offset_ns):
        limit = next(limit for limit in self.limits if limit.name == name)
        length_ns = limit.interval_ns - limit.slack_ns
        number = (left_ns + offset_ns) // length_ns
        until_ns = (number + 1) * length_ns - offset_ns + limit.slack_ns
        if until_ns > now_ns:
            self.places += 1
            word = (name, self.whose(limit, account), self.places, used, number, now_ns, until_ns)
            self.told.append(word)
