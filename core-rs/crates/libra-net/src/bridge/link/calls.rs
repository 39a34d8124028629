//! Calls of the server's functions: written into the connection's buffer, their answers told apart by their order.

use std::collections::VecDeque;

use super::decoded::Decoded;
use super::greeting::incarnation_of;
use crate::durable::library::{ACK, APPEND, LATEST, MEND, OPEN, RAISE, READ, TRIM, refusal};
use crate::durable::outbox::Outgoing as Frame;
use crate::durable::{Bounds, Entry, Opened, Received, Refusal};
use crate::frame::{FrameReader, LONGEST_FRAME};
use crate::ids::{ChannelId, Environment, Position};
use crate::resp::{Commands, Items, LARGEST, Reply};

/// Bytes of frames in the answer to one read, unless its first frame alone has more: well below the largest reply that is
/// taken, [`crate::resp::Limits`], with the longest frame behind it.
const READ_BYTES: usize = 4 << 20;
const _: () = assert!(READ_BYTES < LARGEST / 2 && LONGEST_FRAME <= LARGEST / 2);

/// Fields of a hash that one look at it asks for, about.
const SCANNED: u64 = 64;

/// A call whose answer has not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pending {
    /// Of our channel of this lane.
    Open(usize),
    Append(usize),
    Trim(usize),
    Acknowledgements(usize),
    /// Of another node's channel with this number.
    Read(usize),
    Ack(usize),
    /// The server's name.
    Incarnation,
    /// A latest value of ours.
    Keep,
    /// What the server has of ours.
    Adopt,
    /// The latest values of the node with this number.
    State(usize),
    /// What is said on a channel.
    Publish,
    /// Whether it takes anything.
    Probe,
    /// Whether what is appended to our channel of this lane may be published by now.
    AppendTold(usize),
    /// Whether what we acknowledge of another node's channel may be.
    AckTold(usize),
    /// Whether our latest values may be.
    KeepTold,
    /// Of which only the order matters.
    Other,
}

/// The keys of a durable channel.
#[derive(Debug)]
pub(super) struct Keys {
    pub id: ChannelId,
    pub channel: String,
    epochs: String,
    incarnation: String,
    bounds: String,
    stream: String,
    acknowledged: String,
    /// Where its publisher listens.
    control: String,
}

impl Keys {
    pub fn new(environment: &Environment, id: ChannelId) -> Self {
        Keys {
            channel: environment.channel(id.lane, id.shard()),
            epochs: environment.epochs(),
            incarnation: environment.incarnation(),
            bounds: environment.bounds(&id),
            stream: environment.stream(&id),
            acknowledged: environment.acknowledged(&id),
            control: environment.control_of(id.publisher()),
            id,
        }
    }
}

/// The connection's buffer and what was asked over it.
pub(super) struct Calls<'a> {
    pub commands: &'a mut Commands,
    pub pending: &'a mut VecDeque<Pending>,
}

