//! A channel of another node: what is handed over, and when a place counts as applied.

use std::collections::VecDeque;

use libra_kernel::bridge_state::{BridgeState, Losses, Trouble};

use super::super::calls::{Calls, Keys, Pending, ReadAnswer};
use super::super::decoded::Decoded;
use super::super::incoming::{Heard, Incoming};
use super::super::urgent::judging::judge;
use super::*;
use crate::bridge::Arrival;
use crate::durable::{Bounds, Entry, Received};
use crate::frame::{Fault, FrameWriter, Skip};
use crate::ids::Position;
use crate::resp::Commands;

struct Node {
    channel: Incoming,
    writer: FrameWriter,
    held: VecDeque<Arrival>,
    pending: VecDeque<Pending>,
}

impl Node {
    /// A consumer that has read the stream, in which life 7 has just begun.
    fn new() -> Self {
        let settings = settings();
        let id = settings.channels_of("pub").remove(1);
        let mut node = Node {
            channel: Incoming::new(4, 0, 1, Keys::new(&settings.environment, id)),
            writer: FrameWriter::for_control("con", 3).unwrap(),
            held: VecDeque::new(),
            pending: VecDeque::new(),
        };
        node.channel.connected(1);
        node.channel.subscribed(1);
        assert_eq!(node.execute(), [Pending::Read(4, 0)], "what the server knows of this group");
        node.reads(0, None, Vec::new());
        node
    }

    fn execute(&mut self) -> Vec<Pending> {
        let mut commands = Commands::new();
        let mut calls = Calls { commands: &mut commands, pending: &mut self.pending };
        self.channel.execute(9, "con", &mut self.writer, Some(&mut calls), &mut self.held);
        self.pending.drain(..).collect()
    }

    fn reads(&mut self, count: u32, bounds: Option<Bounds>, entries: Vec<Entry<Decoded>>) {
        let answer = ReadAnswer { incarnation: Some(5), acknowledged: None, bounds, count: entries.len() };
        self.channel.entries = entries;
        self.channel.read(9, Some(answer), count);
    }

    /// The stream's first read: a frame of these events.
    fn begins_with(&mut self, events: Vec<Result<Event, Skip>>) {
        assert_eq!(self.execute(), [Pending::Read(4, 256)]);
        let frame = Decoded { epoch: 7, first: 1, events, sent_ns: 0 };
        let bounds = Bounds { top: frame.last(), floor: Position::new(7, 0) };
        let entry = Entry { epoch: 7, last: frame.last().seq, what: Received::Frame { first: 1, frame } };
        self.reads(256, Some(bounds), vec![entry]);
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
        node.held.iter().map(|arrival| arrival.origin.map(|origin| (origin.channel, origin.seq))).collect();
    assert_eq!((places, node.applied()), (vec![Some((4, 1)), Some((4, 2)), Some((4, 3))], 0));
    node.channel.applied(10, Position::new(7, 2));
    assert_eq!(node.applied(), 2);
    assert_eq!(node.execute(), [Pending::Ack(4)], "the first of a life at once");
}

#[test]
fn what_nobody_tracks_is_applied_with_what_came_before_it() {
    let mut node = Node::new();
    node.begins_with(vec![fact(), Ok(event(EventType::PositionUpdated)), Ok(balance(1))]);
    assert!(node.held[1].origin.is_none() && node.held[2].origin.is_none(), "a mailbox may conflate them");
    assert_eq!(node.applied(), 0);
    node.channel.applied(10, Position::new(7, 1));
    assert_eq!(node.applied(), 3);
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
        node.held.drain(..).count()
    };
    assert_eq!(look(&mut node, 7, 20, false), 1);
    assert_eq!((look(&mut node, 7, 20, false), look(&mut node, 7, 19, true), look(&mut node, 7, 20, true)), (0, 0, 1));
    node.begins_with(vec![fact(), Ok(balance(19)), Ok(balance(20)), Ok(balance(21))]);
    let handed_over: Vec<_> = node.held.drain(..).map(|arrival| arrival.event.sequence).collect();
    assert_eq!(handed_over, [event(EventType::OrderFilled).sequence, 21]);
    node.channel.applied(10, Position::new(7, 1));
    assert_eq!(node.applied(), 4, "what was passed over is applied with what came before it");
    node.channel.state(looked_up(7, 21), false, &mut node.held);
    assert_eq!((node.held.len(), node.channel.latest.older(), node.channel.loaded), (0, 3, 2));
    assert_eq!(look(&mut node, 8, 1, false), 1, "a new life counts from 1");
}

#[test]
fn an_event_that_cannot_be_read_is_told_as_lost_and_holds_nothing_up() {
    let mut node = Node::new();
    node.begins_with(vec![fact(), Err(Skip::Malformed(Fault::Short))]);
    assert_eq!(node.channel.heard, [Heard::Lost { events: 1, why: "malformed", certain: true }]);
    node.channel.applied(10, Position::new(7, 1));
    assert_eq!((node.held.len(), node.applied(), node.channel.skipped), (1, 2, 1));
}

#[test]
fn a_life_is_entered_when_all_of_the_one_before_is_applied() {
    let mut node = Node::new();
    node.begins_with(vec![fact(), fact()]);
    node.channel.applied(10, Position::new(7, 1));
    node.execute();
    node.channel.beacon(11, Position::new(8, 0));
    assert_eq!(node.execute(), [Pending::Read(4, 256)]);
    let life = Received::Life { before: Position::new(7, 2), torn: false };
    let bounds = Bounds { top: Position::new(8, 0), floor: Position::new(7, 0) };
    node.reads(256, Some(bounds), vec![Entry { epoch: 8, last: 0, what: life }]);
    node.execute();
    assert_eq!(node.channel.receiver.applied_position(), Position::new(7, 1), "an event waits for its handler");
    node.channel.applied(12, Position::new(7, 2));
    assert_eq!(node.channel.receiver.applied_position(), Position::new(8, 0));
}

#[test]
fn an_answer_that_is_none_is_asked_for_again() {
    let mut node = Node::new();
    assert_eq!(node.execute(), [Pending::Read(4, 256)]);
    node.channel.read(9, None, 256);
    assert!(node.channel.receiver.deadline().is_some());
}

#[test]
fn a_gap_stops_new_orders_until_it_is_repaired() {
    let (state, mut node) = (BridgeState::default(), Node::new());
    node.begins_with(vec![Ok(event(EventType::OrderFilled))]);
    node.channel.applied(10, Position::new(7, 1));
    node.execute();
    node.channel.live(9, Decoded { epoch: 7, first: 3, events: vec![Ok(event(EventType::OrderFilled))], sent_ns: 0 });
    judge(&state, std::slice::from_ref(&node.channel), &[], (0, 0));
    assert_eq!(state.trouble(Losses::default()), Some(Trouble::Gap("ORDERS:all:pub".into())));
    assert_eq!(node.execute(), [Pending::Read(4, 256)]);
    let frame = Decoded { epoch: 7, first: 2, events: vec![Ok(event(EventType::OrderFilled))], sent_ns: 0 };
    let bounds = Bounds { top: Position::new(7, 3), floor: Position::new(7, 0) };
    node.reads(256, Some(bounds), vec![Entry { epoch: 7, last: 2, what: Received::Frame { first: 2, frame } }]);
    judge(&state, std::slice::from_ref(&node.channel), &[], (0, 0));
    assert!(state.is_sound(Losses::default()));
}
