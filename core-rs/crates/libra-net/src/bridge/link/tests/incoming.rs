//! A channel of another node: what is handed over, and when a place counts as applied.

use std::collections::VecDeque;

use libra_kernel::Payload;
use libra_kernel::bridge_state::{BridgeState, Losses, Trouble};
use libra_trading::order::{CLOCK_IS_OFF_NS, OrderRequest};

use super::super::calls::{Calls, Keys, Pending, ReadAnswer};
use super::super::decoded::Decoded;
use super::super::held::Held;
use super::super::incoming::{Heard, Incoming};
use super::super::skew::{Clock, Deadlines};
use super::super::urgent::judging::judge;
use super::asked::{accepted, asked_for, id};
use super::*;
use crate::durable::{Bounds, Entry, Passed, Received, ReceiverLimits};
use crate::frame::{Fault, FrameWriter, Skip, Snapshot};
use crate::ids::Position;
use crate::resp::Commands;

struct Node {
    channel: Incoming,
    writer: FrameWriter,
    held: Held,
    pending: VecDeque<Pending>,
}

impl Node {
    /// A consumer that has read the stream, in which life 7 has just begun.
    fn new() -> Self {
        Node::of(1)
    }

    /// The same in another lane.
    fn of(lane: usize) -> Self {
        let settings = settings();
        let id = settings.channels_of("pub").remove(lane);
        let mut node = Node {
            channel: Incoming::new(4, 0, lane, Keys::new(&settings.environment, id), settings.deadlines()),
            writer: FrameWriter::for_control("con", 3).unwrap(),
            held: Held::default(),
            pending: VecDeque::new(),
        };
        node.channel.connected(1);
        node.channel.subscribed(1);
        assert_eq!(node.execute(), [Pending::Read(4)], "what the server knows of this group");
        node.reads(None, Vec::new());
        node
    }

    fn execute(&mut self) -> Vec<Pending> {
        let mut commands = Commands::new();
        let mut calls = Calls { commands: &mut commands, pending: &mut self.pending };
        self.channel.execute(9, "con", "run", &mut self.writer, Some(&mut calls), &mut self.held);
        self.pending.drain(..).collect()
    }

    fn reads(&mut self, bounds: Option<Bounds>, entries: Vec<Entry<Decoded>>) {
        let answer = ReadAnswer { incarnation: Some(5), acknowledged: None, bounds, more: false, is_lost: false };
        self.channel.entries = entries;
        self.channel.read(9, Some(answer));
    }

    /// The stream's first read: a frame of these events.
    fn begins_with(&mut self, events: Vec<Result<Event, Skip>>) {
        assert_eq!(self.execute(), [Pending::Read(4)]);
        let frame = Decoded { epoch: 7, first: 1, events, sent_ns: 0 };
        let bounds = Bounds { top: frame.last(), floor: Position::new(7, 0) };
        let entry = Entry { epoch: 7, last: frame.last().seq, what: Received::Frame { first: 1, frame } };
        self.reads(Some(bounds), vec![entry]);
        self.execute();
    }

    fn applied(&self) -> u64 {
        self.channel.receiver.applied_position().seq
    }
}

fn fact() -> Result<Event, Skip> {
    Ok(event(EventType::OrderFilled))
}

#[test]
fn a_place_is_applied_when_the_node_says_so_and_not_when_it_is_handed_over() {
    let mut node = Node::new();
    node.begins_with(vec![fact(), fact(), fact()]);
    let places: Vec<_> =
        node.held.drain().map(|arrival| arrival.origin.map(|origin| (origin.channel, origin.seq))).collect();
    assert_eq!((places, node.applied()), (vec![Some((4, 1)), Some((4, 2)), Some((4, 3))], 0));
    node.channel.applied(10, Position::new(7, 2));
    assert_eq!(node.applied(), 2);
    assert_eq!(node.execute(), [Pending::Ack(4)], "the first of a life at once");
}

#[test]
fn what_nobody_tracks_is_applied_with_what_came_before_it() {
    let mut node = Node::new();
    node.begins_with(vec![fact(), Ok(event(EventType::PositionUpdated)), Ok(balance(1))]);
    let tracked: Vec<_> = node.held.drain().map(|arrival| arrival.origin.is_some()).collect();
    assert_eq!(tracked, [true, false, false], "a mailbox may conflate them");
    assert_eq!(node.applied(), 0);
    node.channel.applied(10, Position::new(7, 1));
    assert_eq!(node.applied(), 3);
}

