//! A channel of this node, at a server that answers what the test says.

use std::collections::VecDeque;
use std::io::Read;

use super::super::calls::{Calls, Keys, Pending};
use super::super::outgoing::{Notice, Outgoing};
use super::super::settings::LinkSettings;
use super::*;
use crate::ids::Position;
use crate::resp::{Commands, Inbox, Limits, Reply};

pub(super) const ORDERS: usize = 1;

pub(super) struct Server {
    commands: Commands,
    pending: VecDeque<Pending>,
}

impl Server {
    pub(super) fn new() -> Self {
        Server { commands: Commands::new(), pending: VecDeque::new() }
    }

    /// Makes the calls that are wanted; which those are.
    pub(super) fn execute(&mut self, channel: &mut Outgoing) -> Vec<Pending> {
        let mut calls = Calls { commands: &mut self.commands, pending: &mut self.pending };
        channel.execute("run", Some(&mut calls));
        self.pending.drain(..).collect()
    }
}

/// Gives a channel the server's answer, as it comes over the wire.
pub(super) fn answer(channel: &mut Outgoing, pending: Pending, wire: &str) {
    let mut inbox = Inbox::new(Limits::default());
    let mut from = wire.as_bytes();
    while !from.is_empty() {
        inbox.fill(|room| from.read(room)).unwrap();
    }
    let reply: Reply<'_> = inbox.next_reply().unwrap().expect("a whole reply");
    channel.reply(9, pending, reply);
}

pub(super) fn channel(settings: &LinkSettings) -> Outgoing {
    let id = settings.channels_of("pub").remove(ORDERS);
    Outgoing::new(ORDERS, settings, Keys::new(&settings.environment, id), 7, 1)
}

pub(super) fn open(server: &mut Server, channel: &mut Outgoing) {
    channel.connected();
    assert_eq!(server.execute(channel), [Pending::Open(ORDERS)]);
    answer(channel, Pending::Open(ORDERS), "*3\r\n:0\r\n$3\r\n7-0\r\n*0\r\n");
}

#[test]
fn a_lone_event_leaves_at_once_and_what_comes_meanwhile_gathers() {
    let (settings, mut server) = (settings(), Server::new());
    let mut channel = channel(&settings);
    open(&mut server, &mut channel);
    channel.take(event(EventType::OrderFilled), 3);
    channel.send(3);
    assert_eq!(server.execute(&mut channel), [Pending::Append(ORDERS)]);
    for _ in 0..5 {
        channel.take(event(EventType::OrderFilled), 4);
        channel.send(4);
    }
    assert_eq!((server.execute(&mut channel).len(), channel.gathers()), (0, true), "one is in flight");
    answer(&mut channel, Pending::Append(ORDERS), ":1\r\n");
    channel.send(5);
    assert_eq!(server.execute(&mut channel), [Pending::Append(ORDERS)], "five events in one frame");
    assert_eq!((channel.sender.outbox().last(), channel.gathers()), (6, false));
    assert_eq!(channel.sender.frames(2, 6).count(), 1);
}

#[test]
fn credit_comes_back_when_every_consumer_has_applied() {
    let (settings, mut server) = (settings(), Server::new());
    let mut channel = channel(&settings);
    open(&mut server, &mut channel);
    for _ in 0..3 {
        channel.take(event(EventType::OrderRequest), 3);
        channel.send(3);
        for pending in server.execute(&mut channel) {
            answer(&mut channel, pending, ":1\r\n");
        }
    }
    assert_eq!(channel.take_credits().events, 0, "appended is not applied");
    channel.acknowledged(5, 0, Position::new(7, 2));
    assert_eq!(channel.take_credits().events, 2);
    channel.acknowledged(6, 0, Position::new(7, 3));
    assert_eq!((channel.take_credits().events, channel.take_credits().events), (1, 0));
}

