//! The channels of a link without a server: what they hand over, hold back and give back.

mod asked;
mod ending;
mod incoming;
mod judging;
mod keeper;
mod outgoing;
mod snapshot;

use libra_kernel::{Event, EventType, Name, Payload};

use super::settings::LinkSettings;
use crate::resp::Endpoint;

fn settings() -> LinkSettings {
    LinkSettings::new("tests", "pub", &["con", "pub"], Endpoint::unix("/nowhere")).unwrap()
}

fn event(event_type: EventType) -> Event {
    Event::new(event_type, Name::intern("test"), 5, Payload::Empty)
}
