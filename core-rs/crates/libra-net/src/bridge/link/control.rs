//! What nodes say of themselves: our beacon, and the other nodes as theirs show them.

use std::sync::atomic::Ordering;

use libra_kernel::clock::wall_ns;
use libra_kernel::{Event, EventType, Lane, Travel};

use super::common::Common;
use super::outgoing::Outgoing;
use super::settings::WHOLE;
use super::skew::Skew;
use crate::bridge::Shared;
use crate::frame::{
    Append, Beacon, ChannelPosition, Control, EncodeError, FrameReader, FrameWriter, Interest, Skip, Snapshot,
};
use crate::ids::{ChannelId, Position};
use crate::resp::{CALL_WITHIN, CONNECT_WITHIN, LONGEST_WAIT};

/// How often a node says that it lives.
pub(super) const BEACON_EVERY_NS: i64 = 1_000_000_000;
/// After how much silence it is taken for dead, while the server answers and this side looks.
pub(super) const SILENCE_NS: i64 = 2_500_000_000;
/// Behind an outage another node may need so much longer than this one until it is heard: it had just begun to connect to what never
/// answers, and waits then before it tries again.
pub(super) const REJOIN_NS: i64 =
    CONNECT_WITHIN.saturating_add(CALL_WITHIN).saturating_add(LONGEST_WAIT).as_nanos() as i64;

/// Another node.
pub(super) struct Peer {
    pub name: String,
    pub reader: FrameReader,
    pub heard_ns: i64,
    pub is_up: bool,
    /// It took leave: nobody has to miss it, and it takes in no more.
    pub has_left: bool,
    pub epoch: u64,
    /// When this life of it began, by its clock.
    pub started_ns: i64,
    /// What of market data it listens to, by shard.
    pub shards: u64,
    pub offers_market: bool,
    pub version: String,
    /// How many shards it said that market data has, which are others than ours: told of once.
    pub other_shards: Option<u8>,
    pub beacons: u64,
    pub skew: Skew,
    /// A life of it that is over, and of which nothing had come here until then.
    pub replaced: Option<u64>,
}

impl Peer {
    pub fn new(name: &str, now_ns: i64) -> Self {
        Peer {
            name: name.into(),
            reader: FrameReader::new(),
            heard_ns: now_ns,
            is_up: false,
            has_left: false,
            epoch: 0,
            started_ns: 0,
            shards: 0,
            offers_market: false,
            version: String::new(),
            other_shards: None,
            beacons: 0,
            skew: Skew::default(),
            replaced: None,
        }
    }

    /// Of a node whose market data are spread over another number of shards than `ours`: what there is to be told, once.
    pub fn differs(&mut self, beacon: &Beacon, ours: u8) -> Option<String> {
        let other = Some(beacon.shards).filter(|&shards| shards != 0 && shards != ours);
        let is_news = other.is_some() && other != self.other_shards;
        self.other_shards = other;
        let shards = other.filter(|_| is_news)?;
        Some(format!(
            "bridge.shards is {shards} there and {ours} here, so market data of some instruments does not arrive: give all nodes the same"
        ))
    }

    /// Takes what a beacon says of market data; whether that is news.
    pub fn takes(&mut self, beacon: &Beacon) -> bool {
        let shard = |name: &str| name.parse::<u32>().ok().filter(|&shard| shard < 64);
        let wanted = beacon.interests.iter().filter(|interest| interest.lane == Lane::MarketData);
        let shards = wanted.filter_map(|interest| shard(&interest.shard)).fold(0, |bits, shard| bits | 1 << shard);
        let offers = beacon.channels.iter().any(|entry| entry.channel.lane == Lane::MarketData);
        let is_news = (shards, offers) != (self.shards, self.offers_market);
        (self.shards, self.offers_market) = (shards, offers);
        self.version.clone_from(&beacon.version);
        self.started_ns = beacon.started_ns;
        self.beacons += 1;
        is_news
    }
}

/// What has to be kept for those who are not there, or only its latest value, is wanted for as long as there are other nodes.
pub(super) fn want_all_that_is_kept(seam: &Shared, has_peers: bool) {
    for &event_type in EventType::ALL {
        if matches!(event_type.travel(), Travel::Durable | Travel::Latest) {
            seam.wanted.set(event_type, if has_peers { u64::MAX } else { 0 });
        }
    }
}

/// Market data is wanted where somebody listens.
pub(super) fn want_market(seam: &Shared, shards: u64) {
    for &event_type in EventType::ALL {
        if event_type.travel() == Travel::BestEffort {
            seam.wanted.set(event_type, shards);
        }
    }
}

/// The shards of market data that this node's actors asked for.
pub(super) fn own_shards(seam: &Shared, shards: u8) -> u64 {
    let all = if shards >= 64 { u64::MAX } else { (1 << shards) - 1 };
    let of_market = seam.own.subscribed().into_iter().filter(|(event_type, _)| event_type.lane() == Lane::MarketData);
    of_market.fold(0, |bits, (event_type, instrument)| match event_type.travel() {
        // What has no shards rides the first.
        Travel::Latest => bits | 1,
        _ if instrument.is_none() => bits | all,
        _ => bits | 1 << seam.wanted.shard(event_type, instrument),
    })
}

/// True when this node publishes market data, or something else that rides its lane.
pub(super) fn offers_market(seam: &Shared) -> bool {
    let counts = seam.counts(Lane::MarketData);
    counts.sent + counts.unwanted > 0
}

