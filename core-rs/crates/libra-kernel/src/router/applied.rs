//! Which events of other nodes have been handled here: what a bridge may acknowledge.
//!
//! A durable event that came from elsewhere has a place in its publisher's channel, its [`RemoteOrigin`]. The place is
//! *applied* when every mailbox that took the event is done with it: its handler has ended (an async one too), it was thrown
//! away with its actor, or its actor is no more. What is told is, for each channel, the highest place below which all is
//! applied, so an event that takes long holds back what came after it, and nothing else.
//!
//! The invariant that this rests on: **in one lane of one mailbox, tracked events are done with in the order of their
//! arrival**, or out of it where sources take turns ([`sharing`](crate::mailbox)); then they are found by their number, as what
//! waits stands in the order of numbers. Events of those types are never dropped or conflated (only commands and facts are
//! tracked, in the lanes RISK, ORDERS and SIGNALS, of which no batches are made), and an actor handles one event at a time. So an
//! event that is done with is mostly the front of its queue or not tracked: one comparison. Numbers decide which: `bus_seq` is
//! given once. A later event that took the queue place of an earlier one is never tracked, so it cannot be taken for it.
//!
//! A command is not applied before what it led to is. A request that passed the risk check lives in an approval; the log knows
//! of it only when that was spent. So a command (ORDERS, one that may be refused) whose parent span is that of a command that
//! is still open joins it: the place is applied when both are done with. A process that dies in between gets the request again.
//!
//! An actor that does not get on must not hold back what all others have done: it is *excused* ([`excuse`](super::excuse)). Its
//! tickets are given back, and what it was given stays in its queues without one, so that it is known when it has done it.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};

use super::MailboxId;
use super::excuse::Rounds;
use crate::event::Lane;

/// Where an event of another node stands in its publisher's channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RemoteOrigin {
    /// The bridge's number of the channel: dense from 0.
    pub channel: u32,
    /// The publisher's life.
    pub epoch: u64,
    /// `channel_seq`.
    pub seq: u64,
}

impl RemoteOrigin {
    fn place(self) -> (u64, u64) {
        (self.epoch, self.seq)
    }
}

/// An event that is open: its channel, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) channel: u32,
    pub(super) number: u64,
}

pub(super) struct Open {
    epoch: u64,
    seq: u64,
    /// When it was opened.
    pub(super) since: u64,
    /// Mailboxes that are not done with it or with what joined it, and whoever is still handing it out.
    left: u32,
    /// Spans of the commands that stand in `causes` for it.
    spans: Vec<u64>,
}

#[derive(Default)]
pub(super) struct Channel {
    /// The number of the front of `open`.
    pub(super) first: u64,
    pub(super) open: VecDeque<Open>,
    /// Since when that one is its front.
    pub(super) front_since: u64,
    /// The last place that was opened, and the last that is applied.
    last: (u64, u64),
    applied: (u64, u64),
    /// It stands in `moved`.
    is_listed: bool,
}

#[derive(Clone, Copy)]
pub(super) struct Waiting {
    sequence: u64,
    /// None where its mailbox is excused of it, or done with it.
    pub(super) ticket: Option<Ticket>,
    /// It had its turn before others that came earlier, and stands behind them.
    is_done: bool,
}

/// The lanes of which events are tracked.
const LANES: usize = Lane::MarketData as usize;

/// What a mailbox is not done with.
#[derive(Default)]
pub(super) struct Waits {
    /// By lane: the tracked events.
    pub(super) lanes: [VecDeque<Waiting>; LANES],
    /// When it was done with one of them last, or got the first.
    pub(super) since: u64,
    /// It has done nothing since it was excused: what comes for it holds nothing back.
    pub(super) is_excused: bool,
    /// Events without a ticket.
    pub(super) unheld: usize,
}

/// See the module.
#[derive(Default)]
pub(super) struct Applied {
    pub(super) channels: Vec<Channel>,
    /// By mailbox.
    pub(super) waiting: Vec<Waits>,
    pub(super) rounds: Rounds,
    /// Open commands by their spans.
    causes: HashMap<u64, Ticket>,
    /// Channels whose applied place went up since it was last taken.
    moved: Vec<u32>,
}

impl Applied {
    /// True when the place lies behind all that was opened: an event that comes again is none.
    pub(super) fn is_new(&self, origin: RemoteOrigin) -> bool {
        self.channels.get(origin.channel as usize).is_none_or(|channel| origin.place() > channel.last)
    }

    /// An event begins to be handed out; it stays open until [`Applied::release`] and all that [`Applied::expect`] announced.
    pub(super) fn open(&mut self, origin: RemoteOrigin) -> Ticket {
        let index = origin.channel as usize;
        if index >= self.channels.len() {
            self.channels.resize_with(index + 1, Channel::default);
        }
        let (channel, since) = (&mut self.channels[index], self.rounds.now);
        channel.last = origin.place();
        if channel.open.is_empty() {
            channel.front_since = since;
        }
        channel.open.push_back(Open { epoch: origin.epoch, seq: origin.seq, since, left: 1, spans: Vec::new() });
        Ticket { channel: origin.channel, number: channel.first + channel.open.len() as u64 - 1 }
    }

