//! The ring: which events are noted, and how they are found again.

use std::collections::HashMap;

use super::note::{Note, Step};
use super::outlet::Outlet;
use crate::clock;
use crate::event::{Event, EventType, Lane};
use crate::ids::TraceId;
use crate::name::Name;

/// See the module. Its memory is asked for at once; the system gives it page by page, as the ring fills.
pub struct Recorder {
    notes: Vec<Note>,
    capacity: usize,
    /// Where the oldest note is, once the ring is full.
    oldest: usize,
    overwritten: u64,
    sample: Sample,
    /// The span of the last event that was noted as a cause: it may cause more than one.
    last_cause: u64,
    outlet: Option<Outlet>,
}

/// Head sampling: which new traces of market data are followed. As W3C and OpenTelemetry have it, a function of the trace id, so
/// that all who decide with one rate decide alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    /// Traces with the second half of their id below it; all, where it is the largest number.
    below: u64,
}

impl Sample {
    fn of(rate: f64) -> Self {
        // The cast keeps to the range of its type, so 1.0 gives the largest number and what is no rate gives 0.
        Sample { below: (rate * u64::MAX as f64) as u64 }
    }

    #[inline]
    fn takes(self, trace_id: TraceId) -> bool {
        trace_id[1] < self.below || self.below == u64::MAX
    }
}

impl Recorder {
    /// A ring of so many notes. `sample` is the part of market data's traces that is followed, from 0 to 1.
    pub fn new(capacity: usize, sample: f64, outlet: Option<Outlet>) -> Self {
        Recorder {
            notes: Vec::with_capacity(capacity),
            capacity,
            oldest: 0,
            overwritten: 0,
            sample: Sample::of(sample),
            last_cause: 0,
            outlet,
        }
    }

    /// An event is published here. The head of a trace of market data is sampled, or not.
    #[inline]
    pub fn published(&mut self, event: &mut Event) {
        let is_head = event.lane() == Lane::MarketData && event.parent_span_id == 0;
        if is_head && self.sample.takes(event.trace_id) {
            event.trace_flags |= Event::SAMPLED;
        }
        if event.is_traced() {
            self.now(Step::Published, event);
        }
    }

    /// An event of another node is taken in.
    #[inline]
    pub fn received(&mut self, event: &Event) {
        if event.is_traced() {
            self.now(Step::Received, event);
        }
    }

    /// `child` is published for `parent`. Where market data that was not sampled leads to something urgent, it is noted after
    /// all, as of the time at which it came: so the trace of an order begins with what it answers to.
    #[inline]
    pub fn caused(&mut self, parent: &Event, child: &Event) {
        if !parent.is_traced() && child.is_traced() && self.last_cause != parent.span_id {
            self.last_cause = parent.span_id;
            self.note(Note::new(Step::Cause, parent, parent.sequence, parent.ts_ns, parent.ts_ns));
        }
    }

    /// An actor's handlers are done with an event, well or not.
    #[inline]
    pub fn handled(&mut self, step: Step, event: &Event, sequence: u64, actor: Name, began_ns: i64) {
        let note = Note::new(step, event, sequence, began_ns, clock::now_ns().max(began_ns));
        self.note(Note { actor, ..note });
    }

    /// These left, in one frame.
    pub fn sent(&mut self, notes: &[Note]) {
        notes.iter().for_each(|note| self.keep(note));
        if let Some(outlet) = &mut self.outlet {
            outlet.put(notes);
        }
    }

    fn now(&mut self, step: Step, event: &Event) {
        let now_ns = clock::now_ns();
        self.note(Note::new(step, event, event.sequence, now_ns, now_ns));
    }

    fn note(&mut self, note: Note) {
        self.keep(&note);
        if let Some(outlet) = &mut self.outlet {
            outlet.put(&[note]);
        }
    }

    fn keep(&mut self, note: &Note) {
        if self.notes.len() < self.capacity {
            return self.notes.push(*note);
        }
        let Some(place) = self.notes.get_mut(self.oldest) else { return };
        *place = *note;
        self.overwritten += 1;
        self.oldest = (self.oldest + 1) % self.capacity;
    }

    /// All notes, the oldest first.
    pub fn notes(&self) -> impl DoubleEndedIterator<Item = &Note> {
        let (newer, older) = self.notes.split_at(self.oldest);
        older.iter().chain(newer)
    }

