//! A bridge without a server: two nodes of one process, joined as threads over a socket join them.
//!
//! What leaves one node arrives at the other, with the positions, credits and queues of the real bridge: durable events stay in an
//! outbox until the other node has applied them. What is left out is the wire: payloads are handed over as they are. Tests and
//! benchmarks stand on it. [`Loopback::turn`] moves what is there to move, by hand or on a thread of its own
//! ([`Loopback::spawn`]).

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use libra_kernel::router::RemoteOrigin;
use libra_kernel::wake::Waker;
use libra_kernel::{Event, EventType, Lane, Travel};

use super::credits::Credit;
use super::news::{News, NewsKind};
use super::{Arrival, NodeSide, SeamSettings, ThreadSide, seam};

/// Events taken from a queue at once.
const RUN: usize = 256;
/// Durable events that wait in an outbox for room at the other node, before more are taken out of the queue.
const MOST_HELD: usize = 1_024;
/// The thread looks after what waits for room so often.
const NAP_MS: i32 = 5;

/// Two nodes joined.
pub struct Loopback {
    sides: [ThreadSide; 2],
    ways: [Way; 2],
    waker: Arc<Waker>,
}

/// From one node to the other.
struct Way {
    /// The publisher's life.
    epoch: u64,
    /// The last number given in each urgent lane's channel.
    seqs: [u64; 3],
    /// Of each urgent lane: durable events that are not applied.
    unapplied: [VecDeque<(u64, Credit)>; 3],
    /// What found no room at the other node, by lane.
    held: [VecDeque<Arrival>; 3],
    /// The version of the other node's interest that was last passed on.
    interest: Option<u64>,
    places: Vec<RemoteOrigin>,
}

impl Way {
    fn new(epoch: u64) -> Self {
        Way {
            epoch,
            seqs: [0; 3],
            unapplied: Default::default(),
            held: Default::default(),
            interest: None,
            places: Vec::new(),
        }
    }

    /// Moves what is there; gives how much that was.
    fn turn(&mut self, from: &mut ThreadSide, to: &mut ThreadSide) -> usize {
        self.pass_interest(from, to);
        let mut moved = self.pass_applied(from, to);
        for held in &mut self.held {
            moved += offer_all(held, to);
        }
        if self.held.iter().map(VecDeque::len).sum::<usize>() < MOST_HELD {
            moved += from.urgent.receive(RUN, |event| {
                let lane = event.lane() as usize;
                let origin = (event.event_type.travel() == Travel::Durable).then(|| {
                    self.seqs[lane] += 1;
                    self.unapplied[lane].push_back((self.seqs[lane], Credit::of(&event)));
                    RemoteOrigin { channel: lane as u32, epoch: self.epoch, seq: self.seqs[lane] }
                });
                self.held[lane].push_back(Arrival { event, origin });
            });
            for held in &mut self.held {
                offer_all(held, to);
            }
        }
        let mut market: Vec<Event> = Vec::new();
        from.market.receive(RUN, |event| market.push(event));
        moved += market.len();
        if !market.is_empty() {
            to.market_in.send_many(market);
        }
        to.market_in.flush();
        moved
    }

    /// What the other node's actors subscribed to is wanted here, whatever the instrument.
    fn pass_interest(&mut self, from: &ThreadSide, to: &ThreadSide) {
        let version = to.shared.own.version();
        if self.interest == Some(version) {
            return;
        }
        self.interest = Some(version);
        let subscribed = to.shared.own.subscribed();
        for &event_type in EventType::ALL {
            let is_wanted = subscribed.iter().any(|(wanted, _)| *wanted == event_type);
            from.shared.wanted.set(event_type, if is_wanted { u64::MAX } else { 0 });
        }
    }

    /// What the other node has applied leaves the outbox.
    fn pass_applied(&mut self, from: &ThreadSide, to: &ThreadSide) -> usize {
        to.shared.take_applied(&mut self.places);
        let mut all = 0;
        for place in self.places.drain(..) {
            let Some(unapplied) = self.unapplied.get_mut(place.channel as usize) else { continue };
            let mut applied = Credit::default();
            while let Some((_, credit)) = unapplied.front().copied().filter(|(seq, _)| *seq <= place.seq) {
                unapplied.pop_front();
                applied += credit;
            }
            if let (Some(lane), 1..) = (Lane::ALL.get(place.channel as usize), applied.events) {
                from.shared.credits.give_back(*lane, applied);
            }
            all += applied.events as usize;
        }
        all
    }

    /// True while something waits for room, which nobody wakes the thread for.
    fn is_waiting(&self, to: &ThreadSide) -> bool {
        to.market_in.is_waiting() || self.held.iter().any(|held| !held.is_empty())
    }
}

