//! The latest values of this node in the server's hash, for whoever comes later.
//!
//! Live, a value reaches the other nodes by its channel. Here its newest is kept for nodes that were not there, or forgot it:
//! written when nothing is in flight, so that what comes meanwhile is conflated. To a server that may have lost them all are
//! written again, and published where it had not got them: somebody may have looked for them in vain.
//!
//! What an account has outlives the life that said it, and its next life need not say it again. So the first connection
//! adopts what the server has of earlier lives, for the time when the server has lost it.

use libra_kernel::clock::wall_ns;
use libra_kernel::{Event, EventType, Lane, Travel};

use super::calls::Calls;
use super::decoded::Decoded;
use super::settings::{LinkSettings, WHOLE};
use crate::frame::{Append, FrameReader, FrameWriter, LONGEST_FRAME, Limits};
use crate::ids::{BadName, ChannelId, Position};
use crate::latest::{Key, LatestSender};
use crate::resp::Reply;

/// Values written before an answer is awaited.
const MOST_IN_FLIGHT: usize = 256;

/// True for what an account has: it rides ORDERS, and holds until it is replaced.
pub(super) fn is_of_account(event_type: EventType) -> bool {
    event_type.travel() == Travel::Latest && event_type.lane() == Lane::Orders
}

/// True for a fact that says how a position stands: it travels as facts do, and is that position's newest state.
pub(super) fn tells_of_position(event_type: EventType) -> bool {
    matches!(event_type, EventType::PositionOpened | EventType::PositionClosed)
}

/// What is kept of an urgent event of this node, if it says what an account has.
pub(super) fn kept_of(event: &Event) -> Option<Event> {
    let event_type = if tells_of_position(event.event_type) { EventType::PositionUpdated } else { event.event_type };
    is_of_account(event_type).then(|| Event { event_type, ..event.clone() })
}

/// The frame in a field of the hash.
pub(super) fn frame_in(value: Reply<'_>) -> Option<&[u8]> {
    let bytes = value.bytes()?;
    bytes.iter().position(|&byte| byte == b' ').map(|at| &bytes[at + 1..])
}

enum Value {
    Ours(Event),
    /// The frame of an earlier life, as that life made it.
    Before(Vec<u8>),
}

pub(super) struct Keeper {
    /// The hash.
    hash: String,
    /// Where consumers of ORDERS listen.
    channel: String,
    id: ChannelId,
    epoch: u64,
    orders: FrameWriter,
    market: FrameWriter,
    values: LatestSender<Key, Value>,
    /// The server was asked what it has of earlier lives, and has answered.
    has_adopted: bool,
    /// The server may have lost what was written.
    is_again: bool,
    /// A write or a read was refused: all is done again.
    has_failed: bool,
    in_flight: usize,
    pub written: u64,
}

impl Keeper {
    pub fn new(settings: &LinkSettings, epoch: u64) -> Result<Self, BadName> {
        let limits = Limits { events: 1, bytes: LONGEST_FRAME };
        let id = ChannelId::new(Lane::Orders, WHOLE, &settings.node)?;
        // Latest values all ride the first shard.
        let market = ChannelId::new(Lane::MarketData, "0", &settings.node)?;
        Ok(Keeper {
            hash: settings.environment.state(&settings.node),
            channel: settings.environment.channel(Lane::Orders, WHOLE),
            orders: FrameWriter::new(&id, epoch, limits).of_latest_values(),
            market: FrameWriter::new(&market, epoch, limits).of_latest_values(),
            id,
            epoch,
            values: LatestSender::default(),
            has_adopted: false,
            is_again: false,
            has_failed: false,
            in_flight: 0,
            written: 0,
        })
    }

    pub fn keep(&mut self, event: Event) {
        let version = Position::new(self.epoch, event.sequence);
        self.values.set(Key::of(&event), version, Value::Ours(event));
    }

    /// Of this life, the newest of each.
    pub fn values(&self) -> impl Iterator<Item = &Event> {
        self.values.values().filter_map(|value| match value {
            Value::Ours(event) => Some(event),
            Value::Before(_) => None,
        })
    }

    /// A connection stands, or its server has lost its data.
    pub fn say_again(&mut self) {
        self.is_again = true;
        self.values.say_again();
    }

    pub fn connected(&mut self) {
        self.disconnected();
        self.say_again();
    }

    pub fn disconnected(&mut self) {
        (self.in_flight, self.has_failed) = (0, false);
    }

    /// From time to time: what was refused is tried again.
    pub fn retry(&mut self) {
        if std::mem::take(&mut self.has_failed) {
            self.say_again();
        }
    }

    pub fn written(&mut self, reply: Reply<'_>) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match reply {
            Reply::Error(_) => self.has_failed = true,
            _ => self.written += 1,
        }
    }

    /// What the hash holds: of earlier lives what accounts have.
    pub fn adopt(&mut self, reply: Reply<'_>, reader: &mut FrameReader) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let Some(mut items) = reply.items() else { return self.has_failed = true };
        self.has_adopted = true;
        while let (Some(_), Some(value)) = (items.next(), items.next()) {
            let Some(frame) = frame_in(value) else { continue };
            let Ok(decoded) = Decoded::read(frame, &self.id, reader) else { continue };
            if let [Ok(event)] = decoded.events.as_slice()
                && is_of_account(event.event_type)
            {
                let version = Position::new(decoded.epoch, event.sequence);
                self.values.adopt(Key::of(event), version, Value::Before(frame.to_vec()));
            }
        }
    }

    /// True when the server has all of it.
    pub fn is_settled(&self) -> bool {
        self.in_flight == 0 && !self.values.has_waiting()
    }

    pub fn execute(&mut self, calls: &mut Calls<'_>) {
        if self.in_flight > 0 || self.has_failed {
            return;
        }
        if !self.has_adopted {
            calls.adopt(&self.hash);
            self.in_flight += 1;
        }
        while self.in_flight < MOST_IN_FLIGHT
            && let Some((key, version, value)) = self.values.take()
        {
            let field = key.field();
            let (frame, is_of_account) = match value {
                Value::Before(frame) => (frame.as_slice(), true),
                Value::Ours(event) => {
                    let of_account = is_of_account(event.event_type);
                    let writer = if of_account { &mut self.orders } else { &mut self.market };
                    // What cannot be sent was told where it was to be sent.
                    let Ok(Append::Written) = writer.append(event) else { continue };
                    let Some(frame) = writer.finish(event.sequence, wall_ns()) else { continue };
                    (frame, of_account)
                }
            };
            // The others are said again by the thread for market data, under its numbers.
            let channel = if self.is_again && is_of_account { self.channel.as_str() } else { "" };
            calls.keep(&self.hash, channel, &field, version, frame);
            self.in_flight += 1;
        }
        if !self.values.has_waiting() {
            self.is_again = false;
        }
    }
}