#[test]
fn of_what_the_server_keeps_durable_events_count_and_latest_values_do_not() {
    let (settings, mut server) = (settings(), Server::new());
    let mut channel = channel(&settings);
    open(&mut server, &mut channel);
    for event_type in [EventType::OrderFilled, EventType::PositionUpdated, EventType::PositionUpdated] {
        channel.take(event(event_type), 3);
        channel.send(3);
        for pending in server.execute(&mut channel) {
            answer(&mut channel, pending, ":1\r\n");
        }
    }
    assert_eq!((channel.sender.confirmed().seq, channel.kept()), (3, 1));
    channel.take(event(EventType::OrderFilled), 4);
    channel.send(4);
    assert_eq!((channel.sender.outbox().events(), channel.kept()), (4, 1), "the last is on its way");
    channel.acknowledged(5, 0, Position::new(7, 1));
    channel.take_credits();
    assert_eq!(channel.kept(), 0);
}

#[test]
fn a_snapshot_that_cannot_be_made_is_told_once() {
    let settings = settings();
    let mut channel = channel(&settings);
    let too_large = || Some((9, "too large".to_owned()));
    (0..3).for_each(|_| channel.snapshot_lacks(0, too_large()));
    channel.snapshot_lacks(0, Some((1, "left out".to_owned())));
    assert_eq!(channel.notices.len(), 2);
    channel.snapshot_lacks(0, None);
    channel.snapshot_lacks(0, too_large());
    assert_eq!(channel.notices.len(), 3, "it could be made meanwhile");
}

#[test]
fn of_latest_values_the_newest_goes_and_none_takes_room_while_the_server_is_away() {
    let (settings, mut server) = (settings(), Server::new());
    let mut channel = channel(&settings);
    for _ in 0..1_000 {
        channel.take(event(EventType::PositionUpdated), 3);
        channel.send(3);
    }
    assert_eq!((channel.sender.outbox().events(), channel.conflated), (0, 999));
    open(&mut server, &mut channel);
    channel.send(4);
    server.execute(&mut channel);
    assert_eq!((channel.sender.outbox().events(), channel.take_credits().events), (1, 0), "they took no credit");
}

#[test]
fn a_command_without_room_waits_with_all_that_follows_and_is_not_lost() {
    let mut settings = settings();
    (settings.outbox_bytes, settings.outbox_events) = (4_000, 1_000);
    let (mut server, mut channel) = (Server::new(), channel(&settings));
    open(&mut server, &mut channel);
    for _ in 0..100 {
        channel.take(event(EventType::OrderRequest), 3);
        channel.send(3);
        for pending in server.execute(&mut channel) {
            answer(&mut channel, pending, ":1\r\n");
        }
    }
    assert!(channel.notices.contains(&Notice::Full) && channel.gathers());
    let before = channel.sender.outbox().last();
    assert!(before < 100, "{before}");
    for _ in 0..100 {
        channel.acknowledged(4, 0, Position::new(7, channel.sender.outbox().last()));
        channel.send(4);
        for pending in server.execute(&mut channel) {
            answer(&mut channel, pending, ":1\r\n");
        }
    }
    assert_eq!((channel.take_credits().events, channel.unsendable, channel.gathers()), (100, 0, false));
}

/// A channel whose outbox has no room for another request, and one that waits for some.
fn full(settings: &mut LinkSettings, server: &mut Server) -> Outgoing {
    (settings.outbox_bytes, settings.outbox_events) = (4_000, 1_000);
    let mut channel = channel(settings);
    open(server, &mut channel);
    for _ in 0..100 {
        channel.take(event(EventType::OrderRequest), 3);
        channel.send(3);
        for pending in server.execute(&mut channel) {
            answer(&mut channel, pending, ":1\r\n");
        }
    }
    assert!(channel.gathers(), "a request waits");
    channel
}

