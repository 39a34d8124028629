//! Whether this node may say that it lives: while its loop comes round.
//!
//! With each beacon the loop is asked, and the next ones are sent only while it has answered, or may still be held by a handler
//! that the node itself will end (`loop_patience`): one slow handler takes none of its node's other strategies with it. A loop that
//! stands still for longer, and the time of silence, is what a node is that was killed: its strategies are gone for the accounts. One
//! that comes round then says so at once, and hears what others made of it. So does a process that stood still as a whole.

use super::super::control::{BEACON_EVERY_NS, SILENCE_NS};
use super::node::Node;
use crate::bridge::news::{News, NewsKind};

/// What is known of the loop.
#[derive(Default)]
pub(super) struct Living {
    /// When it was asked last.
    asked_ns: i64,
    /// Since when no beacon is sent, because it does not come round.
    silent: bool,
}

impl Node {
    /// Whether a beacon may be sent now; the loop is asked for the next one.
    pub(super) fn may_say_it_lives(&mut self, now_ns: i64) -> bool {
        let pulse = &self.common.seam.pulse;
        if self.leaving_since_ns.is_some() || pulse.beats() {
            self.living.asked_ns = now_ns;
            self.common.seam.ask_the_loop();
            return true;
        }
        // A beacon between two others does not wait for what was asked a moment ago.
        let patience_ns = i64::try_from(self.common.settings.loop_patience.as_nanos()).unwrap_or(i64::MAX);
        if now_ns - self.living.asked_ns < patience_ns.max(BEACON_EVERY_NS) {
            return true;
        }
        self.living.silent = true;
        // Whoever sleeps looks first whether it is back: an answer that came before this is seen then.
        pulse.awaits();
        false
    }

    /// True when the loop has come round, and the others do not know.
    pub(super) fn is_back(&self) -> bool {
        self.living.silent && self.common.seam.pulse.beats()
    }

    /// Says that it lives again, and tells the node for how long it did not.
    pub(super) fn comes_back(&mut self, now_ns: i64) {
        if !self.is_back() {
            return;
        }
        self.living.silent = false;
        self.next_beacon_ns = now_ns;
        self.tell_of_silence(now_ns.saturating_sub(self.said_ns), now_ns - self.living.asked_ns);
    }

    /// This thread stood still, and the loop with it: the others heard nothing meanwhile. Where the loop hung before, it is told when that is
    /// back.
    pub(super) fn has_stood_still(&mut self, now_ns: i64) {
        let silent_ns = now_ns.saturating_sub(self.said_ns);
        if !self.living.silent && self.tell_of_silence(silent_ns, silent_ns) {
            // What the loop has not answered yet is told already.
            self.living.asked_ns = now_ns;
        }
    }

    /// Tells of a silence for which others took this node for dead; it has stood still for that and what they bore with.
    fn tell_of_silence(&self, silent_ns: i64, stood_ns: i64) -> bool {
        let is_told = silent_ns >= SILENCE_NS;
        if is_told {
            let seconds = stood_ns / 1_000_000_000;
            let detail = format!("it stood still for {seconds} s").into();
            let node = &self.common.settings.node;
            self.common.seam.tell(News { detail, ..News::of_node(NewsKind::LoopStoodStill, node) });
        }
        is_told
    }
}