#[test]
fn orders_that_an_account_tells_of_are_noted_while_requests_wait_for_an_answer() {
    for (awaits, noted) in [(false, vec![]), (true, vec![id(1), id(2)])] {
        let mut node = Node::new();
        node.channel.awaits_orders = awaits;
        node.begins_with(vec![Ok(accepted(1)), fact(), Ok(accepted(2))]);
        assert_eq!(node.channel.told_of, noted);
        assert_eq!(node.held.drain().len(), 3);
    }
}

/// A balance with its number on the publisher's bus.
fn balance(number: u64) -> Event {
    Event { sequence: number, ..event(EventType::BalanceUpdated) }
}

fn looked_up(epoch: u64, number: u64) -> Decoded {
    Decoded { epoch, first: number, events: vec![Ok(balance(number))], sent_ns: 0 }
}

#[test]
fn of_a_latest_value_only_a_newer_one_is_handed_over_whichever_way_it_comes() {
    let mut node = Node::new();
    let look = |node: &mut Node, epoch, number, is_new| {
        if is_new {
            node.channel.latest.unseen(|_| true);
        }
        node.channel.state(looked_up(epoch, number), true, &mut node.held);
        node.held.drain().count()
    };
    assert_eq!(look(&mut node, 7, 20, false), 1);
    assert_eq!((look(&mut node, 7, 20, false), look(&mut node, 7, 19, true), look(&mut node, 7, 20, true)), (0, 0, 1));
    node.begins_with(vec![fact(), Ok(balance(19)), Ok(balance(20)), Ok(balance(21))]);
    let handed_over: Vec<_> = node.held.drain().map(|arrival| arrival.event.sequence).collect();
    assert_eq!(handed_over, [event(EventType::OrderFilled).sequence, 21]);
    node.channel.applied(10, Position::new(7, 1));
    assert_eq!(node.applied(), 4, "what was passed over is applied with what came before it");
    node.channel.state(looked_up(7, 21), false, &mut node.held);
    assert_eq!((node.held.len(), node.channel.latest.older(), node.channel.loaded), (0, 3, 2));
    assert_eq!(look(&mut node, 8, 1, false), 1, "a new life counts from 1");
}

#[test]
fn a_position_that_was_closed_is_not_open_again_by_what_was_said_before() {
    let mut node = Node::new();
    let of = |event_type, number| Event { sequence: number, ..event(event_type) };
    let (updated, closed) = (EventType::PositionUpdated, EventType::PositionClosed);
    // The update waited for room, and left behind the fact that came after it.
    node.begins_with(vec![Ok(of(closed, 21)), Ok(of(updated, 20)), Ok(of(updated, 22))]);
    let handed_over: Vec<_> = node.held.drain().map(|arrival| arrival.event.sequence).collect();
    assert_eq!(handed_over, [21, 22]);
    let looked_up = |number| Decoded { epoch: 7, first: number, events: vec![Ok(of(updated, number))], sent_ns: 0 };
    for (number, is_new) in [(21, false), (23, true)] {
        node.channel.state(looked_up(number), true, &mut node.held);
        assert_eq!(node.held.drain().count(), usize::from(is_new), "{number}");
    }
}

/// A node that had one event and is behind the floor, where a snapshot with these events is loaded.
fn loads(mut node: Node, first: Event, state: Vec<Event>) -> Node {
    node.begins_with(vec![Ok(first)]);
    node.channel.applied(10, Position::new(7, 1));
    node.execute();
    node.held.clear();
    node.channel.live(11, Decoded { epoch: 7, first: 30, events: vec![fact()], sent_ns: 0 });
    node.execute();
    node.reads(Some(Bounds { top: Position::new(7, 30), floor: Position::new(7, 20) }), Vec::new());
    node.execute();
    let said = Snapshot { request_id: 5, group: "con".into(), part: 0, parts: 1, positions: Vec::new() };
    node.channel.snapshot_part(12, 7, Position::new(7, 20), &said, 0, state.into_iter().map(Ok).collect());
    node.execute();
    let frame = Decoded { epoch: 7, first: 21, events: (21..=30).map(|_| fact()).collect(), sent_ns: 0 };
    let entry = Entry { epoch: 7, last: 30, what: Received::Frame { first: 21, frame } };
    node.reads(Some(Bounds { top: Position::new(7, 30), floor: Position::new(7, 20) }), vec![entry]);
    node.execute();
    node
}