#[test]
fn cancels_and_facts_pass_a_request_without_room() {
    for (event_type, more) in [(EventType::CancelRequest, 1), (EventType::OrderFilled, 20)] {
        let (mut settings, mut server) = (settings(), Server::new());
        let mut channel = full(&mut settings, &mut server);
        let before = channel.sender.outbox().last();
        (0..more).for_each(|_| channel.take(event(event_type), 4));
        channel.send(4);
        server.execute(&mut channel);
        assert_eq!(channel.sender.outbox().last() - before, more, "{event_type:?}");
    }
}

#[test]
fn cancels_that_stand_among_requests_pass_them() {
    let (mut settings, mut server) = (settings(), Server::new());
    let mut channel = full(&mut settings, &mut server);
    let before = channel.sender.outbox().last();
    channel.acknowledged(4, 0, Position::new(7, 1));
    // Some room: what waits is written, and a cancel comes into the same frame, for which there is too little.
    channel.take(event(EventType::CancelRequest), 4);
    channel.send(4);
    let pending = server.execute(&mut channel);
    assert!(!pending.is_empty() && channel.sender.outbox().last() > before);
}

#[test]
fn what_waited_leaves_in_its_order_and_none_of_it_twice() {
    let (mut settings, mut server) = (settings(), Server::new());
    (settings.outbox_bytes, settings.outbox_events) = (40_000, 24);
    let mut channel = channel(&settings);
    open(&mut server, &mut channel);
    let mut reader = crate::frame::FrameReader::new();
    let (mut left, mut read) = (Vec::new(), 0);
    for number in 1..=400_u64 {
        let event_type = if number % 7 == 0 { EventType::CancelRequest } else { EventType::OrderRequest };
        channel.take(Event { sequence: number, ..event(event_type) }, 3);
        channel.send(3);
        for round in 0..2 {
            for pending in server.execute(&mut channel) {
                answer(&mut channel, pending, ":1\r\n");
            }
            let last = channel.sender.outbox().last();
            for outgoing in channel.sender.frames(read + 1, last) {
                let frame = reader.read(&outgoing.frame).unwrap();
                left.extend(frame.events().map(|(_, event)| event.unwrap()));
            }
            read = last;
            if number % 5 == 0 || number > 390 {
                channel.acknowledged(3 + round, 0, Position::new(7, last));
                channel.send(3 + round);
            }
        }
    }
    for _ in 0..100 {
        channel.acknowledged(5, 0, Position::new(7, channel.sender.outbox().last()));
        channel.send(5);
        for pending in server.execute(&mut channel) {
            answer(&mut channel, pending, ":1\r\n");
        }
        let last = channel.sender.outbox().last();
        for outgoing in channel.sender.frames(read + 1, last) {
            left.extend(reader.read(&outgoing.frame).unwrap().events().map(|(_, event)| event.unwrap()));
        }
        read = last;
    }
    for event_type in [EventType::CancelRequest, EventType::OrderRequest] {
        let of: Vec<_> =
            left.iter().filter(|event| event.event_type == event_type).map(|event| event.sequence).collect();
        assert!(of.is_sorted_by(|a, b| a < b), "{event_type:?}: {of:?}");
    }
    assert_eq!((left.len(), channel.gathers(), channel.unsendable), (400, false, 0));
}

#[test]
fn that_there_is_no_room_is_said_once() {
    let (mut settings, mut server) = (settings(), Server::new());
    let mut channel = full(&mut settings, &mut server);
    (0..100).for_each(|_| channel.take(event(EventType::CancelRequest), 4));
    (0..5_000).for_each(|_| channel.send(9));
    assert_eq!(channel.notices.iter().filter(|notice| **notice == Notice::Full).count(), 1);
}

#[test]
fn a_command_that_needs_nearly_all_of_an_empty_outbox_is_sent() {
    let mut settings = settings();
    settings.outbox_bytes = 150;
    let mut channel = channel(&settings);
    channel.take(event(EventType::OrderRequest), 3);
    channel.send(3);
    let bytes = channel.sender.outbox().bytes();
    assert!(bytes > 150 * 7 / 8 && !channel.gathers(), "{bytes}");
}

