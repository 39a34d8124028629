//! Market data out: frames of a shard each, published while somebody listens.
//!
//! A frame leaves when it is full, when nothing is in flight, or when its oldest event has waited too long; so a lone quote
//! leaves at once. While events stream they leave by the clock ([`super::pace`]). What the server does not take in time stays in
//! the node's queue, under the policies of its types. Latest values that ride the lane are kept, said again when somebody comes,
//! and handed to the thread that has the server keep them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use libra_kernel::clock::{monotonic_ns, wall_ns};
use libra_kernel::native::{Life, NativeActor};
use libra_kernel::{Event, EventType, Lane, Travel};

use super::common::{Common, Part};
use super::line::{Change, Line, needs_another_connection};
use super::pace::{PATIENCE_NS, Pace};
use super::refusals::{Refusals, Standing};
use super::report::{Value, counts, line};
use crate::best_effort::Numbering;
use crate::bridge::OutboundEnd;
use crate::bridge::departures::FrameNotes;
use crate::bridge::interest::Remembered;
use crate::frame::{Append, FrameWriter, Limits};
use crate::ids::ChannelId;
use crate::latest::Key;
use crate::resp::{Commands, Reply, Watch, wait};

/// Events taken out of the node's queue in a turn.
const TAKEN: usize = 4_096;
/// How long answers may stand unread while no event waits for them: a wake-up for them alone would double what a stream of frames
/// costs, and a look at the socket in each turn of a stream finds a few bytes.
const ANSWERS_NS: i64 = 2_000_000;
/// Frames without an answer, and bytes that the socket has not taken, beyond which nothing more is sent.
const MOST_IN_FLIGHT: usize = 512;
const MOST_UNSENT: usize = 4 << 20;
/// What is refused is tried so often, where nothing else is said.
const TRY_EVERY_NS: i64 = 1_000_000_000;

struct Shard {
    channel: String,
    writer: FrameWriter,
    /// What is remembered of the events in `writer`.
    notes: FrameNotes,
    numbering: Numbering,
    /// When the first event of its frame came.
    began_ns: i64,
    frames: u64,
}

enum Pending {
    /// Of which this is the last event.
    Frame {
        shard: usize,
        last: u64,
        events: u64,
    },
    /// Nothing, to a shard of which something was refused: whether that is so still.
    Trial {
        shard: usize,
    },
    Ping,
}

pub(super) struct MarketOut {
    common: Arc<Common>,
    queue: OutboundEnd,
    line: Line,
    shards: Vec<Shard>,
    pending: VecDeque<Pending>,
    latest: HashMap<Key, Event>,
    remembered: Remembered,
    pace: Pace,
    /// When answers were read last.
    read_ns: i64,
    unsendable: u64,
    /// Nobody wanted them any more when their turn came.
    unwanted: u64,
    /// Latest values that were said again.
    again: u64,
    unheard: u64,
    /// Events of frames that the server has refused: nobody has them, and whoever listens misses them.
    refused: u64,
    /// Of which the operator has heard.
    refusals: Refusals,
    /// Shards of which the server refuses what is said now.
    standing: Standing<usize>,
    /// When what stands was tried last.
    tried_ns: i64,
    reported: u64,
}

impl MarketOut {
    pub fn new(common: Arc<Common>, queue: OutboundEnd, line: Line) -> Self {
        MarketOut {
            common,
            queue,
            line,
            shards: Vec::new(),
            pending: VecDeque::new(),
            latest: HashMap::new(),
            remembered: Remembered::default(),
            pace: Pace::default(),
            read_ns: i64::MIN / 2,
            unsendable: 0,
            unwanted: 0,
            again: 0,
            unheard: 0,
            refused: 0,
            refusals: Refusals::default(),
            standing: Standing::default(),
            tried_ns: i64::MIN / 2,
            reported: u64::MAX,
        }
    }

