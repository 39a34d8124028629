//! Whose the commands are that are on their way: one that asks without end leaves the others room.
//!
//! The rule is that of an account's own mailboxes ([`libra_kernel::mailbox`]): of each lane a source may have as many requests on
//! their way as a quarter of what is free, so one that asks without end takes a fifth of what it found. Cancels have a half of
//! what is free, their reserve among it: one whose requests have used up its part can still take them back. So it is with bytes. An
//! answer to somebody else's question is in nobody's part, and facts are never refused.
//!
//! The loop alone has this. What has left the outbox the threads tell in two numbers a lane ([`Credit`]), one of requests and one of
//! cancels: whatever overtakes the other kind, each of the two leaves in the order of its publication, and so the sources that wait
//! in line here say whose it was. It takes eight bytes for each command in the outbox.

use std::collections::VecDeque;

use libra_kernel::mailbox::{ASKED, CANCELS_ASKED};
use libra_kernel::{Event, Name};

use super::credits::{Asking, Credit, Credits, LANES};

/// What a source has on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Own {
    events: u64,
    bytes: u64,
}

/// The commands of one kind that are on their way, the oldest first.
#[derive(Default)]
struct InLine {
    of: VecDeque<(Name, u32)>,
    /// How many had come back when it was last looked at.
    came_back: u64,
}

#[derive(Default)]
struct OfLane {
    in_line: [InLine; Asking::KINDS],
    /// By the number of the source's name.
    own: Vec<Own>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Shares {
    lanes: [OfLane; LANES],
}

impl Shares {
    /// False where nothing is free of what an event may use, and for a command whose source has its part of that already. The last
    /// one may be larger than what is left of the bytes.
    #[inline]
    pub(super) fn have_room_for(&mut self, event: &Event, free: (u64, u64), credits: &Credits) -> bool {
        let (lane, part) = match Asking::of(event) {
            Some(Asking::Request) => (event.lane(), ASKED as u64),
            Some(Asking::Cancel) => (event.lane(), CANCELS_ASKED as u64),
            None => return free.0 > 0 && free.1 > 0,
        };
        let Some(of_lane) = self.lanes.get_mut(lane as usize) else { return true };
        of_lane.take_back(credits.came_back(lane));
        let own = of_lane.own.get(event.source.index()).copied().unwrap_or_default();
        own.events * part < free.0 && own.bytes * part < free.1
    }

