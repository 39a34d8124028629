//! What the loop and the bridge's threads both read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use libra_kernel::bridge_state::BridgeState;
use libra_kernel::edge::EdgeCounters;
use libra_kernel::router::RemoteOrigin;
use libra_kernel::wake::Waker;
use libra_kernel::{Encoded, Event, EventType, Lane, Leaving, Payload};

use super::SeamSettings;
use super::credits::Credits;
use super::departures::Departures;
use super::interest::{Own, Wanted};
use super::mail;
use super::news::{Board, News};
use super::own_accounts::OwnAccounts;
use super::pulse::Pulse;

/// What a frame of one event has beside its payload and names, at most: its header with publisher and shard, and the event's.
const FRAME_AROUND: usize = 512;

/// What became of the events of one lane, on their way out and in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneCounts {
    /// Handed over to the threads, with what was dropped or conflated on the way to them.
    pub sent: u64,
    /// Commands that were refused: no credit.
    pub refused: u64,
    /// Nobody elsewhere wanted them.
    pub unwanted: u64,
    /// Dropped before a thread could take them.
    pub dropped: u64,
    /// Replaced by a later one before a thread could take them.
    pub conflated: u64,
    /// Taken in by the loop.
    pub arrived: u64,
    /// Dropped before the loop could take them in.
    pub dropped_in: u64,
    /// Replaced by a later one before the loop could take them in.
    pub conflated_in: u64,
}

/// Counters of a lane with one writer, the loop.
#[derive(Debug, Default)]
pub(super) struct LaneTally {
    pub(super) sent: Count,
    pub(super) refused: Count,
    pub(super) unwanted: Count,
    pub(super) arrived: Count,
}