impl Calls<'_> {
    fn call(&mut self, pending: Pending, name: &str, keys: &[&str], arguments: &[&[u8]]) {
        self.pending.push_back(pending);
        let mut command = self.commands.command(3 + keys.len() + arguments.len());
        command.bulk(b"FCALL").bulk(name.as_bytes()).int(keys.len() as u64);
        keys.iter().for_each(|key| {
            command.bulk(key.as_bytes());
        });
        arguments.iter().for_each(|argument| {
            command.bulk(argument);
        });
    }

    pub fn open(
        &mut self,
        lane: usize,
        keys: &Keys,
        epoch: u64,
        confirmed: u64,
        run: &str,
        acknowledged: &[(&str, Position)],
    ) {
        let names = [&*keys.epochs, &keys.bounds, &keys.stream, &keys.acknowledged];
        let (epoch, confirmed) = (epoch.to_string(), confirmed.to_string());
        let mut arguments =
            vec![keys.id.publisher().as_bytes(), epoch.as_bytes(), confirmed.as_bytes(), run.as_bytes()];
        let positions: Vec<_> = acknowledged.iter().map(|(_, position)| position.to_string()).collect();
        for ((group, _), position) in acknowledged.iter().zip(&positions) {
            arguments.extend([group.as_bytes(), position.as_bytes()]);
        }
        self.call(Pending::Open(lane), OPEN, &names, &arguments);
    }

    pub fn append(&mut self, lane: usize, keys: &Keys, epoch: u64, frames: &[&Frame]) {
        self.pending.push_back(Pending::Append(lane));
        let mut command = self.commands.command(7 + 3 * frames.len());
        command.bulk(b"FCALL").bulk(APPEND.as_bytes()).int(2).bulk(keys.bounds.as_bytes()).bulk(keys.stream.as_bytes());
        command.bulk(keys.channel.as_bytes()).int(epoch);
        for outgoing in frames {
            command.int(outgoing.first).int(outgoing.last).bulk(&outgoing.frame);
        }
    }

    /// Appends nothing: a server that takes nothing, be it for memory, its replicas, its disk or since another one leads it,
    /// refuses that as well.
    pub fn probe(&mut self, keys: &Keys, epoch: u64) {
        let epoch = epoch.to_string();
        let arguments = [keys.channel.as_bytes(), epoch.as_bytes()];
        self.call(Pending::Probe, APPEND, &[&keys.bounds, &keys.stream], &arguments);
    }

    pub fn trim(&mut self, lane: usize, keys: &Keys, epoch: u64, upto: Position, groups: &[&str]) {
        let (epoch, upto) = (epoch.to_string(), upto.to_string());
        let mut arguments = vec![epoch.as_bytes(), upto.as_bytes()];
        arguments.extend(groups.iter().map(|group| group.as_bytes()));
        self.call(Pending::Trim(lane), TRIM, &[&keys.bounds, &keys.stream, &keys.acknowledged], &arguments);
    }

    pub fn mend(&mut self, lane: usize, keys: &Keys, epoch: u64, at: Position, upto: u64) {
        let said = [epoch.to_string(), at.to_string(), upto.to_string()];
        let arguments = said.each_ref().map(|word| word.as_bytes());
        self.call(Pending::Trim(lane), MEND, &[&keys.bounds, &keys.stream], &arguments);
    }

    pub fn read_acknowledged(&mut self, lane: usize, keys: &Keys) {
        self.pending.push_back(Pending::Acknowledgements(lane));
        self.commands.push(&[b"HGETALL", keys.acknowledged.as_bytes()]);
    }

    pub fn raise(&mut self, keys: &Keys, epoch: u64) {
        let epoch = epoch.to_string();
        self.call(Pending::Other, RAISE, &[&keys.epochs], &[keys.id.publisher().as_bytes(), epoch.as_bytes()]);
    }

    pub fn read(&mut self, index: usize, keys: &Keys, group: &str, run: &str, after: Position, count: u32) {
        let names = [&*keys.incarnation, &keys.bounds, &keys.stream, &keys.acknowledged];
        let (epoch, seq, wanted) = (after.epoch.to_string(), after.seq.to_string(), count.to_string());
        let bytes = READ_BYTES.to_string();
        let arguments = [group, &epoch, &seq, &wanted, &bytes, run].map(str::as_bytes);
        self.call(Pending::Read(index), READ, &names, &arguments);
    }

    pub fn ack(&mut self, index: usize, keys: &Keys, group: &str, upto: Position, frame: &[u8]) {
        let upto = upto.to_string();
        let arguments = [group.as_bytes(), upto.as_bytes(), keys.control.as_bytes(), frame];
        self.call(Pending::Ack(index), ACK, &[&keys.acknowledged], &arguments);
    }

    pub fn publish(&mut self, channel: &str, frame: &[u8]) {
        self.pending.push_back(Pending::Publish);
        self.commands.publish(channel.as_bytes(), frame);
    }

    /// Says nothing on a channel: whether it may.
    pub fn try_publish(&mut self, pending: Pending, channel: &str) {
        self.pending.push_back(pending);
        self.commands.publish(channel.as_bytes(), b"");
    }

    /// Has the server keep a latest value, and say it on a channel unless that is empty.
    pub fn keep(&mut self, hash: &str, channel: &str, field: &str, version: Position, frame: &[u8]) {
        let version = version.to_string();
        self.call(Pending::Keep, LATEST, &[hash], &[channel.as_bytes(), field.as_bytes(), version.as_bytes(), frame]);
    }

    /// Asks for some of what the server has kept of ours, from this place on.
    pub fn adopt(&mut self, hash: &str, cursor: u64) {
        self.pending.push_back(Pending::Adopt);
        scan(self.commands, hash, cursor);
    }

    /// Asks for some of what it has kept of another node, from this place on.
    pub fn state(&mut self, peer: usize, hash: &str, cursor: u64) {
        self.pending.push_back(Pending::State(peer));
        scan(self.commands, hash, cursor);
    }

    /// Asks for the server's name, having given it this one where it has none.
    pub fn incarnation(&mut self, key: &str, given: Option<u128>) {
        if let Some(name) = given {
            self.pending.push_back(Pending::Other);
            self.commands.push(&[b"SET", key.as_bytes(), format!("{name:032x}").as_bytes(), b"NX"]);
        }
        self.pending.push_back(Pending::Incarnation);
        self.commands.push(&[b"GET", key.as_bytes()]);
    }

    pub fn ping(&mut self) {
        self.pending.push_back(Pending::Other);
        self.commands.push(&[b"PING"]);
    }
}