    fn turn(&mut self) {
        let now_ns = monotonic_ns();
        if self.shards.is_empty() {
            self.begin();
        }
        if let Some(Change::Up(_)) = self.line.turn(now_ns) {
            self.pending.clear();
            self.refusals.clear();
            self.standing.clear();
            // What was on its way over the connection before is with the server, or will never be.
            for (sent, shard) in self.common.sent.iter().zip(&self.shards) {
                sent.store(shard.numbering.sent(), Ordering::Relaxed);
            }
            self.common.say_again.store(true, Ordering::Release);
        }
        match self.hear(now_ns) {
            Ok(false) => {}
            Ok(true) => {
                if let Some(connection) = self.line.up() {
                    connection.commands().push(&[b"PING"]);
                    self.pending.push_back(Pending::Ping);
                }
            }
            Err(why) => self.lose(now_ns, &why),
        }
        self.try_again(now_ns);
        self.send(now_ns);
        if let Err(why) = self.line.flush() {
            self.lose(now_ns, &why);
        }
        let is_leaving = self.line.is_up()
            && (!self.queue.is_empty()
                || self.pending.iter().any(|pending| matches!(pending, Pending::Frame { .. }))
                || self.shards.iter().any(|shard| shard.writer.count() > 0));
        // Written only where it changes: the urgent thread reads it.
        if self.common.market_is_leaving.load(Ordering::Relaxed) != is_leaving {
            self.common.market_is_leaving.store(is_leaving, Ordering::Release);
        }
        if self.common.wants_report(self.reported) {
            self.report();
        }
    }

    /// Reads the server's answers where it is time to, as [`Line::read`], and then [`Line::check`]s what that tells.
    fn hear(&mut self, now_ns: i64) -> Result<bool, String> {
        let is_soon = now_ns.saturating_sub(self.read_ns) < ANSWERS_NS && self.pending.len() < MOST_IN_FLIGHT / 2;
        if self.pace.is_stream() && is_soon {
            return Ok(false);
        }
        self.read_ns = now_ns;
        let (common, pending, unheard) = (&self.common, &mut self.pending, &mut self.unheard);
        let (refused, refusals, standing) = (&mut self.refused, &mut self.refusals, &mut self.standing);
        self.line.read(now_ns, |reply| {
            if matches!(reply, Reply::Push(_)) {
                return Ok(());
            }
            match pending.pop_front() {
                Some(Pending::Frame { shard, last, events }) => {
                    // A frame that was refused is gone as well: beacons name its events, and listeners count them as lost.
                    common.sent[shard].store(last, Ordering::Relaxed);
                    if let Reply::Error(message) = reply {
                        *refused += events;
                        let message = String::from_utf8_lossy(message);
                        if needs_another_connection(&message) {
                            return Err(message.into_owned());
                        }
                        refusals.tell(&common.seam, "the server refuses this node's market data", &message);
                        standing.refused(now_ns, shard, &message);
                    } else {
                        standing.done(&shard);
                    }
                    // The server counts us too, where we listen to the same shard.
                    let ourselves = common.listening_to.load(Ordering::Acquire) >> shard & 1;
                    if reply.int().is_some_and(|heard| heard <= ourselves as i64) {
                        *unheard += 1;
                        forget(common, shard);
                    }
                    Ok(())
                }
                Some(Pending::Trial { shard }) => {
                    if !matches!(reply, Reply::Error(_)) {
                        standing.done(&shard);
                    }
                    Ok(())
                }
                Some(Pending::Ping) => Ok(()),
                None => Err("an answer to nothing that was asked".into()),
            }
        })?;
        self.line.check(now_ns)
    }

    /// A shard that nobody asks for any more, or of which nothing happens, would stand as refused long after it is allowed.
    fn try_again(&mut self, now_ns: i64) {
        let Some(connection) = self.line.up() else { return };
        if now_ns.saturating_sub(self.tried_ns) < TRY_EVERY_NS {
            return;
        }
        self.tried_ns = now_ns;
        for &shard in self.standing.rows() {
            if let Some(Shard { channel, .. }) = self.shards.get(shard) {
                connection.commands().publish(channel.as_bytes(), b"");
                self.pending.push_back(Pending::Trial { shard });
            }
        }
    }

    fn lose(&mut self, now_ns: i64, why: &str) {
        self.line.lose(now_ns, why);
        self.pending.clear();
        self.standing.clear();
    }

