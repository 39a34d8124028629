//! What stops new orders of this node's accounts: an open gap or a loss on RISK or ORDERS, and an outbox that is nearly full.
//!
//! It is judged in each turn, when the receivers have taken in what came and before the loop gets any of it: no event that came
//! behind a gap is handled as if there were none.

use libra_kernel::Lane;
use libra_kernel::bridge_state::{BridgeState, FULL_AT};

use super::super::incoming::{Heard, Incoming};
use super::super::outgoing::Outgoing;
use super::super::settings::DURABLE;

/// Says how the bridge stands; `early` is the lane and the fullness of what waits for the first connection. What was lost in this turn stands in `heard` still.
pub(in super::super) fn judge(state: &BridgeState, incoming: &[Incoming], outgoing: &[Outgoing], early: (usize, u64)) {
    // SIGNALS stops nobody: a signal that is missing is an order that is not asked for.
    let trading = || incoming.iter().filter(|channel| DURABLE[channel.lane] != Lane::Signals);
    for channel in trading() {
        for heard in &channel.heard {
            if let Heard::Lost { events, why, .. } = heard {
                let on_risk = DURABLE[channel.lane] == Lane::Risk;
                state.lose(on_risk, format!("{events} events of {} ({why})", channel.keys.id));
            }
        }
    }
    match trading().find(|channel| channel.receiver.has_gap()) {
        Some(channel) => state.set_gap(Some(&channel.keys.id.to_string())),
        None => state.set_gap(None),
    }
    let fullest = outgoing.iter().map(|channel| (channel.keys.id.lane, channel.sender.fullness()));
    let fullest = fullest.chain([(DURABLE[early.0], early.1)]).max_by_key(|(_, fullness)| *fullness);
    let fullest = fullest.filter(|(_, fullness)| *fullness >= FULL_AT);
    state.set_full(fullest.map(|(lane, fullness)| (lane.name(), fullness)));
}
