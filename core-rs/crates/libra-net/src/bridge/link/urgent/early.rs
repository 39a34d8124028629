//! What is published before the first connection: without a life there are no frames yet, but the same bounds.
//!
//! Commands are held to the credit. Of facts the oldest are cut beyond what an outbox may hold, and that is told; of a latest
//! value only the newest waits. What was cut has the first numbers of its channel, so the consumers learn of it as of any other cut.

use std::collections::{HashMap, VecDeque};

use libra_kernel::{Event, Policy, Travel};

use super::super::keeper::is_of_kill_switch;
use super::super::settings::{DURABLE, LinkSettings};
use super::doing::hand_over;
use super::node::Node;
use crate::bridge::credits::Credit;
use crate::bridge::news::{News, NewsKind};
use crate::latest::Key;

/// Events taken out of the node's queue in a turn.
const TAKEN: usize = 1_024;

/// Of its bounds, what a cut leaves: so that not every event cuts.
const LEFT: (u64, u64) = (7, 8);

#[derive(Default)]
struct Channel {
    events: VecDeque<Event>,
    held: Credit,
    /// How many were let go.
    cut: u64,
}

pub(super) struct Early {
    channels: [Channel; DURABLE.len()],
    latest: HashMap<Key, Event>,
    /// How the kill switches stand, by what was said last: it goes into snapshots, whatever is cut.
    kill_switch: HashMap<Key, Event>,
    /// Events and bytes.
    most: (u64, u64),
}

impl Early {
    pub fn new(settings: &LinkSettings) -> Self {
        let most = (settings.outbox_events, settings.outbox_bytes as u64);
        Early { channels: Default::default(), latest: HashMap::new(), kill_switch: HashMap::new(), most }
    }

    /// Keeps an event. Gives what was cut for it, and of which lane.
    fn keep(&mut self, event: Event) -> Option<(usize, Credit)> {
        if event.event_type.travel() == Travel::Latest {
            self.latest.insert(Key::of(&event), event);
            return None;
        }
        if is_of_kill_switch(event.event_type) {
            self.kill_switch.insert(Key::of(&event), event.clone());
        }
        let lane = event.lane() as usize;
        let channel = self.channels.get_mut(lane)?;
        channel.held += Credit::of(&event);
        channel.events.push_back(event);
        let is_over = channel.held.events > self.most.0 || channel.held.bytes > self.most.1;
        is_over.then(|| (lane, channel.cut(self.most))).filter(|(_, cut)| cut.events > 0)
    }

    fn is_empty(&self) -> bool {
        let nothing = |channel: &Channel| channel.events.is_empty() && channel.cut == 0;
        self.latest.is_empty() && self.channels.iter().all(nothing)
    }

    /// How many events of each channel wait, their bytes, how full that is in percent, and how many were cut.
    pub fn counts(&self) -> [[u64; 4]; DURABLE.len()] {
        self.channels.each_ref().map(|channel| {
            let held = channel.held;
            [held.events, held.bytes, self.fullness_of(held), channel.cut]
        })
    }

    fn fullness_of(&self, held: Credit) -> u64 {
        let of = |held: u64, most: u64| held.saturating_mul(100) / most.max(1);
        of(held.events, self.most.0).max(of(held.bytes, self.most.1))
    }

    /// How full the fullest is, in percent, and of which lane.
    pub fn fullness(&self) -> (usize, u64) {
        let lanes = self.channels.iter().map(|channel| self.fullness_of(channel.held)).enumerate();
        lanes.max_by_key(|(_, fullness)| *fullness).unwrap_or_default()
    }
}

impl Channel {
    /// Lets go of the oldest facts, down to a part of the bounds or to what are commands.
    fn cut(&mut self, most: (u64, u64)) -> Credit {
        let (most_events, most_bytes) = (most.0 / LEFT.1 * LEFT.0, most.1 / LEFT.1 * LEFT.0);
        let (mut cut, mut left) = (Credit::default(), self.held);
        self.events.retain(|event| {
            let stays =
                event.event_type.policy() == Policy::Refuse || (left.events <= most_events && left.bytes <= most_bytes);
            if !stays {
                let credit = Credit::of(event);
                cut += credit;
                // Only facts are cut: what is asked for stays as it is.
                (left.events, left.bytes) = (left.events - credit.events, left.bytes - credit.bytes);
            }
            stays
        });
        self.held = left;
        self.cut += cut.events;
        cut
    }
}