/// Says `frame` to the publisher of a channel.
pub(super) fn control_of(keys: &Keys) -> &str {
    &keys.control
}

/// What a function answered that can refuse.
pub(super) fn refusable<T>(reply: Reply<'_>, read: impl FnOnce(Reply<'_>) -> Option<T>) -> Result<T, Refusal> {
    match reply {
        Reply::Error(message) => Err(refusal(&String::from_utf8_lossy(message))),
        // Something that the function cannot have answered is as good as none.
        other => read(other).ok_or(Refusal::Failed),
    }
}

/// The answer of `open`.
pub(super) fn opened(reply: Reply<'_>) -> Option<Opened> {
    let mut items = reply.items()?;
    let top = u64::try_from(items.next()?.int()?).ok()?;
    let floor = items.next()?.text()?.parse().ok()?;
    Some(Opened { top, floor, acknowledged: acknowledgements(items.next()?) })
}

/// Groups and their positions, in turn.
pub(super) fn acknowledgements(reply: Reply<'_>) -> Vec<(String, Position)> {
    let mut found = Vec::new();
    let mut items = reply.items().into_iter().flatten();
    while let (Some(group), Some(position)) = (items.next(), items.next()) {
        if let (Some(group), Some(Ok(position))) = (group.text(), position.text().map(str::parse)) {
            found.push((group.to_owned(), position));
        }
    }
    found
}

/// Looks at a part of a hash: the whole may be larger than an answer may be. See [`scanned`].
pub(super) fn scan(commands: &mut Commands, hash: &str, cursor: u64) {
    let (cursor, count) = (cursor.to_string(), SCANNED.to_string());
    commands.push(&[b"HSCAN", hash.as_bytes(), cursor.as_bytes(), b"COUNT", count.as_bytes()]);
}

/// What a look at a hash found: where the next one begins, 0 when that was all, and fields and values in turn.
pub(super) fn scanned(reply: Reply<'_>) -> Option<(u64, Items<'_>)> {
    let mut items = reply.items()?;
    let cursor = items.next()?.text()?.parse().ok()?;
    Some((cursor, items.next()?.items()?))
}

/// What `read` answered, but for the entries.
pub(super) struct ReadAnswer {
    pub incarnation: Option<u128>,
    pub acknowledged: Option<Position>,
    pub bounds: Option<Bounds>,
    /// There may be more entries behind these.
    pub more: bool,
    /// The server had this group's place, and lost it, or may have an older one.
    pub is_lost: bool,
}

/// Takes the answer of `read` apart; entries go into `entries`.
pub(super) fn read_answer(
    reply: Reply<'_>,
    keys: &Keys,
    reader: &mut FrameReader,
    entries: &mut Vec<Entry<Decoded>>,
) -> Option<ReadAnswer> {
    let mut items = reply.items()?;
    let incarnation = items.next().and_then(incarnation_of);
    let acknowledged = items.next().and_then(|reply| reply.text()?.parse().ok());
    let mut answer = ReadAnswer { incarnation, acknowledged, bounds: None, more: false, is_lost: false };
    let Some(epoch) = items.next() else { return Some(answer) };
    let epoch = u64::try_from(epoch.int()?).ok()?;
    let top = u64::try_from(items.next()?.int()?).ok()?;
    let floor = items.next()?.text()?.parse().ok()?;
    answer.bounds = Some(Bounds { top: Position::new(epoch, top), floor });
    for entry in items.next()?.items()? {
        let mut parts = entry.items()?;
        let id: Position = parts.next()?.text()?.parse().ok()?;
        let what = what_of(parts.next()?, id, keys, reader);
        entries.push(Entry { epoch: id.epoch, last: id.seq, what });
    }
    answer.more = items.next()?.int()? == 1;
    // A server that an earlier version gave its functions does not say it.
    answer.is_lost = items.next().and_then(Reply::int) == Some(1);
    Some(answer)
}

fn what_of(fields: Reply<'_>, id: Position, keys: &Keys, reader: &mut FrameReader) -> Received<Decoded> {
    if let Some(before) = fields.get("l") {
        let before = before.text().and_then(|text| text.parse().ok());
        return before.map_or(Received::Bad, |before| Received::Life { before, torn: fields.get("t").is_some() });
    }
    let frame = fields.get("f").and_then(Reply::bytes).and_then(|bytes| Decoded::read(bytes, &keys.id, reader).ok());
    match frame {
        Some(frame) if frame.last() == id => Received::Frame { first: frame.first, frame },
        _ => Received::Bad,
    }
}
