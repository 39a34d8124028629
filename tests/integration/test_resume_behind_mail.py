"""An operator who is faster than an actor's mail: what waited for a kill switch does not leave behind the resume."""

ONCE = """
def on_start(self):
    self.n = 0

def on_quote(self, quote):
    self.n += 1
    if self.n == 50:
        self.submit(quote.symbol, OrderSide.BUY, "0.001", price=quote.bid - 500)
"""


def test_a_request_from_before_the_kill_switch_does_not_leave_behind_the_resume(shell):
    from libra.assembly import trading_node
    from libra.config import load

    profile = shell.profile(shell.strategy(ONCE), quotes_hz=200, node="control = false")
    node = trading_node.build(load(shell.folder / profile))
    seen = {"paused": False, "resumed": False}

    def look(_status):
        account, core = node.accounts["paper"], node.core
        slot = node.find_slot("paper.risk")
        if not seen["paused"]:
            core.set_paused(slot, True)
            seen["paused"] = True
        elif not seen["resumed"]:
            if core.waiting(slot) > 0:
                # The order waits for risk. The switch is set, looked at, and taken back.
                account.kill("an operator")
                account.resume("an operator")
                core.set_paused(slot, False)
                seen["resumed"] = True
        elif core.waiting(slot) == 0:
            node.stop()

    result = node.run(look, 0.05)
    assert [(row["status"], row["reason"]) for row in result.orders] == [("REJECTED", "KILL_SWITCH")]