impl Node {
    /// Before our life is claimed.
    pub(super) fn take_early(&mut self) {
        let (early, mut cuts) = (&mut self.early, [Credit::default(); DURABLE.len()]);
        self.queue.receive(TAKEN, |event| {
            if let Some((lane, cut)) = early.keep(event) {
                cuts[lane] += cut;
            }
        });
        for (lane, cut) in cuts.into_iter().enumerate().filter(|(_, cut)| cut.events > 0) {
            self.common.seam.credits.give_back(DURABLE[lane], cut);
            let settings = &self.common.settings;
            let channel = settings.channels_of(&settings.node).get(lane).map(ToString::to_string).unwrap_or_default();
            let detail = "cut before there was a connection".into();
            let news = News { channel: channel.into(), count: cut.events, detail, ..News::new(NewsKind::Overflow) };
            self.common.seam.tell(news);
        }
    }

    /// Our life is claimed: what waited goes first.
    pub(super) fn leave_early(&mut self, now: u64) {
        if self.early.is_empty() {
            return;
        }
        let said = std::mem::take(&mut self.early.kill_switch).into_values();
        said.for_each(|event| self.keeper.iter_mut().for_each(|keeper| keeper.note_kill_switch(&event)));
        let values = std::mem::take(&mut self.early.latest).into_values();
        let channels = std::mem::take(&mut self.early.channels);
        for (outgoing, early) in self.outgoing.iter_mut().zip(&channels).filter(|(_, early)| early.cut > 0) {
            outgoing.cut_before(early.cut);
        }
        let events = channels.into_iter().flat_map(|channel| channel.events);
        for event in events.chain(values) {
            hand_over(&mut self.outgoing, &mut self.keeper, event, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::Endpoint;
    use libra_kernel::{Encoded, EventType, Name, Payload};

    fn early(events: u64, bytes: usize) -> Early {
        let settings = LinkSettings::new("tests", "pub", &["con"], Endpoint::unix("/nowhere")).unwrap();
        Early::new(&LinkSettings { outbox_events: events, outbox_bytes: bytes, ..settings })
    }

    fn event(event_type: EventType, number: i64, bytes: usize) -> Event {
        let payload = Payload::shared(Encoded::new("test", vec![0; bytes]));
        Event::new(event_type, Name::intern("test"), number, payload)
    }

    #[test]
    fn the_oldest_facts_are_cut_and_counted_and_no_command_is() {
        let mut early = early(64, 1 << 30);
        let mut cut = Credit::default();
        for number in 0..1_000 {
            let event_type = if number < 16 { EventType::OrderRequest } else { EventType::OrderFilled };
            if let Some((lane, credit)) = early.keep(event(event_type, number, 10)) {
                assert_eq!(DURABLE[lane], libra_kernel::Lane::Orders);
                cut += credit;
            }
        }
        let kept: Vec<i64> = early.channels[1].events.iter().map(|event| event.ts_ns).collect();
        assert_eq!(kept[..16], (0..16).collect::<Vec<_>>());
        assert_eq!(kept.last(), Some(&999));
        assert!(kept.len() <= 64 && kept.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(cut.events + kept.len() as u64, 1_000);
        assert_eq!(early.counts()[1][3], cut.events);
        assert_eq!(early.channels[1].held.events, kept.len() as u64);
    }

    #[test]
    fn bytes_bound_it_too_and_of_a_latest_value_one_waits() {
        let mut early = early(1_000_000, 1 << 20);
        (0..1_000).for_each(|number| _ = early.keep(event(EventType::RiskLimitBreach, number, 100_000)));
        assert!(early.channels[0].held.bytes <= 1 << 20 && early.channels[0].events.len() > 1);
        assert!(early.fullness().1 <= 100 && early.fullness().1 > 50);
        (0..1_000).for_each(|number| _ = early.keep(event(EventType::BalanceUpdated, number, 10)));
        assert_eq!(early.latest.len(), 1);
    }
}