#[test]
fn what_a_snapshot_does_not_stand_for_is_lost_and_never_repaired() {
    let passed = Passed { after: Position::new(7, 1), upto: Position::new(7, 20), known: 30 };
    let lost = Heard::Lost { passed, why: "skipped", certain: true };
    for (lane, hears_orders, is_lost) in [(0, false, true), (1, false, false), (1, true, true), (2, false, true)] {
        let mut node = Node::of(lane);
        node.channel.hears_orders = hears_orders;
        let node = loads(node, fact().unwrap(), vec![]);
        let heard = &node.channel.heard;
        assert_eq!(heard.contains(&lost), is_lost, "{lane} {heard:?}");
        assert_eq!(heard.contains(&Heard::Gap { open: false, is_full: false }), !is_lost, "{lane} {heard:?}");
        let replaced = if is_lost { Passed { after: passed.upto, ..passed } } else { passed };
        assert!(heard.contains(&Heard::SnapshotLoaded { passed: replaced, values: 0 }), "{heard:?}");
        assert_eq!(node.channel.passed(), if is_lost { (11, 0, 19) } else { (11, 19, 0) }, "all thirty, once each");
        assert!(!node.channel.receiver.has_gap());
    }
}

#[test]
fn a_snapshot_says_how_the_kill_switch_stands_and_not_how_it_stood() {
    let of = |event_type, sequence| Event { sequence, ..event(event_type) };
    let (pulled, resumed) = (EventType::CircuitBreaker, EventType::TradingResumed);
    // What was heard live is newer, or it is not.
    for (heard, said, is_new) in [(3, 9, true), (9, 9, false), (9, 3, false)] {
        let mut node = loads(Node::of(0), of(resumed, heard), vec![of(pulled, said)]);
        let came = node.held.drain().any(|arrival| arrival.event.event_type == pulled && arrival.origin.is_none());
        assert_eq!(came, is_new, "{heard} {said}");
    }
}

#[test]
fn an_event_that_cannot_be_read_is_told_as_lost_and_holds_nothing_up() {
    let mut node = Node::new();
    node.begins_with(vec![fact(), Err(Skip::Malformed(Fault::Short))]);
    let passed = Passed { after: Position::new(7, 1), upto: Position::new(7, 2), known: 2 };
    assert_eq!(node.channel.heard, [Heard::Lost { passed, why: "malformed", certain: true }]);
    node.channel.applied(10, Position::new(7, 1));
    assert_eq!((node.held.len(), node.applied(), node.channel.skipped), (1, 2, 1));
    assert_eq!(node.channel.passed(), (1, 0, 1), "it is counted once");
}

#[test]
fn a_life_is_entered_when_all_of_the_one_before_is_applied() {
    let mut node = Node::new();
    node.begins_with(vec![fact(), fact()]);
    node.channel.applied(10, Position::new(7, 1));
    node.execute();
    node.channel.beacon(11, Position::new(8, 0));
    assert_eq!(node.execute(), [Pending::Read(4)]);
    let life = Received::Life { before: Position::new(7, 2), torn: false };
    let bounds = Bounds { top: Position::new(8, 0), floor: Position::new(7, 0) };
    node.reads(Some(bounds), vec![Entry { epoch: 8, last: 0, what: life }]);
    node.execute();
    assert_eq!(node.channel.receiver.applied_position(), Position::new(7, 1), "an event waits for its handler");
    node.channel.applied(12, Position::new(7, 2));
    assert_eq!(node.channel.receiver.applied_position(), Position::new(8, 0));
}

#[test]
fn an_answer_that_is_none_is_asked_for_again() {
    let mut node = Node::new();
    assert_eq!(node.execute(), [Pending::Read(4)]);
    node.channel.read(9, None);
    assert!(node.channel.receiver.deadline().is_some());
}

#[test]
fn a_gap_stops_new_orders_until_it_is_repaired() {
    let (state, mut node) = (BridgeState::default(), Node::new());
    node.begins_with(vec![Ok(event(EventType::OrderFilled))]);
    node.channel.applied(10, Position::new(7, 1));
    node.execute();
    node.channel.live(9, Decoded { epoch: 7, first: 3, events: vec![Ok(event(EventType::OrderFilled))], sent_ns: 0 });
    judge(&state, std::slice::from_mut(&mut node.channel), &[], (0, 0));
    assert_eq!(state.trouble(Losses::default()), Some(Trouble::Gap("ORDERS:all:pub".into())));
    assert_eq!(node.execute(), [Pending::Read(4)]);
    let frame = Decoded { epoch: 7, first: 2, events: vec![Ok(event(EventType::OrderFilled))], sent_ns: 0 };
    let bounds = Bounds { top: Position::new(7, 3), floor: Position::new(7, 0) };
    node.reads(Some(bounds), vec![Entry { epoch: 7, last: 2, what: Received::Frame { first: 2, frame } }]);
    judge(&state, std::slice::from_mut(&mut node.channel), &[], (0, 0));
    assert!(state.is_sound(Losses::default()));
}