/// Our beacon.
pub(super) fn beacon<'w>(
    common: &Common,
    outgoing: &[Outgoing],
    incarnation: u128,
    epoch: u64,
    (started_ns, is_leaving): (i64, bool),
    writer: &'w mut FrameWriter,
) -> Option<&'w [u8]> {
    let position =
        |channel: &Outgoing| ChannelPosition { channel: channel.keys.id.clone(), position: channel.sender.confirmed() };
    let mut channels: Vec<_> = outgoing.iter().map(position).collect();
    if offers_market(&common.seam) {
        for shard in 0..common.settings.shards {
            let sent = common.sent[usize::from(shard)].load(Ordering::Relaxed);
            if let Ok(channel) = ChannelId::new(Lane::MarketData, &shard.to_string(), &common.settings.node)
                && (sent > 0 || shard == 0)
            {
                channels.push(ChannelPosition { channel, position: Position::new(epoch, sent) });
            }
        }
    }
    let listening = common.listening_to.load(Ordering::Acquire);
    let mut interests: Vec<_> = (0..64)
        .filter(|shard| listening >> shard & 1 == 1)
        .map(|shard| Interest { lane: Lane::MarketData, shard: shard.to_string() })
        .collect();
    interests.extend(outgoing.iter().map(|channel| Interest { lane: channel.keys.id.lane, shard: WHOLE.into() }));
    let beacon = Beacon {
        incarnation,
        is_leaving,
        started_ns,
        version: common.settings.version.clone(),
        metrics_address: String::new(),
        channels,
        interests,
        shards: common.settings.shards,
    };
    writer.begin(&Control::Beacon(beacon)).ok()?;
    writer.finish(0, wall_ns())
}

/// A part of a snapshot is closed when it has so many bytes, so that a subscriber's queue at the server has room for it.
const PART_BYTES: usize = 1 << 20;
/// Most parts that a snapshot may have.
const MOST_PARTS: u32 = 1_024;
/// Most bytes that its frames may have together: who takes it holds all of them.
pub(super) const MOST_BYTES: usize = 64 << 20;

/// A snapshot for a group, in as many frames as its state needs; what of it cannot be encoded is left out, and counted.
pub(super) fn snapshot(
    group: &str,
    channel: &ChannelId,
    position: Position,
    state: &[&Event],
    writer: &mut FrameWriter,
) -> Result<(Vec<Vec<u8>>, u64), EncodeError> {
    let number = fastrand::u128(1..);
    let begin = |writer: &mut FrameWriter, part, parts| {
        writer.begin(&Control::Snapshot(Snapshot {
            request_id: number,
            group: group.into(),
            part,
            parts,
            positions: vec![ChannelPosition { channel: channel.clone(), position }],
        }))
    };
    // How many parts there are stands in each of them: where they end is found out first.
    let (mut ends, mut refused) = (Vec::new(), 0);
    let mut sendable: Vec<&Event> = Vec::with_capacity(state.len());
    begin(writer, 0, 1)?;
    for event in state {
        let mut appended = writer.append(event);
        if appended == Ok(Append::Full) || (writer.count() > 1 && writer.len() > PART_BYTES) {
            // It begins the next part, where it was written to the end of this one too.
            ends.push(sendable.len());
            begin(writer, 0, 1)?;
            appended = writer.append(event);
        }
        match appended {
            Ok(Append::Written) => sendable.push(event),
            _ => refused += 1,
        }
    }
    ends.push(sendable.len());
    let parts = u32::try_from(ends.len()).unwrap_or(u32::MAX);
    let (mut frames, mut from) = (Vec::with_capacity(ends.len()), 0);
    for (part, end) in (0..parts).zip(ends) {
        begin(writer, part, parts)?;
        for event in &sendable[from..end] {
            if writer.append(event)? == Append::Full {
                return Err(EncodeError::TooLarge(writer.len()));
            }
        }
        from = end;
        frames.extend(writer.finish(0, wall_ns()).map(<[u8]>::to_vec));
    }
    let bytes = frames.iter().map(Vec::len).sum();
    if bytes > MOST_BYTES || parts > MOST_PARTS {
        return Err(EncodeError::TooLarge(bytes));
    }
    Ok((frames, refused))
}

/// The parts of a snapshot that have come. The publisher sends them in order; one that is missing makes all worthless, and the
/// snapshot is asked for again.
#[derive(Default)]
pub(super) struct Parts {
    number: u128,
    made_by: u64,
    next: u32,
    /// Of the frames that have come.
    bytes: usize,
    events: Vec<Result<Event, Skip>>,
}

impl Parts {
    /// Takes a part; gives all events when it was the last.
    pub fn take(
        &mut self,
        made_by: u64,
        snapshot: &Snapshot,
        bytes: usize,
        events: Vec<Result<Event, Skip>>,
    ) -> Option<Vec<Result<Event, Skip>>> {
        if snapshot.part == 0 {
            *self = Parts { number: snapshot.request_id, made_by, ..Parts::default() };
        }
        let goes_on = (self.number, self.made_by, self.next) == (snapshot.request_id, made_by, snapshot.part);
        self.bytes = self.bytes.saturating_add(bytes);
        if !goes_on || snapshot.parts > MOST_PARTS || self.bytes > MOST_BYTES {
            *self = Parts::default();
            return None;
        }
        self.next += 1;
        self.events.extend(events);
        (self.next == snapshot.parts).then(|| std::mem::take(self).events)
    }
}