    /// Once our life is claimed there can be frames.
    fn begin(&mut self) {
        let Some(epoch) = self.common.claimed.get() else { return };
        let settings = &self.common.settings;
        for shard in 0..settings.shards {
            let name = shard.to_string();
            let Ok(id) = ChannelId::new(Lane::MarketData, &name, &settings.node) else { return };
            self.shards.push(Shard {
                channel: settings.environment.channel(Lane::MarketData, &name),
                writer: FrameWriter::new(&id, epoch, Limits::BEST_EFFORT),
                notes: FrameNotes::new(&self.common.seam.departures),
                numbering: Numbering::default(),
                began_ns: 0,
                frames: 0,
            });
        }
    }

    fn send(&mut self, now_ns: i64) {
        let MarketOut {
            common,
            queue,
            line,
            shards,
            pending,
            latest,
            remembered,
            pace,
            unsendable,
            unwanted,
            again,
            ..
        } = self;
        let Some(connection) = line.up() else { return };
        if shards.is_empty() || common.is_fenced() {
            return;
        }
        let commands = connection.commands();
        let mut out = Out { common, shards, pending, commands, remembered, unsendable, now_ns };
        if common.say_again.swap(false, Ordering::AcqRel) {
            *again += latest.len() as u64;
            latest.values().for_each(|event| out.append(event));
        }
        let mut kept = false;
        if out.has_room() {
            let taken = queue.receive(TAKEN, |event| {
                if event.event_type.travel() == Travel::Latest {
                    out.append(&event);
                    common.kept.put(event.clone());
                    kept = true;
                    latest.insert(Key::of(&event), event);
                } else if common.seam.wanted.wants(&event) {
                    out.append(&event);
                } else {
                    *unwanted += 1;
                }
            });
            pace.took(now_ns, taken as u64);
        }
        if kept {
            common.wakers.urgent.signal();
        }
        let leaves = if pace.is_stream() { pace.is_due(now_ns) } else { out.pending.is_empty() };
        if leaves {
            pace.left(now_ns);
        }
        for shard in 0..out.shards.len() {
            let waited_ns = now_ns - out.shards[shard].began_ns;
            if leaves || waited_ns >= PATIENCE_NS || out.shards[shard].writer.is_full() {
                out.publish(shard);
            }
        }
    }

    fn has_room(&mut self) -> bool {
        let unsent = self.line.up().map_or(usize::MAX, |connection| connection.commands().unsent().len());
        self.pending.len() < MOST_IN_FLIGHT && unsent < MOST_UNSENT && !self.shards.is_empty()
    }

    fn sleep(&mut self, life: &Life) {
        let now_ns = monotonic_ns();
        let gathers = self.shards.iter().any(|shard| shard.writer.count() > 0);
        // Something is in flight then, and its answer ends the wait; should it be lost, a millisecond does.
        let gathered = gathers.then_some(now_ns + PATIENCE_NS);
        let is_sent = self.line.up().is_none_or(|connection| connection.commands().unsent().is_empty());
        // Nobody is asked to wake a thread that naps, and whoever does it nevertheless is seen to a moment later.
        if let Some(nap_ns) = self.pace.nap_ns(now_ns)
            && is_sent
            && self.has_room()
            && !self.common.is_fenced()
        {
            return life.wait(|| std::thread::sleep(Duration::from_nanos(nap_ns)));
        }
        // The answer to a lone PING comes at once, while the core is still awake.
        let is_answered_later = matches!(self.pending.back(), Some(Pending::Frame { .. }));
        let only_answers = (!gathers && is_sent && is_answered_later).then_some(now_ns + ANSWERS_NS);
        let dues = [self.line.due_ns(now_ns), gathered, only_answers, (!self.shards.is_empty()).then_some(i64::MAX)];
        let due_ns = dues.into_iter().flatten().min();
        let timeout = due_ns
            .filter(|&due| due != i64::MAX)
            .map(|due| Duration::from_nanos(due.saturating_sub(now_ns).max(0) as u64));
        let has_room = self.has_room();
        let waker = &self.common.wakers.market_out;
        let is_idle = || !has_room || self.common.is_fenced() || self.queue.is_empty();
        if timeout == Some(Duration::ZERO) || !waker.park(is_idle) {
            return;
        }
        let line = self.line.watch().filter(|_| only_answers.is_none());
        let mut watches: Vec<Watch> = [Some(Watch::new(waker.fd(), false)), line].into_iter().flatten().collect();
        // All descriptors are our own and open, so there is nothing to go wrong with them.
        let _ = life.wait(|| wait(&mut watches, timeout));
    }