#[test]
fn what_finds_no_room_with_the_node_is_missing_and_stops_new_orders_until_it_gets_on() {
    let (state, mut node) = (BridgeState::default(), Node::new());
    let unapplied = ReceiverLimits::default().unapplied;
    node.begins_with((0..unapplied).map(|_| fact()).collect());
    let judged = |node: &mut Node| {
        judge(&state, std::slice::from_mut(&mut node.channel), &[], (0, 0));
        state.trouble(Losses::default())
    };
    assert_eq!((node.channel.heard.len(), judged(&mut node)), (0, None), "it has all there is");
    let next = Decoded { epoch: 7, first: unapplied + 1, events: vec![fact()], sent_ns: 0 };
    node.channel.live(10, next);
    node.execute();
    assert_eq!(node.channel.heard, [Heard::Gap { open: true, is_full: true }]);
    assert_eq!(judged(&mut node), Some(Trouble::Gap("ORDERS:all:pub".into())));
    node.channel.applied(11, Position::new(7, unapplied));
    node.execute();
    assert_eq!(node.channel.heard.last(), Some(&Heard::Gap { open: false, is_full: false }));
    assert_eq!((judged(&mut node), node.channel.receiver.position()), (None, Some(Position::new(7, unapplied + 1))));
}

const DEADLINE: i64 = 1_760_000_000_000_000_000;

fn request() -> Event {
    let request = OrderRequest { deadline_ns: DEADLINE, ..asked_for("a", 1) };
    Event { payload: Payload::shared(request), ..event(EventType::OrderRequest) }
}

/// A request of life 7, which a node with accounts has read and not handed over.
fn asked() -> Node {
    let mut node = Node::new();
    node.channel.deadlines = Deadlines { most_ns: 2_000_000_000, is_strict: true };
    let frame = Decoded { epoch: 7, first: 1, events: vec![Ok(request())], sent_ns: 0 };
    let bounds = Bounds { top: Position::new(7, 1), floor: Position::new(7, 0) };
    assert_eq!(node.execute(), [Pending::Read(4)]);
    node.reads(Some(bounds), vec![Entry { epoch: 7, last: 1, what: Received::Frame { first: 1, frame } }]);
    node
}

#[test]
fn a_deadline_goes_by_the_clock_of_the_life_that_set_it() {
    // Its node was started again since, with a clock that was set right.
    let (right, hour) = (Clock::Ahead(0), Clock::Off);
    for (known, deadline_ns) in [
        (&[(7, right), (9, hour)][..], DEADLINE),
        (&[(7, hour), (9, right)], CLOCK_IS_OFF_NS),
        (&[(9, right)], CLOCK_IS_OFF_NS),
        (&[(7, Clock::Ahead(1_500_000_000)), (9, right)], DEADLINE - 1_500_000_000),
    ] {
        let mut node = asked();
        known.iter().for_each(|&(epoch, clock)| node.channel.clocks.know(epoch, clock));
        node.execute();
        let Payload::Shared(shared) = &node.held.drain().next().unwrap().event.payload else { panic!() };
        let request = shared.as_any().downcast_ref::<OrderRequest>().unwrap();
        assert_eq!(request.deadline_ns, deadline_ns, "{known:?}");
    }
}

#[test]
fn what_a_life_asks_waits_until_its_own_clock_is_known() {
    let mut node = asked();
    assert!(node.channel.waits_for_clock(10, false) && !node.channel.waits_for_clock(10, true));
    // The life before it was heard, and may be called dead.
    node.channel.clocks.know(5, Clock::Ahead(0));
    for is_dead in [false, true] {
        assert!(node.channel.waits_for_clock(10, is_dead));
        assert!(node.channel.waits_for_clock(2_500_000_009, is_dead));
        assert!(!node.channel.waits_for_clock(2_500_000_010, is_dead), "it is as silent as the dead");
    }
    // What it asks next has waited for it as well.
    node.execute();
    node.channel.live(9, Decoded { epoch: 7, first: 2, events: vec![Ok(request())], sent_ns: 0 });
    assert!(!node.channel.waits_for_clock(2_500_000_011, false), "each life has its time once");
    node.channel.clocks.know(7, Clock::Ahead(0));
    assert!(!node.channel.waits_for_clock(11, false));
    node.channel.clocks.know(9, Clock::Ahead(0));
    assert!(!node.channel.waits_for_clock(11, false), "an older one says no more than it has");
}