    /// A mailbox has taken the event of a ticket, under this number.
    pub(super) fn expect(&mut self, mailbox: MailboxId, lane: Lane, sequence: u64, ticket: Ticket) {
        if mailbox >= self.waiting.len() {
            self.waiting.resize_with(mailbox + 1, Default::default);
        }
        let waits = &mut self.waiting[mailbox];
        if waits.lanes.iter().all(VecDeque::is_empty) {
            waits.since = self.rounds.now;
        }
        let Some(queue) = waits.lanes.get_mut(lane as usize) else { return };
        if waits.is_excused {
            queue.push_back(Waiting { sequence, ticket: None, is_done: false });
            waits.unheld += 1;
        } else {
            queue.push_back(Waiting { sequence, ticket: Some(ticket), is_done: false });
            self.open_of(ticket).left += 1;
        }
    }

    /// A command of a ticket: what it leads to joins it.
    pub(super) fn note_cause(&mut self, span_id: u64, ticket: Ticket) {
        self.causes.insert(span_id, ticket);
        self.open_of(ticket).spans.push(span_id);
    }

    /// The ticket of an open command.
    pub(super) fn cause(&self, span_id: u64) -> Option<Ticket> {
        self.causes.get(&span_id).copied()
    }

    /// A mailbox is done with an event, tracked or not.
    #[inline]
    pub(super) fn handled(&mut self, mailbox: MailboxId, lane: Lane, sequence: u64) {
        let Some(waits) = self.waiting.get_mut(mailbox) else { return };
        let Some(queue) = waits.lanes.get_mut(lane as usize) else { return };
        let Some(front) = queue.front().map(|waiting| waiting.sequence) else { return };
        let index = match front.cmp(&sequence) {
            Ordering::Equal => 0,
            Ordering::Greater => return,
            Ordering::Less => match queue.binary_search_by_key(&sequence, |waiting| waiting.sequence) {
                Ok(index) => index,
                Err(_) => return,
            },
        };
        let done = &mut queue[index];
        debug_assert!(!done.is_done, "an event is handled once");
        done.is_done = true;
        let ticket = done.ticket.take();
        while queue.front().is_some_and(|waiting| waiting.is_done) {
            queue.pop_front();
        }
        (waits.since, waits.is_excused) = (self.rounds.now, false);
        match ticket {
            Some(ticket) => self.release(ticket),
            None => waits.unheld -= 1,
        }
    }

    /// A mailbox is no more, and done with all that it took.
    pub(super) fn gone(&mut self, mailbox: MailboxId) {
        let Some(waits) = self.waiting.get_mut(mailbox) else { return };
        for waiting in std::mem::take(waits).lanes.into_iter().flatten() {
            waiting.ticket.into_iter().for_each(|ticket| self.release(ticket));
        }
    }

    /// One of those that hold an event open lets go.
    pub(super) fn release(&mut self, ticket: Ticket) {
        let open = self.open_of(ticket);
        open.left -= 1;
        if open.left != 0 {
            return;
        }
        for span in std::mem::take(&mut open.spans) {
            self.causes.remove(&span);
        }
        let channel = &mut self.channels[ticket.channel as usize];
        let before = channel.applied;
        while channel.open.front().is_some_and(|open| open.left == 0)
            && let Some(open) = channel.open.pop_front()
        {
            channel.first += 1;
            channel.front_since = self.rounds.now;
            channel.applied = (open.epoch, open.seq);
        }
        if channel.applied != before && !channel.is_listed {
            channel.is_listed = true;
            self.moved.push(ticket.channel);
        }
    }

    /// True when some place has gone up since the last [`Applied::take`].
    pub(super) fn has_moved(&self) -> bool {
        !self.moved.is_empty()
    }

    /// Adds, for each channel with news, the highest place below which all is applied.
    pub(super) fn take(&mut self, into: &mut Vec<RemoteOrigin>) {
        for channel in self.moved.drain(..) {
            let Channel { applied: (epoch, seq), is_listed, .. } = &mut self.channels[channel as usize];
            *is_listed = false;
            into.push(RemoteOrigin { channel, epoch: *epoch, seq: *seq });
        }
    }

    /// Events that are open.
    pub(super) fn open_events(&self) -> usize {
        self.channels.iter().map(|channel| channel.open.len()).sum()
    }

    fn open_of(&mut self, ticket: Ticket) -> &mut Open {
        let channel = &mut self.channels[ticket.channel as usize];
        // A ticket is held only while its event is open, and what is open stands behind `first`.
        &mut channel.open[(ticket.number - channel.first) as usize]
    }
}