/// A number that one thread writes and all may read.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    #[inline]
    pub(super) fn add(&self, more: u64) {
        // The only writer: adding needs no locked instruction.
        self.0.store(self.0.load(Ordering::Relaxed) + more, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
struct AppliedBoard {
    has_news: AtomicBool,
    places: Mutex<BTreeMap<u32, RemoteOrigin>>,
}

/// See the module.
pub struct Shared {
    node: Box<str>,
    /// What other nodes want.
    pub wanted: Wanted,
    /// What this node wants.
    pub own: Own,
    /// How much may be on its way in durable events.
    pub credits: Credits,
    /// What of this bridge stops new orders of the node's accounts.
    pub state: Arc<BridgeState>,
    /// The accounts of this process: their commands need no room elsewhere.
    pub own_accounts: OwnAccounts,
    /// What is remembered of events that left.
    pub departures: Arc<Departures>,
    /// Bytes of the longest command that can be sent at all.
    longest: usize,
    longest_held_ns: u64,
    /// Whether the loop comes round.
    pub(super) pulse: Pulse,
    peers: RwLock<BTreeSet<Box<str>>>,
    applied: AppliedBoard,
    news: Board,
    pub(super) lanes: [LaneTally; 4],
    edges: OnceLock<[Arc<EdgeCounters>; 3]>,
    /// Something waits at the loop's end of an outbound queue: the thread that makes room wakes the loop.
    pub(super) is_overflowing: AtomicBool,
    /// Nothing leaves any more.
    is_closed: AtomicBool,
    /// By lane: nobody who could answer what is asked is waited for.
    alone: [AtomicBool; 4],
    /// A thread found a queue of arrivals full: the loop wakes it when there is room.
    pub(super) wants_room: AtomicBool,
    node_waker: Arc<Waker>,
    thread_waker: Arc<Waker>,
}

impl Shared {
    pub(super) fn new(settings: &SeamSettings, node_waker: Arc<Waker>, thread_waker: Arc<Waker>) -> Self {
        Shared {
            node: settings.node.clone(),
            wanted: Wanted::new(settings.shards),
            own: Own::new(),
            credits: Credits::new(settings.credits as u64, settings.credit_bytes),
            state: Arc::default(),
            own_accounts: OwnAccounts::new(settings.accounts_elsewhere),
            departures: Arc::default(),
            longest: settings.longest,
            longest_held_ns: u64::try_from(settings.longest_held.as_nanos()).unwrap_or(u64::MAX),
            pulse: Pulse::default(),
            peers: RwLock::default(),
            applied: AppliedBoard::default(),
            news: Board::default(),
            lanes: Default::default(),
            edges: OnceLock::new(),
            is_overflowing: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            alone: Default::default(),
            wants_room: AtomicBool::new(false),
            node_waker,
            thread_waker,
        }
    }

    pub(super) fn set_edges(&self, urgent: Arc<EdgeCounters>, market: Arc<EdgeCounters>, market_in: Arc<EdgeCounters>) {
        let _ = self.edges.set([urgent, market, market_in]);
    }

    /// The node's name.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// True when the event leaves: some other node wants it, or it is a message to an actor of a node that is known.
    #[inline]
    pub fn wants(&self, event: &Event) -> bool {
        match event.event_type {
            EventType::Message => mail::node_of(event).is_some_and(|node| self.knows(node)),
            _ => self.wanted.wants(event),
        }
    }

    /// False for an event that is longer than any frame may be, or than its outbox is: it could never leave, however empty
    /// that is. Objects alone can be so long.
    pub fn is_sendable(&self, event: &Event) -> bool {
        let Payload::Shared(shared) = &event.payload else { return true };
        let encoded = match shared.as_any().downcast_ref::<Encoded>() {
            Some(encoded) => encoded.tag().len() + encoded.data().len(),
            None => match shared.leaving() {
                Leaving::As(Payload::Shared(leaving)) => {
                    let encoded = leaving.as_any().downcast_ref::<Encoded>();
                    encoded.map_or(0, |encoded| encoded.tag().len() + encoded.data().len())
                }
                _ => 0,
            },
        };
        encoded + event.source.as_str().len() + event.instrument.as_str().len() + FRAME_AROUND <= self.longest
    }

    /// How long an actor may hold back what the others have applied.
    pub fn longest_held_ns(&self) -> u64 {
        self.longest_held_ns
    }

    /// From now on nothing leaves: commands are refused, and facts stay. For the threads, when this node must not publish.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    /// True when nothing leaves any more.
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// Says whether all who could answer what is asked in a lane were given up: then it is refused. For the thread.
    pub(super) fn set_alone(&self, lane: Lane, is_alone: bool) {
        if self.is_alone(lane) != is_alone {
            self.alone[lane as usize].store(is_alone, Ordering::Relaxed);
        }
    }

    /// True while nobody is waited for who could answer what is asked in a lane.
    #[inline]
    pub fn is_alone(&self, lane: Lane) -> bool {
        self.alone[lane as usize].load(Ordering::Relaxed)
    }

    // Peers and their messages ------------------------------------------------------------------------------------------

    /// The nodes that messages may be sent to. For the threads.
    pub fn set_peers<'a>(&self, nodes: impl IntoIterator<Item = &'a str>) {
        *self.peers.write().unwrap_or_else(PoisonError::into_inner) = nodes.into_iter().map(Into::into).collect();
    }

    /// True for a node that messages may be sent to.
    pub fn knows(&self, node: &str) -> bool {
        self.peers.read().unwrap_or_else(PoisonError::into_inner).contains(node)
    }

    /// The nodes that messages may be sent to.
    pub fn peers(&self) -> Vec<Box<str>> {
        self.peers.read().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    // From the loop to the threads --------------------------------------------------------------------------------------

    /// These places have been applied: for the loop, which wakes the urgent thread.
    pub fn put_applied(&self, places: &[RemoteOrigin]) {
        if places.is_empty() {
            return;
        }
        let mut board = self.applied.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.iter().for_each(|place| {
            board.insert(place.channel, *place);
        });
        drop(board);
        self.applied.has_news.store(true, Ordering::Release);
        self.thread_waker.notify();
    }

    /// Adds what was applied since the last call, the last place of each channel. For one thread.
    pub fn take_applied(&self, into: &mut Vec<RemoteOrigin>) {
        if self.applied.has_news.swap(false, Ordering::Acquire) {
            let mut board = self.applied.places.lock().unwrap_or_else(PoisonError::into_inner);
            into.extend(std::mem::take(&mut *board).into_values());
        }
    }

    /// True when [`Shared::take_applied`] has something.
    pub fn has_applied(&self) -> bool {
        self.applied.has_news.load(Ordering::Acquire)
    }

    /// Wakes the urgent thread.
    pub(super) fn notify_thread(&self) {
        self.thread_waker.notify();
    }

    /// The loop has taken arrivals in: a thread that waits for room is woken.
    pub(super) fn made_room_for_arrivals(&self) {
        // Of this fence and the one in `Arrivals::offer` one comes first: the flag is seen here, or the room there.
        fence(Ordering::SeqCst);
        if self.wants_room.load(Ordering::Relaxed) && self.wants_room.swap(false, Ordering::Relaxed) {
            self.thread_waker.signal();
        }
    }

    /// The loop has come round: a thread that waits to hear of it is woken.
    #[inline]
    pub(super) fn comes_round(&self) {
        if self.pulse.answer() {
            self.thread_waker.signal();
        }
    }

    /// The urgent thread asks the loop whether it comes round.
    pub(super) fn ask_the_loop(&self) {
        self.pulse.ask();
        self.node_waker.signal();
    }

    // From the threads to the loop --------------------------------------------------------------------------------------

    /// Tells the node something.
    pub fn tell(&self, news: News) {
        self.news.put(news);
        self.node_waker.signal();
    }

    /// True when [`Shared::take_news`] has something.
    #[inline]
    pub fn has_news(&self) -> bool {
        self.news.has_news()
    }

    /// All news that wait, the oldest first.
    pub fn take_news(&self) -> Vec<News> {
        self.news.take().into()
    }

    /// A thread has taken events out: a loop that waits for room is woken.
    pub(super) fn made_room(&self) {
        // The loop sets the flag before the fence with which it goes to sleep, and looks for room behind it. Of that fence and
        // this one, one comes first: the flag is seen here, or the room there.
        fence(Ordering::SeqCst);
        if self.is_overflowing.load(Ordering::Relaxed) {
            self.node_waker.notify();
        }
    }

    // Reports -----------------------------------------------------------------------------------------------------------

    /// What became of a lane's events.
    pub fn counts(&self, lane: Lane) -> LaneCounts {
        let tally = &self.lanes[lane as usize];
        let mut counts = LaneCounts {
            sent: tally.sent.get(),
            refused: tally.refused.get(),
            unwanted: tally.unwanted.get(),
            arrived: tally.arrived.get(),
            ..LaneCounts::default()
        };
        if let Some([urgent, market, market_in]) = self.edges.get() {
            let out = if lane == Lane::MarketData { market } else { urgent };
            (counts.dropped, counts.conflated) = out.lost(lane);
            (counts.dropped_in, counts.conflated_in) = market_in.lost(lane);
        }
        counts
    }

    /// News that were displaced before the loop took them.
    pub fn lost_news(&self) -> u64 {
        self.news.lost()
    }
}
