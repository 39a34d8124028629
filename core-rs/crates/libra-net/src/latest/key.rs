//! Of what a value is the latest.

use libra_kernel::{Event, EventType, Name, Payload};
use libra_trading::desk::payload::Notice;

/// A type, a source and an instrument; of a gateway's coming and going the newest counts, whichever it is, and so of a position's
/// being opened, changed and closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    event_type: EventType,
    source: Name,
    instrument: Name,
}

impl Key {
    /// That of an event.
    pub fn of(event: &Event) -> Key {
        let event_type = of_state(event.event_type);
        let instrument = match (event_type, &event.payload) {
            // What an account says of its own kill latch is that account's, and not what its node says of all.
            (EventType::CircuitBreaker, Payload::Shared(said)) => {
                said.as_any().downcast_ref::<Notice>().map_or(event.instrument, |notice| notice.account)
            }
            _ => event.instrument,
        };
        Key { event_type, source: event.source, instrument }
    }

    /// True when a subscription to a type, of one instrument or of all, is to it.
    pub fn is_of(&self, event_type: EventType, instrument: Name) -> bool {
        let asked = Key { event_type: of_state(event_type), source: self.source, instrument };
        *self == asked || (instrument.is_none() && self.event_type == asked.event_type)
    }

    /// The field of the server's hash that holds its value.
    pub fn field(&self) -> String {
        let what = match self.event_type {
            EventType::GatewayConnected => "GATEWAY",
            other => other.name(),
        };
        format!("{what}/{}/{}", self.source.as_str(), self.instrument.as_str())
    }
}

const fn of_state(event_type: EventType) -> EventType {
    match event_type {
        EventType::GatewayDisconnected => EventType::GatewayConnected,
        EventType::TradingResumed => EventType::CircuitBreaker,
        EventType::PositionOpened | EventType::PositionClosed => EventType::PositionUpdated,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use libra_kernel::Payload;

    use super::*;

    #[test]
    fn an_account_has_one_kill_latch_and_what_is_meant_for_all_is_another() {
        let of = |event_type, account: Option<&str>| {
            let notice = |account: &str| Notice {
                account: Name::intern(account),
                strategy: Name::NONE,
                code: "".into(),
                detail: "".into(),
            };
            let payload = account.map_or(Payload::Empty, |account| Payload::shared(notice(account)));
            Key::of(&Event::new(event_type, Name::intern("risk"), 1, payload))
        };
        assert_eq!(of(EventType::CircuitBreaker, Some("a")), of(EventType::TradingResumed, Some("a")));
        assert_ne!(of(EventType::CircuitBreaker, Some("a")), of(EventType::CircuitBreaker, Some("b")));
        assert_ne!(of(EventType::CircuitBreaker, Some("a")), of(EventType::CircuitBreaker, None));
    }

    #[test]
    fn a_gateway_has_one_state_and_all_else_has_one_by_type_source_and_instrument() {
        let event = |event_type, instrument: &str| {
            let mut event = Event::new(event_type, Name::intern("paper"), 1, Payload::Empty);
            event.instrument = Name::intern(instrument);
            Key::of(&event)
        };
        assert_eq!(event(EventType::GatewayConnected, ""), event(EventType::GatewayDisconnected, ""));
        assert_eq!(event(EventType::GatewayDisconnected, "").field(), "GATEWAY/paper/");
        let position = event(EventType::PositionUpdated, "BTC/USDT");
        assert_eq!(position.field(), "POSITION_UPDATED/paper/BTC/USDT");
        assert_ne!(position, event(EventType::PositionUpdated, "ETH/USDT"));
        let btc = Name::intern("BTC/USDT");
        assert!(
            position.is_of(EventType::PositionUpdated, btc) && position.is_of(EventType::PositionUpdated, Name::NONE)
        );
        assert!(!position.is_of(EventType::BalanceUpdated, btc));
        assert!(!position.is_of(EventType::PositionUpdated, Name::intern("ETH/USDT")));
        assert_ne!(position, event(EventType::BalanceUpdated, "BTC/USDT"));
        for also in [EventType::PositionOpened, EventType::PositionClosed] {
            assert_eq!(position, event(also, "BTC/USDT"), "a fact that says how the position stands");
        }
    }
}
