//! What stops new orders of a node's accounts, and what does not.

use libra_kernel::bridge_state::{BridgeState, Losses, Trouble};

use super::super::calls::Keys;
use super::super::incoming::{Heard, Incoming};
use super::super::outgoing::Outgoing;
use super::super::urgent::judging::judge;
use super::*;
use crate::durable::Passed;
use crate::ids::Position;

/// The channels of another node, the most urgent first.
fn incoming() -> Vec<Incoming> {
    let settings = settings();
    let ids = settings.channels_of("con").into_iter().enumerate();
    ids.map(|(lane, id)| {
        Incoming::new(lane as u32, 0, lane, Keys::new(&settings.environment, id), settings.deadlines())
    })
    .collect()
}

fn lost(certain: bool) -> Heard {
    let passed = Passed { after: Position::new(7, 4), upto: Position::new(7, 7), known: 7 };
    Heard::Lost { passed, why: "trimmed", certain }
}

#[test]
fn a_loss_on_risk_or_orders_stops_and_one_on_signals_does_not() {
    for (lane, losses) in [(0, (1, 0)), (1, (0, 1)), (2, (0, 0))] {
        let (state, mut channels) = (BridgeState::default(), incoming());
        channels[lane].heard.push(lost(true));
        // Twice in a turn: once for each time that events are handed in.
        judge(&state, &mut channels, &[], (0, 0));
        judge(&state, &mut channels, &[], (0, 0));
        assert_eq!((state.losses().risk, state.losses().orders), losses);
        assert_eq!(state.is_sound(Losses::default()), losses == (0, 0));
    }
}

#[test]
fn what_may_have_been_there_before_a_group_was_stops_nobody() {
    let (state, mut channels) = (BridgeState::default(), incoming());
    channels[0].heard.push(lost(false));
    judge(&state, &mut channels, &[], (0, 0));
    assert!(state.is_sound(Losses::default()));
}

#[test]
fn an_outbox_stops_at_four_fifths_and_not_before() {
    let settings = LinkSettings { outbox_events: 10, ..settings() };
    let id = settings.channels_of("pub").remove(1);
    let mut channel = Outgoing::new(1, &settings, Keys::new(&settings.environment, id), 7, 1);
    let state = BridgeState::default();
    for fullness in (1..=9).map(|count| count * 10) {
        channel.take(event(EventType::OrderFilled), 2);
        channel.send(2);
        assert_eq!(channel.sender.fullness(), fullness);
        judge(&state, &mut [], std::slice::from_ref(&channel), (0, 0));
        let full = (fullness >= 80).then(|| Trouble::Full("ORDERS".into(), fullness));
        assert_eq!(state.trouble(Losses::default()), full);
    }
    judge(&state, &mut [], &[], (0, 0));
    assert!(state.is_sound(Losses::default()), "it has emptied");
    judge(&state, &mut [], &[], (2, 85));
    assert_eq!(state.trouble(Losses::default()), Some(Trouble::Full("SIGNALS".into(), 85)), "before a connection too");
}