    /// Notes that gave way to later ones.
    pub fn overwritten(&self) -> u64 {
        self.overwritten
    }

    /// The latest traces with an order in them, at most so many, the latest first: each with the note of how its last event came here, by
    /// publication or from another node, or with its last note where that one is overwritten.
    pub fn latest_orders(&self, most: usize) -> Vec<Note> {
        let (mut latest, mut places, mut open): (Vec<Note>, HashMap<TraceId, usize>, usize) = Default::default();
        for note in self.notes().rev().filter(|note| is_of_an_order(note.event_type)) {
            if latest.len() >= most && open == 0 {
                break;
            }
            let came = has_come(note);
            let room = latest.len() < most;
            match places.get(&note.trace_id).map(|&at| &mut latest[at]) {
                None if room => {
                    places.insert(note.trace_id, latest.len());
                    latest.push(*note);
                    open += usize::from(!came);
                }
                Some(last) if came && last.span_id == note.span_id && !has_come(last) => {
                    *last = *note;
                    open -= 1;
                }
                _ => {}
            }
        }
        latest
    }
}

fn has_come(note: &Note) -> bool {
    matches!(note.step, Step::Published | Step::Received)
}

fn is_of_an_order(event_type: EventType) -> bool {
    (EventType::OrderRequest..=EventType::OrderRequestRejected).contains(&event_type)
}

/// The first hexadecimal digits of a trace id, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    value: u128,
    mask: u128,
}

impl Prefix {
    /// Reads 1 to 32 hexadecimal digits; `None` for anything else.
    pub fn parse(text: &str) -> Option<Prefix> {
        let digits = u32::try_from(text.len()).ok().filter(|digits| (1..=32).contains(digits))?;
        if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let shift = 128 - 4 * digits;
        let value = u128::from_str_radix(text, 16).ok()?;
        Some(Prefix { value: value << shift, mask: u128::MAX << shift })
    }

