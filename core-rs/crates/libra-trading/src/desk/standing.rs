//! How an account stands: the events that tell a position and a balance, and saying all of them to other nodes.

use libra_kernel::router::Router;
use libra_kernel::{Event, EventType, Payload};

use crate::account::{Balance, Position};

use super::Desk;
use super::payload::PositionReport;

impl Desk {
    /// Says to other nodes how all positions and balances stand, for when the account has been opened: what was kept of them
    /// there may be gone, or older than the log. Nobody here is told, since nothing has happened; an account that never
    /// traded has nothing to say.
    pub fn say_standing(&self, router: &mut Router, now_ns: i64) {
        let account = self.gate.account();
        if !router.is_joined() || account.positions().next().is_none() {
            return;
        }
        // One that is flat by now is said, too: elsewhere it may be remembered as open.
        for position in account.positions() {
            router.post(self.position_event(EventType::PositionUpdated, *position, now_ns));
        }
        for balance in account.balances() {
            router.post(self.balance_event(*balance, now_ns));
        }
    }

    pub(super) fn position_event(&self, event_type: EventType, position: Position, now_ns: i64) -> Event {
        let account = self.gate.account();
        let instrument = account.instrument(position.instrument);
        let report = PositionReport {
            account: self.name,
            position,
            unrealised: account.unrealised(position.instrument),
            average_price: instrument.and_then(|instrument| position.average_price(instrument)),
        };
        let mut event = Event::new(event_type, self.sources.portfolio, now_ns, Payload::shared(report));
        self.name_instrument(&mut event, position.instrument);
        event
    }

    pub(super) fn balance_event(&self, balance: Balance, now_ns: i64) -> Event {
        let payload = Payload::shared(balance);
        let mut event = Event::new(EventType::BalanceUpdated, self.sources.portfolio, now_ns, payload);
        // State is conflated by instrument and source: a currency stands in for the instrument.
        event.instrument = balance.currency;
        event
    }
}