#[test]
fn what_cannot_be_sent_is_told_once_for_many_and_costs_no_credit() {
    let settings = settings();
    let mut channel = channel(&settings);
    for _ in 0..3 {
        channel.take(event(EventType::VenueReport), 3);
    }
    assert_eq!((channel.take_credits().events, channel.unsendable, channel.notices.len()), (3, 3, 1));
}

#[test]
fn that_it_is_fenced_is_told_though_the_connection_ends_behind_the_refusal() {
    let (settings, mut server) = (settings(), Server::new());
    let mut channel = channel(&settings);
    open(&mut server, &mut channel);
    channel.take(event(EventType::OrderFilled), 3);
    channel.send(3);
    assert_eq!(server.execute(&mut channel), [Pending::Append(ORDERS)]);
    // In one turn: the refusal is read, and behind it the end of the connection.
    answer(&mut channel, Pending::Append(ORDERS), "-FENCED 9\r\n");
    channel.disconnected(4);
    channel.connected();
    assert_eq!(server.execute(&mut channel), [Pending::Other], "and the epoch is raised where it is connected next");
    assert_eq!((channel.notices.as_slice(), channel.sender.is_fenced()), (&[Notice::Fenced { by: 9 }][..], true));
}

#[test]
fn what_was_cut_is_told_though_the_connection_ends_behind_it() {
    let mut settings = settings();
    settings.outbox_events = 1;
    let (mut server, mut channel) = (Server::new(), channel(&settings));
    open(&mut server, &mut channel);
    channel.take(event(EventType::OrderFilled), 3);
    channel.send(3);
    server.execute(&mut channel);
    answer(&mut channel, Pending::Append(ORDERS), ":1\r\n");
    channel.take(event(EventType::OrderFilled), 3);
    channel.send(3);
    channel.disconnected(4);
    channel.connected();
    assert_eq!(server.execute(&mut channel), [Pending::Open(ORDERS)], "no call of the connection that is gone");
    assert_eq!(channel.notices.first(), Some(&Notice::Cut { events: 1, commands: 0 }));
}

#[test]
fn a_channel_that_is_fenced_says_so_and_raises_the_epoch() {
    let (settings, mut server) = (settings(), Server::new());
    let mut channel = channel(&settings);
    open(&mut server, &mut channel);
    channel.heard_of(8);
    assert_eq!(server.execute(&mut channel), [Pending::Other], "raise");
    assert_eq!(channel.notices, [Notice::Fenced { by: 8 }]);
    assert!(channel.sender.is_fenced());
}

/// Facts that come faster than calls are made push out of a small outbox what was to be sent just now.
#[test]
fn what_was_cut_before_it_was_sent_is_not_taken_for_appended() {
    let mut settings = settings();
    settings.outbox_events = 4;
    let (mut server, mut channel) = (Server::new(), channel(&settings));
    open(&mut server, &mut channel);
    for _ in 0..6 {
        channel.take(event(EventType::OrderFilled), 3);
        channel.send(3);
    }
    assert_eq!((channel.sender.outbox().base(), channel.sender.outbox().last()), (2, 6));
    let asked = server.execute(&mut channel);
    let skips = asked.iter().filter(|pending| **pending == Pending::Trim(ORDERS)).count();
    assert_eq!((asked.len() - skips, skips, channel.in_flight), (4, 2, 4), "{asked:?}");
    assert_eq!(asked[..2], [Pending::Trim(ORDERS); 2], "the channel goes on behind the cut, and then there is more");
    for pending in &asked[..3] {
        let answered = if *pending == Pending::Trim(ORDERS) { "$3\r\n7-2\r\n" } else { "-OOM it is full\r\n" };
        answer(&mut channel, *pending, answered);
    }
    assert_eq!(channel.sender.confirmed(), Position::new(7, 0), "nothing was taken");
}