fn offer_all(held: &mut VecDeque<Arrival>, to: &mut ThreadSide) -> usize {
    let mut offered = 0;
    while let Some(arrival) = held.pop_front() {
        if let Some(back) = to.arrivals.offer(arrival) {
            held.push_front(back);
            break;
        }
        offered += 1;
    }
    offered
}

impl Loopback {
    /// Joins two nodes, whose loops these wakers wake. Each gets its side.
    ///
    /// # Errors
    /// When the system gives no descriptor to wake the thread, or the settings are none.
    pub fn new(settings: [&SeamSettings; 2], nodes: [Arc<Waker>; 2]) -> io::Result<([NodeSide; 2], Loopback)> {
        let waker = Arc::new(Waker::new()?);
        let [a, b] = nodes;
        let (node_a, side_a) = seam(settings[0], a, waker.clone(), waker.clone())?;
        let (node_b, side_b) = seam(settings[1], b, waker.clone(), waker.clone())?;
        side_a.shared.set_peers([side_b.shared.node()]);
        side_b.shared.set_peers([side_a.shared.node()]);
        side_a.shared.tell(News::of_node(NewsKind::NodeUp, side_b.shared.node()));
        side_b.shared.tell(News::of_node(NewsKind::NodeUp, side_a.shared.node()));
        let loopback = Loopback { sides: [side_a, side_b], ways: [Way::new(1), Way::new(1)], waker };
        Ok(([node_a, node_b], loopback))
    }

    /// Moves what is there to move, both ways; gives how much that was.
    pub fn turn(&mut self) -> usize {
        let [a, b] = &mut self.sides;
        let [to_b, to_a] = &mut self.ways;
        to_b.turn(a, b) + to_a.turn(b, a)
    }

    /// Durable events of the first and of the second node that the other one has not applied.
    pub fn unapplied(&self) -> [usize; 2] {
        [0, 1].map(|way| self.ways[way].unapplied.iter().map(VecDeque::len).sum())
    }

    fn is_idle(&self) -> bool {
        let [a, b] = &self.sides;
        let is_quiet =
            |side: &ThreadSide| side.urgent.is_empty() && side.market.is_empty() && !side.shared.has_applied();
        is_quiet(a) && is_quiet(b)
    }

    fn is_waiting(&self) -> bool {
        let [a, b] = &self.sides;
        self.ways[0].is_waiting(b) || self.ways[1].is_waiting(a)
    }

    /// Has a thread of its own move what is to move.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn(self) -> io::Result<LoopbackThread> {
        let status = Arc::new(Status { stop: AtomicBool::new(false), unapplied: Default::default() });
        let (waker, theirs) = (self.waker.clone(), status.clone());
        let thread = std::thread::Builder::new().name("libra-loopback".into()).spawn(move || self.run(&theirs))?;
        Ok(LoopbackThread { status, waker, thread: Some(thread) })
    }

    fn run(mut self, status: &Status) -> Loopback {
        while !status.stop.load(Ordering::Acquire) {
            self.waker.unpark();
            let moved = self.turn();
            for (told, unapplied) in status.unapplied.iter().zip(self.unapplied()) {
                told.store(unapplied as u64, Ordering::Relaxed);
            }
            if moved == 0 && self.waker.park(|| self.is_idle()) {
                let mut poll = libc::pollfd { fd: self.waker.fd(), events: libc::POLLIN, revents: 0 };
                let timeout_ms = if self.is_waiting() { NAP_MS } else { -1 };
                // SAFETY: one valid pollfd, of a descriptor that is open as long as the waker lives.
                unsafe { libc::poll(&mut poll, 1, timeout_ms) };
            }
        }
        self
    }
}

struct Status {
    stop: AtomicBool,
    unapplied: [AtomicU64; 2],
}

/// A loopback on its thread. Dropping it stops the thread.
pub struct LoopbackThread {
    status: Arc<Status>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<Loopback>>,
}

impl LoopbackThread {
    /// As [`Loopback::unapplied`], as it was at the thread's last turn.
    pub fn unapplied(&self) -> [usize; 2] {
        [0, 1].map(|way| self.status.unapplied[way].load(Ordering::Relaxed) as usize)
    }

    /// Stops the thread and gives the loopback back. None when the thread has panicked.
    pub fn stop(mut self) -> Option<Loopback> {
        self.halt()
    }

    fn halt(&mut self) -> Option<Loopback> {
        self.status.stop.store(true, Ordering::Release);
        self.waker.signal();
        self.thread.take()?.join().ok()
    }
}

impl Drop for LoopbackThread {
    fn drop(&mut self) {
        self.halt();
    }
}