    /// True for a trace id that begins with these digits.
    pub fn matches(self, [high, low]: TraceId) -> bool {
        (u128::from(high) << 64 | u128::from(low)) & self.mask == self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Payload;
    use crate::recent::outlet;

    fn event(event_type: EventType, trace_id: TraceId) -> Event {
        let mut event = Event::new(event_type, Name::intern("test"), 7, Payload::Empty);
        event.trace_id = trace_id;
        event
    }

    fn steps(recorder: &Recorder) -> Vec<(Step, EventType)> {
        recorder.notes().map(|note| (note.step, note.event_type)).collect()
    }

    #[test]
    fn urgent_events_are_noted_and_market_data_only_where_it_is_sampled() {
        let mut recorder = Recorder::new(8, 0.0, None);
        recorder.published(&mut event(EventType::Signal, [1, 1]));
        let mut quote = event(EventType::Quote, [1, 2]);
        recorder.published(&mut quote);
        recorder.received(&quote);
        assert_eq!(quote.trace_flags, 0);
        quote.trace_flags = Event::SAMPLED;
        recorder.received(&quote);
        assert_eq!(steps(&recorder), [(Step::Published, EventType::Signal), (Step::Received, EventType::Quote)]);
    }

    #[test]
    fn the_head_of_a_trace_is_sampled_by_its_id_and_its_children_follow() {
        let mut recorder = Recorder::new(8, 0.5, None);
        let mut low = event(EventType::Quote, [9, 1]);
        let mut high = event(EventType::Quote, [9, u64::MAX]);
        [&mut low, &mut high].into_iter().for_each(|event| recorder.published(event));
        assert_eq!([low.trace_flags, high.trace_flags], [Event::SAMPLED, 0]);
        let mut child = low.child(EventType::Bar, low.source, 8, Payload::Empty);
        assert_eq!(child.trace_flags, Event::SAMPLED);
        recorder.published(&mut child);
        // A rate decides about heads alone: the child of one that was not sampled is not, whatever its id says.
        let mut other = high.child(EventType::Bar, high.source, 8, Payload::Empty);
        other.trace_id = [9, 1];
        recorder.published(&mut other);
        assert_eq!(steps(&recorder), [(Step::Published, EventType::Quote), (Step::Published, EventType::Bar)]);
        assert!(Sample::of(1.0).takes([0, u64::MAX]), "all of them");
        assert!(!Sample::of(0.0).takes([0, 0]), "none");
    }

    #[test]
    fn what_an_order_answers_to_is_noted_once() {
        let mut recorder = Recorder::new(8, 0.0, None);
        let quote = event(EventType::Quote, [1, 1]);
        for _ in 0..2 {
            recorder.caused(&quote, &quote.child(EventType::Signal, quote.source, 8, Payload::Empty));
        }
        let bar = event(EventType::Trade, [1, 2]);
        recorder.caused(&bar, &bar.child(EventType::Bar, quote.source, 8, Payload::Empty));
        assert_eq!(steps(&recorder), [(Step::Cause, EventType::Quote)]);
        assert_eq!(recorder.notes().next().unwrap().at_ns, 7, "when it came");
    }

    #[test]
    fn the_oldest_note_gives_way() {
        let mut recorder = Recorder::new(3, 0.0, None);
        for number in 1..=5 {
            recorder.published(&mut event(EventType::Signal, [number, 0]));
        }
        assert_eq!(recorder.notes().map(|note| note.trace_id[0]).collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(recorder.overwritten(), 2);
        let mut none = Recorder::new(0, 0.0, None);
        none.published(&mut event(EventType::Signal, [1, 0]));
        assert_eq!((none.notes().count(), none.overwritten()), (0, 0));
    }

    #[test]
    fn the_latest_traces_with_orders_come_first_each_once() {
        let mut recorder = Recorder::new(8, 0.0, None);
        for (event_type, trace) in [
            (EventType::OrderRequest, 1),
            (EventType::Signal, 2),
            (EventType::OrderRequest, 3),
            (EventType::OrderFilled, 1),
            (EventType::PositionOpened, 4),
        ] {
            recorder.published(&mut event(event_type, [trace, 0]));
        }
        let latest = |most| recorder.latest_orders(most).iter().map(|note| note.trace_id[0]).collect::<Vec<_>>();
        assert_eq!((latest(9), latest(1)), (vec![1, 3], vec![1]));
        assert_eq!(recorder.latest_orders(1)[0].event_type, EventType::OrderFilled);
        let filled = recorder.latest_orders(1)[0];
        recorder.sent(&[Note { step: Step::Sent, ..filled }]);
        recorder.sent(&[Note { step: Step::Handled, ..filled }]);
        assert_eq!(recorder.latest_orders(1), [filled], "by whom it was published shows who published it");
    }

    #[test]
    fn what_left_in_a_frame_is_kept_and_handed_on() {
        let (to, mut from) = outlet(8);
        let mut recorder = Recorder::new(8, 0.0, Some(to));
        let mut signal = event(EventType::Signal, [1, 0]);
        recorder.published(&mut signal);
        recorder.sent(&[Note { frame: 1, ..Note::new(Step::Sent, &signal, 1, 2, 3) }]);
        recorder.handled(Step::Handled, &signal, 1, Name::intern("actor"), 5);
        let mut taken = Vec::new();
        from.take(9, &mut taken);
        assert_eq!(
            taken.iter().map(|note| note.step).collect::<Vec<_>>(),
            [Step::Published, Step::Sent, Step::Handled]
        );
        assert_eq!(taken, recorder.notes().copied().collect::<Vec<_>>());
        assert_eq!((taken[2].actor.as_str(), taken[2].at_ns), ("actor", 5));
    }

    #[test]
    fn a_prefix_is_read_digit_by_digit() {
        let id = [0x0af7_6519_16cd_43dd, 0x8448_eb21_1c80_319c];
        for (text, holds) in [
            ("0", true),
            ("0AF7", true),
            ("0af7651916cd43dd8448eb211c80319c", true),
            ("0af7651916cd43dd8448eb211c80319d", false),
            ("0af7651916cd43dd9", false),
            ("f", false),
        ] {
            assert_eq!(Prefix::parse(text).unwrap().matches(id), holds, "{text}");
        }
        for text in ["", "g", "+1", "0x1", "0af7651916cd43dd8448eb211c80319c0", "é"] {
            assert_eq!(Prefix::parse(text), None, "{text}");
        }
    }
}
