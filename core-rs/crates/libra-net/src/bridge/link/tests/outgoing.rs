//! A channel of this node, at a server that answers what the test says.

use std::collections::VecDeque;
use std::io::Read;

use super::super::calls::{Calls, Keys, Pending};
use super::super::outgoing::{Notice, Outgoing};
use super::super::settings::LinkSettings;
use super::*;
use crate::ids::Position;
use crate::resp::{Commands, Inbox, Limits, Reply};

const ORDERS: usize = 1;

struct Server {
    commands: Commands,
    pending: VecDeque<Pending>,
}

impl Server {
    fn new() -> Self {
        Server { commands: Commands::new(), pending: VecDeque::new() }
    }

    /// Makes the calls that are wanted; which those are.
    fn execute(&mut self, channel: &mut Outgoing) -> Vec<Pending> {
        let mut calls = Calls { commands: &mut self.commands, pending: &mut self.pending };
        channel.execute("run", Some(&mut calls));
        self.pending.drain(..).collect()
    }
}

/// Gives a channel the server's answer, as it comes over the wire.
fn answer(channel: &mut Outgoing, pending: Pending, wire: &str) {
    let mut inbox = Inbox::new(Limits::default());
    let mut from = wire.as_bytes();
    while !from.is_empty() {
        inbox.fill(|room| from.read(room)).unwrap();
    }
    let reply: Reply<'_> = inbox.next_reply().unwrap().expect("a whole reply");
    channel.reply(9, pending, reply);
}

fn channel(settings: &LinkSettings) -> Outgoing {
    let id = settings.channels_of("pub").remove(ORDERS);
    Outgoing::new(ORDERS, settings, Keys::new(&settings.environment, id), 7, 1)
}

fn open(server: &mut Server, channel: &mut Outgoing) {
    channel.connected(2);
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
fn a_channel_that_is_fenced_says_so_and_raises_the_epoch() {
    let (settings, mut server) = (settings(), Server::new());
    let mut channel = channel(&settings);
    open(&mut server, &mut channel);
    channel.heard_of(8);
    assert_eq!(server.execute(&mut channel), [Pending::Other], "raise");
    assert_eq!(channel.notices, [Notice::Fenced { by: 8 }]);
    assert!(channel.sender.is_fenced());
}
