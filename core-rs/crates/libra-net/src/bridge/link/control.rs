//! What nodes say of themselves: our beacon, and the other nodes as theirs show them.

use std::sync::atomic::Ordering;

use libra_kernel::clock::wall_ns;
use libra_kernel::{EventType, Lane, Travel};

use super::common::Common;
use super::outgoing::Outgoing;
use super::settings::WHOLE;
use crate::bridge::Shared;
use crate::frame::{Beacon, ChannelPosition, Control, FrameReader, FrameWriter, Interest, Snapshot};
use crate::ids::{ChannelId, Position};

/// How often a node says that it lives.
pub(super) const BEACON_EVERY_NS: i64 = 1_000_000_000;
/// After how much silence it is taken for dead, while the server answers.
pub(super) const SILENCE_NS: i64 = 2_500_000_000;

/// Another node.
pub(super) struct Peer {
    pub name: String,
    pub reader: FrameReader,
    pub heard_ns: i64,
    pub is_up: bool,
    /// Its receivers were told that it is dead.
    pub is_dead: bool,
    pub epoch: u64,
    /// When this life of it began, by its clock.
    pub started_ns: i64,
    /// What of market data it listens to, by shard.
    pub shards: u64,
    pub offers_market: bool,
    pub version: String,
    pub beacons: u64,
}

impl Peer {
    pub fn new(name: &str, now_ns: i64) -> Self {
        Peer {
            name: name.into(),
            reader: FrameReader::new(),
            heard_ns: now_ns,
            is_up: false,
            is_dead: false,
            epoch: 0,
            started_ns: 0,
            shards: 0,
            offers_market: false,
            version: String::new(),
            beacons: 0,
        }
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
    };
    writer.begin(&Control::Beacon(beacon)).ok()?;
    writer.finish(0, wall_ns())
}

/// A snapshot for a group; the state follows as events.
pub(super) fn snapshot(group: &str, channel: ChannelId, position: Position) -> Control {
    Control::Snapshot(Snapshot {
        request_id: 0,
        group: group.into(),
        part: 0,
        parts: 1,
        positions: vec![ChannelPosition { channel, position }],
    })
}