    fn report(&mut self) {
        let mut report = counts([
            ("frames", self.shards.iter().map(|shard| shard.frames).sum()),
            ("events", self.shards.iter().map(|shard| shard.numbering.sent()).sum()),
            ("unanswered", self.pending.len() as u64),
            ("unheard", self.unheard),
            ("refused", self.refused),
            ("unsendable", self.unsendable),
            ("unwanted", self.unwanted),
            ("again", self.again),
        ]);
        report.push(("connection".to_owned(), line(&self.line.counts, self.line.is_up())));
        let refuses = self.standing.report(monotonic_ns(), |shard| format!("publish market data of shard {shard}"));
        report.push(("refuses".to_owned(), refuses));
        let by_shard = self.shards.iter().map(|shard| Value::count(shard.numbering.sent()));
        report.push(("events_by_shard".to_owned(), Value::List(by_shard.collect())));
        self.reported = self.common.report(Part::MarketOut, report);
    }
}

/// Nobody listens to a shard any more: until a beacon says otherwise.
fn forget(common: &Common, shard: usize) {
    for &event_type in EventType::ALL {
        if event_type.travel() == Travel::BestEffort {
            let wanted = common.seam.wanted.shards_of(event_type);
            common.seam.wanted.set(event_type, wanted & !(1 << shard));
        }
    }
}

/// What is needed to put an event into a frame and a frame on its way.
struct Out<'a> {
    common: &'a Common,
    shards: &'a mut Vec<Shard>,
    pending: &'a mut VecDeque<Pending>,
    commands: &'a mut Commands,
    remembered: &'a mut Remembered,
    unsendable: &'a mut u64,
    now_ns: i64,
}

impl Out<'_> {
    fn has_room(&self) -> bool {
        self.pending.len() < MOST_IN_FLIGHT && self.commands.unsent().len() < MOST_UNSENT
    }

    fn append(&mut self, event: &Event) {
        let index = match event.event_type.travel() {
            // Latest values all ride the first shard.
            Travel::Latest => 0,
            _ => usize::from(self.remembered.shard(&self.common.seam.wanted, event.instrument)),
        };
        for _ in 0..2 {
            let Some(shard) = self.shards.get_mut(index) else { return };
            match shard.writer.append(event) {
                Ok(Append::Written) => {
                    if shard.writer.count() == 1 {
                        shard.began_ns = self.now_ns;
                    }
                    shard.notes.add(event);
                    return;
                }
                Ok(Append::Full) => self.publish(index),
                Err(_) => break,
            }
        }
        *self.unsendable += 1;
    }

    fn publish(&mut self, index: usize) {
        let shard = &mut self.shards[index];
        let count = u64::from(shard.writer.count());
        if count == 0 {
            return;
        }
        let first = shard.numbering.take(count);
        if let Some(frame) = shard.writer.finish(first, wall_ns()) {
            self.commands.publish(shard.channel.as_bytes(), frame);
            shard.notes.close();
            self.pending.push_back(Pending::Frame { shard: index, last: first + count - 1, events: count });
            shard.frames += 1;
        }
    }
}

impl NativeActor for MarketOut {
    fn run(&mut self, life: &Life) {
        let common = self.common.clone();
        while !life.is_stopping() {
            life.beat();
            common.wakers.market_out.unpark();
            self.turn();
            self.sleep(life);
        }
        // What the node left goes, as far as the socket takes it.
        self.turn();
        self.report();
    }

    fn recover(&mut self, panic: &str) -> bool {
        // Frames are numbered from where they were: the consumers see a hole, and count it.
        self.lose(monotonic_ns(), panic);
        self.shards.iter_mut().for_each(|shard| {
            shard.writer.clear();
            shard.notes.clear();
        });
        true
    }

    fn restarting(&mut self, _panic: &str, _restart: u64, _wait: Duration) {}

    fn give_up(self, panic: &str) {
        self.common.fence(&format!("the bridge's thread for market data has panicked too often: {panic}"));
    }
}