    /// A durable event is handed over, and takes this credit.
    #[inline]
    pub(super) fn take(&mut self, event: &Event, credit: Credit) {
        let Some(asking) = credit.asking() else { return };
        let Some(of_lane) = self.lanes.get_mut(event.lane() as usize) else { return };
        let (source, bytes) = (event.source, u32::try_from(credit.bytes).unwrap_or(u32::MAX));
        if source.index() >= of_lane.own.len() {
            of_lane.own.resize(source.index() + 1, Own::default());
        }
        let own = &mut of_lane.own[source.index()];
        own.events += 1;
        own.bytes += u64::from(bytes);
        of_lane.in_line[asking as usize].of.push_back((source, bytes));
    }
}

impl OfLane {
    /// What has left the outbox since the last look is in nobody's part any more.
    #[inline]
    fn take_back(&mut self, came_back: [u64; Asking::KINDS]) {
        for (in_line, came_back) in self.in_line.iter_mut().zip(came_back) {
            let more = came_back - std::mem::replace(&mut in_line.came_back, came_back);
            if more == 0 {
                continue;
            }
            debug_assert!(more as usize <= in_line.of.len(), "what comes back has left");
            for (source, bytes) in in_line.of.drain(..in_line.of.len().min(more as usize)) {
                let own = &mut self.own[source.index()];
                own.events -= 1;
                own.bytes -= u64::from(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::credits::Reserve;
    use crate::bridge::mail::{Mail, MailKind};
    use fastrand::Rng;
    use libra_kernel::{Encoded, EventType, Lane, Payload, Policy, Travel};

    /// The rule beside its credits, as the loop and the thread use both.
    struct Outbox {
        shares: Shares,
        credits: Credits,
    }

    impl Outbox {
        fn new(events: u64, bytes: u64) -> Self {
            Outbox { shares: Shares::default(), credits: Credits::new(events, bytes) }
        }

        fn accepts(&mut self, event: &Event, reserve: Reserve) -> bool {
            let free = self.credits.free(event.lane(), reserve);
            self.shares.have_room_for(event, free, &self.credits)
        }

        fn take(&mut self, event: &Event) -> Credit {
            let credit = Credit::of(event);
            self.credits.take(event.lane(), credit);
            self.shares.take(event, credit);
            credit
        }

        /// Asks until it is refused; how many were taken.
        fn storm(&mut self, event: &Event, reserve: Reserve) -> u64 {
            let mut taken = 0;
            while self.accepts(event, reserve) {
                self.take(event);
                taken += 1;
            }
            taken
        }

        fn own(&mut self, lane: Lane, source: &str) -> Own {
            let of_lane = &mut self.shares.lanes[lane as usize];
            of_lane.take_back(self.credits.came_back(lane));
            of_lane.own.get(Name::intern(source).index()).copied().unwrap_or_default()
        }
    }

    fn event(event_type: EventType, source: &str) -> Event {
        Event::new(event_type, Name::intern(source), 0, Payload::Empty)
    }

    fn large(source: &str, bytes: usize) -> Event {
        let payload = Payload::shared(Encoded::new("test", vec![0; bytes]));
        Event { payload, ..event(EventType::Signal, source) }
    }

    fn mail(kind: MailKind, source: &str) -> Event {
        let mail = Mail { kind, id: 1, to: "b/y", from: "a/x", tag: "plain", body: b"" };
        Event { payload: Payload::shared(mail.encode().expect("short texts")), ..event(EventType::Message, source) }
    }

    const MUCH: u64 = 1 << 40;

    #[test]
    fn whatever_may_be_refused_on_its_way_is_asked_by_somebody() {
        for &event_type in EventType::ALL.iter().filter(|event_type| event_type.travel() == Travel::Durable) {
            let is_asked = Asking::of(&event(event_type, "one")).is_some();
            assert_eq!(is_asked, event_type.policy() == Policy::Refuse, "{event_type:?}");
        }
    }

    #[test]
    fn each_that_storms_takes_a_fifth_of_what_it_found_and_leaves_the_rest() {
        let mut outbox = Outbox::new(1_000, MUCH);
        assert_eq!(outbox.storm(&event(EventType::OrderRequest, "one"), Reserve::None), 200);
        assert_eq!(outbox.storm(&event(EventType::OrderRequest, "two"), Reserve::None), 160);
        assert_eq!(outbox.storm(&event(EventType::OrderRequest, "one"), Reserve::None), 0);
        assert!(outbox.accepts(&event(EventType::OrderRequest, "three"), Reserve::None));
        // Another lane is another outbox; messages are in it, too.
        assert_eq!(outbox.storm(&event(EventType::Signal, "one"), Reserve::None), 200);
        assert!(!outbox.accepts(&mail(MailKind::Tell, "one"), Reserve::None));
        assert!(outbox.accepts(&mail(MailKind::Tell, "two"), Reserve::None));
    }

    #[test]
    fn whoever_has_used_up_its_part_by_requests_can_cancel_and_cancels_have_their_bound() {
        let mut outbox = Outbox::new(800, MUCH);
        assert_eq!(outbox.storm(&event(EventType::OrderRequest, "one"), Reserve::None), 160);
        // Of 900 with the reserve: 160 and 140 are half of the 600 that stay free.
        assert_eq!(outbox.storm(&event(EventType::CancelRequest, "one"), Reserve::One), 140);
        assert!(outbox.accepts(&event(EventType::CancelRequest, "two"), Reserve::One));
        assert!(outbox.accepts(&event(EventType::OrderRequest, "two"), Reserve::None));
    }

    #[test]
    fn bytes_are_shared_as_numbers_are() {
        let mut outbox = Outbox::new(1_000_000, 100_000);
        let taken = outbox.storm(&large("one", 1_000), Reserve::None);
        assert!((15..=20).contains(&taken), "{taken} of about 100");
        assert!(outbox.accepts(&large("two", 1_000), Reserve::None));
        // One that is larger than any part leaves where nothing of its source does.
        assert!(outbox.accepts(&large("three", 90_000), Reserve::None));
    }

    #[test]
    fn answers_and_facts_are_in_nobodys_part() {
        let mut outbox = Outbox::new(1_000, MUCH);
        outbox.storm(&event(EventType::Signal, "one"), Reserve::None);
        for answer in [mail(MailKind::Reply, "one"), mail(MailKind::Refusal, "one")] {
            assert!((0..300).all(|_| outbox.accepts(&answer, Reserve::One) && outbox.take(&answer).events == 1));
        }
        let answer = mail(MailKind::Reply, "one");
        let mut small = Outbox::new(1_000, Credit::of(&answer).bytes);
        assert_eq!(small.storm(&answer, Reserve::One), 2, "the last one may be larger than what is left");
        let fact = event(EventType::StrategyStopped, "one");
        assert!((0..300).all(|_| outbox.accepts(&fact, Reserve::Two) && outbox.take(&fact).events == 1));
        assert_eq!(outbox.own(Lane::Signals, "one").events, 200);
    }

    #[test]
    fn facts_that_fill_an_outbox_leave_each_source_one_command_while_there_is_room() {
        let mut outbox = Outbox::new(100, MUCH);
        (0..97).for_each(|_| _ = outbox.take(&event(EventType::OrderFilled, "account")));
        for source in ["one", "two", "three"] {
            assert_eq!(outbox.storm(&event(EventType::OrderRequest, source), Reserve::None), 1, "{source}");
        }
        assert!(!outbox.accepts(&event(EventType::OrderRequest, "four"), Reserve::None));
    }

    /// At random: events are taken, and leave as from an outbox, in the order of their publication but for cancels and facts, which
    /// pass what waits.
    #[test]
    fn what_all_have_is_what_is_on_its_way_and_each_ends_with_nothing() {
        const TYPES: [EventType; 5] = [
            EventType::OrderRequest,
            EventType::CancelRequest,
            EventType::OrderFilled,
            EventType::Signal,
            EventType::StrategyStopped,
        ];
        for seed in 0..200 {
            let mut rng = Rng::with_seed(seed);
            let mut outbox = Outbox::new(rng.u64(4..400), rng.u64(1_000..200_000));
            let sources: Vec<String> = (0..rng.usize(1..6)).map(|number| format!("shares{number}")).collect();
            // By lane and kind: requests, cancels, and all else.
            let mut on_their_way: [[VecDeque<(usize, Credit)>; 3]; LANES] = Default::default();
            for step in 0..2_000 {
                let who = rng.usize(..sources.len());
                let mut next = event(TYPES[rng.usize(..TYPES.len())], &sources[who]);
                if rng.u8(..4) == 0 {
                    next.payload = Payload::shared(Encoded::new("test", vec![0; rng.usize(..2_000)]));
                }
                let lane = next.lane() as usize;
                let is_fact = Asking::of(&next).is_none();
                let reserve = if next.event_type == EventType::CancelRequest { Reserve::One } else { Reserve::None };
                // Until it turns round, more comes than leaves, as without a server.
                let is_away = step / 500 % 2 == 0;
                if is_fact && rng.u8(..3) == 0 || !is_fact && outbox.accepts(&next, reserve) {
                    let credit = outbox.take(&next);
                    let kind = Asking::of(&next).map_or(2, |asking| asking as usize);
                    on_their_way[lane][kind].push_back((who, credit));
                }
                if !is_away || rng.u8(..20) == 0 {
                    let (lane, kind) = (rng.usize(..LANES), rng.usize(..3));
                    let mut back = Credit::default();
                    for _ in 0..rng.usize(..6) {
                        back += on_their_way[lane][kind].pop_front().map_or_else(Credit::default, |(_, credit)| credit);
                    }
                    outbox.credits.give_back(Lane::ALL[lane], back);
                }
                check(&mut outbox, &sources, &on_their_way, seed);
            }
            for (lane, kinds) in on_their_way.iter_mut().enumerate() {
                for (_, credit) in kinds.iter_mut().flat_map(|kind| kind.drain(..)) {
                    outbox.credits.give_back(Lane::ALL[lane], credit);
                }
            }
            check(&mut outbox, &sources, &on_their_way, seed);
            assert_eq!((outbox.credits.in_use(), outbox.credits.bytes_in_use()), (0, 0), "seed {seed}");
        }
    }

    fn check(
        outbox: &mut Outbox,
        sources: &[String],
        on_their_way: &[[VecDeque<(usize, Credit)>; 3]; LANES],
        seed: u64,
    ) {
        for (lane, [requests, cancels, other]) in on_their_way.iter().enumerate() {
            let mut sum = other.iter().map(|(_, credit)| credit.events).sum::<u64>();
            for (who, source) in sources.iter().enumerate() {
                let own = outbox.own(Lane::ALL[lane], source);
                let its = requests.iter().chain(cancels).filter(|(of, _)| *of == who);
                let expected = its.fold(Own::default(), |sum, (_, credit)| Own {
                    events: sum.events + credit.events,
                    bytes: sum.bytes + credit.bytes,
                });
                assert_eq!(own, expected, "seed {seed}, {source}");
                sum += own.events;
            }
            assert_eq!(sum, outbox.credits.in_use_of(Lane::ALL[lane]), "seed {seed}");
            let in_line = &outbox.shares.lanes[lane].in_line;
            assert!(in_line[0].of.len() == requests.len() && in_line[1].of.len() == cancels.len(), "seed {seed}");
        }
    }
}
