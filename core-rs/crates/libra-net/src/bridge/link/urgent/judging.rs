//! What stops new orders of this node's accounts: an open gap or a loss on RISK or ORDERS, and an outbox that is nearly full.
//!
//! It is judged whenever the receivers have taken in what came and before the loop gets any of it: no event that came behind a
//! gap is handled as if there were none. A loss counts where events are known to be missing; a group that is new to a channel
//! is told that there may have been some before it, and misses nothing.

use libra_kernel::Lane;
use libra_kernel::bridge_state::{BridgeState, FULL_AT};

use super::super::incoming::{Heard, Incoming};
use super::super::outgoing::Outgoing;
use super::super::settings::DURABLE;

/// Says how the bridge stands; `early` is the lane and the fullness of what waits for the first connection. What was lost since
/// the last time stands in `heard` still.
pub(in super::super) fn judge(
    state: &BridgeState,
    incoming: &mut [Incoming],
    outgoing: &[Outgoing],
    early: (usize, u64),
) {
    // SIGNALS stops nobody: a signal that is missing is an order that is not asked for.
    let is_trading = |channel: &Incoming| DURABLE[channel.lane] != Lane::Signals;
    for channel in incoming.iter_mut().filter(|channel| is_trading(channel)) {
        for heard in channel.heard.iter().skip(channel.judged) {
            if let Heard::Lost { passed, why, certain: true } = heard {
                let on_risk = DURABLE[channel.lane] == Lane::Risk;
                state.lose(on_risk, format!("{} events of {} ({why})", passed.events(), channel.keys.id));
            }
        }
        channel.judged = channel.heard.len();
    }
    match incoming.iter().filter(|channel| is_trading(channel)).find(|channel| channel.receiver.has_gap()) {
        Some(channel) => state.set_gap(Some(&channel.keys.id.to_string())),
        None => state.set_gap(None),
    }
    let fullest = outgoing.iter().map(|channel| (channel.keys.id.lane, channel.sender.fullness()));
    let fullest = fullest.chain([(DURABLE[early.0], early.1)]).max_by_key(|(_, fullness)| *fullness);
    let fullest = fullest.filter(|(_, fullness)| *fullness >= FULL_AT);
    state.set_full(fullest.map(|(lane, fullness)| (lane.name(), fullness)));
}
