//! Market data in: a connection that listens to the shards that this node's actors asked for, and never waits for the loop.

mod hearing;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use libra_kernel::clock::monotonic_ns;
use libra_kernel::edge::EdgeSender;
use libra_kernel::native::{Life, NativeActor};
use libra_kernel::{EventType, Lane, Name, Travel};

use super::calls::scan;
use super::common::{Common, Part, Sent};
use super::lag::Lag;
use super::line::{Change, Line};
use super::refusals::Refusals;
use super::report::{Value, counts, line};
use crate::best_effort::Accounting;
use crate::frame::FrameReader;
use crate::latest::{Key, LatestReceiver};
use crate::resp::{Reply, Watch, wait};

/// So many events are put into the loop's queue before it is woken, so that it begins on them while the rest is read.
const HANDED_OVER: usize = 512;
/// How soon latest values are looked up again where that was refused.
const LOOK_AGAIN_NS: i64 = 1_000_000_000;
/// How soon what found no room at the loop is offered again.
const RETRY_NS: i64 = 5_000_000;

/// What comes of one publisher.
struct Source {
    reader: FrameReader,
    shards: HashMap<String, Accounting>,
    latest: LatestReceiver<Key>,
}

impl Default for Source {
    fn default() -> Self {
        Source { reader: FrameReader::new(), shards: HashMap::new(), latest: LatestReceiver::of_a_life() }
    }
}

/// A question to the server that is not answered yet.
enum Asked {
    /// So many confirmations of a subscription, or of its end; a refusal comes in the place of all.
    Listen(u32),
    Ping,
    /// Which life of a node is the newest.
    Life(String),
    /// The latest values of a node.
    State(String),
}

pub(super) struct MarketIn {
    line: Line,
    common: Arc<Common>,
    inner: Inner,
    /// Shards that were subscribed to, confirmed or not.
    asked: u64,
    /// In the order of their answers.
    questions: VecDeque<Asked>,
    /// Why it may not listen, as it was told last.
    told_deaf: String,
    /// The refused look-ups that were told.
    refusals: Refusals,
    /// When it is done again.
    look_again_ns: Option<i64>,
    /// Up to which beacons the books are closed, or were asked to be.
    closed: u64,
    reported: u64,
}

struct Inner {
    to: EdgeSender,
    node: String,
    sources: HashMap<String, Source>,
    /// The types that actors of this node subscribed to.
    types: [bool; EventType::NUMBERS],
    version: Option<u64>,
    /// Latest values are to be looked up.
    is_due: bool,
    /// The nodes of which there is more, and from where on.
    rest: Vec<(String, u64)>,
    loaded: u64,
    /// Events that stand in the loop's queue and that it was not woken for.
    unsaid: usize,
    confirmed: u64,
    /// What others said they had sent: held against what came when the server has answered this question, since all that it
    /// had for us before lies before its answer.
    closing: Option<(String, BTreeMap<String, Sent>)>,
    skipped: u64,
    unwanted: u64,
    refused: BTreeMap<&'static str, u64>,
    lag: Lag,
}

impl MarketIn {
    pub fn new(common: Arc<Common>, to: EdgeSender, line: Line) -> Self {
        let inner = Inner {
            to,
            node: common.settings.node.clone(),
            sources: common.settings.peers.iter().map(|peer| (peer.clone(), Source::default())).collect(),
            types: [false; EventType::NUMBERS],
            version: None,
            is_due: false,
            rest: Vec::new(),
            loaded: 0,
            unsaid: 0,
            confirmed: 0,
            closing: None,
            skipped: 0,
            unwanted: 0,
            refused: BTreeMap::new(),
            lag: Lag::default(),
        };
        MarketIn {
            line,
            common,
            inner,
            asked: 0,
            questions: VecDeque::new(),
            told_deaf: String::new(),
            refusals: Refusals::default(),
            look_again_ns: None,
            closed: 0,
            reported: u64::MAX,
        }
    }

    fn turn(&mut self) {
        let now_ns = monotonic_ns();
        let wanted = self.common.listen_to.load(Ordering::Acquire);
        // Without interest there is no connection to be had.
        if (wanted != 0 || self.line.is_up())
            && let Some(Change::Up(_)) = self.line.turn(now_ns)
        {
            self.asked = 0;
            self.questions.clear();
            self.refusals.clear();
        }
        self.inner.follow(&self.common);
        self.inner.is_due |= self.look_again_ns.take_if(|&mut at_ns| at_ns <= now_ns).is_some();
        let (refusals, look_again_ns) = (&mut self.refusals, &mut self.look_again_ns);
        let (inner, questions, told_deaf) = (&mut self.inner, &mut self.questions, &mut self.told_deaf);
        let common = &self.common;
        let read = self.line.read(now_ns, |reply| {
            if let Reply::Push(mut items) = reply {
                let kind = items.next().and_then(Reply::bytes);
                if matches!(kind, Some(b"subscribe" | b"unsubscribe"))
                    && let Some(Asked::Listen(left)) = questions.front_mut()
                {
                    *left -= 1;
                    if *left == 0 {
                        questions.pop_front();
                        told_deaf.clear();
                    }
                }
                inner.hear(reply);
                return Ok(());
            }
            let question = questions.pop_front();
            if let (Some(Asked::Life(_) | Asked::State(_)), Reply::Error(message)) = (&question, reply) {
                look_again_ns.get_or_insert(now_ns + LOOK_AGAIN_NS);
                let what = "the server refuses what others' gateways and actors are like";
                refusals.tell(&common.seam, what, &String::from_utf8_lossy(message));
                return Ok(());
            }
            match question {
                Some(Asked::Ping) => inner.close(reply.bytes().unwrap_or_default()),
                Some(Asked::Life(node)) => inner.hear_life(&node, reply),
                Some(Asked::State(node)) => inner.hear_state(node, reply),
                Some(Asked::Listen(_)) => match reply {
                    Reply::Error(message) => return Err(common.may_not_listen(told_deaf, message)),
                    _ => return Err("an answer that no subscription has".into()),
                },
                None => return Err("an answer to nothing that was asked".into()),
            }
            Ok(())
        });
        self.inner.hand_over();
        match read.and_then(|()| self.line.check(now_ns)) {
            Ok(false) => {}
            Ok(true) => {
                if let Some(connection) = self.line.up() {
                    connection.commands().push(&[b"PING"]);
                    self.questions.push_back(Asked::Ping);
                }
            }
            Err(why) => self.lose(now_ns, &why),
        }
        self.ask(wanted);
        self.look_up();
        self.close_books();
        if let Err(why) = self.line.flush() {
            self.lose(now_ns, &why);
        }
        self.inner.to.flush();
        if self.common.listening_to.swap(self.inner.confirmed, Ordering::AcqRel) != self.inner.confirmed {
            self.common.wakers.urgent.signal();
        }
        if self.common.wants_report(self.reported) {
            self.report();
        }
    }

    fn lose(&mut self, now_ns: i64, why: &str) {
        self.line.lose(now_ns, why);
        (self.inner.confirmed, self.inner.closing) = (0, None);
        (self.asked, self.closed) = (0, 0);
        self.questions.clear();
        self.inner.rest.clear();
    }

    /// Asks for the latest values of all nodes: behind the subscription, so that what is said from now on comes by that.
    fn look_up(&mut self) {
        if let Some(connection) = self.line.up() {
            for (node, cursor) in self.inner.rest.drain(..) {
                scan(connection.commands(), &self.common.settings.environment.state(&node), cursor);
                self.questions.push_back(Asked::State(node));
            }
        }
        if !self.inner.is_due || self.inner.confirmed & 1 == 0 {
            return;
        }
        let Some(connection) = self.line.up() else { return };
        self.inner.is_due = false;
        let settings = &self.common.settings;
        let epochs = settings.environment.epochs();
        for node in &settings.peers {
            connection.commands().push(&[b"HGET", epochs.as_bytes(), node.as_bytes()]);
            scan(connection.commands(), &settings.environment.state(node), 0);
            self.questions.extend([Asked::Life(node.clone()), Asked::State(node.clone())]);
        }
    }

    /// Where others have said how much they sent, asks the server for an answer behind all of it.
    fn close_books(&mut self) {
        let said = self.common.said.version();
        let Some(connection) = self.line.up() else { return };
        if said == self.closed || self.asked == 0 || self.inner.closing.is_some() {
            return;
        }
        self.closed = said;
        let question = format!("closing {said}");
        connection.commands().push(&[b"PING", question.as_bytes()]);
        self.questions.push_back(Asked::Ping);
        self.inner.closing = Some((question, self.common.said.all()));
    }

    /// Follows what is wanted.
    fn ask(&mut self, wanted: u64) {
        let environment = &self.common.settings.environment;
        let Some(connection) = self.line.up() else { return };
        for (name, shards) in [(&b"SUBSCRIBE"[..], wanted & !self.asked), (b"UNSUBSCRIBE", self.asked & !wanted)] {
            if shards != 0 {
                let mut command = connection.commands().command(1 + shards.count_ones() as usize);
                command.bulk(name);
                for shard in (0..64).filter(|shard| shards >> shard & 1 == 1) {
                    command.bulk(environment.channel(Lane::MarketData, &shard.to_string()).as_bytes());
                }
                self.questions.push_back(Asked::Listen(shards.count_ones()));
            }
        }
        self.asked = wanted;
    }

    fn sleep(&mut self, life: &Life) {
        let now_ns = monotonic_ns();
        let waiting = self.inner.to.is_waiting().then_some(now_ns + RETRY_NS);
        let wanted = self.common.listen_to.load(Ordering::Acquire);
        let line = if wanted != 0 || self.line.is_up() { self.line.due_ns(now_ns) } else { None };
        let look_again = self.look_again_ns.filter(|_| self.line.is_up());
        let due_ns = [waiting, line, look_again].into_iter().flatten().min();
        let timeout = due_ns.map(|due| Duration::from_nanos(due.saturating_sub(now_ns).max(0) as u64));
        let waker = &self.common.wakers.market_in;
        let may_close = self.line.is_up() && self.inner.closing.is_none() && self.asked != 0;
        let is_idle = || {
            self.common.listen_to.load(Ordering::Acquire) == wanted
                && !(may_close && self.common.said.version() != self.closed)
        };
        if timeout == Some(Duration::ZERO) || !waker.park(is_idle) {
            return;
        }
        let mut watches: Vec<Watch> =
            [Some(Watch::new(waker.fd(), false)), self.line.watch()].into_iter().flatten().collect();
        // All descriptors are our own and open, so there is nothing to go wrong with them.
        let _ = life.wait(|| wait(&mut watches, timeout));
    }

    fn report(&mut self) {
        let inner = &self.inner;
        let total = |of: fn(&Accounting) -> u64| {
            inner.sources.values().flat_map(|source| source.shards.values()).map(of).fold(0, u64::saturating_add)
        };
        let mut report = counts([
            ("events", total(|shard| shard.received)),
            ("lost", total(|shard| shard.lost)),
            ("missed", total(|shard| shard.missed)),
            ("unfollowed", total(|shard| shard.unfollowed)),
            ("holes", total(|shard| shard.holes)),
            ("refused", total(|shard| shard.refused)),
            ("unwanted", inner.unwanted),
            ("skipped", inner.skipped),
            ("clock_skew", inner.lag.skewed()),
            ("forged", total(|shard| shard.forged)),
            ("followed_again", total(|shard| shard.followed_again)),
            ("loaded", inner.loaded),
            ("older", inner.sources.values().map(|source| source.latest.older()).sum()),
            ("shards", u64::from(inner.confirmed.count_ones())),
        ]);
        report.push(("lag_us".to_owned(), Value::Number(inner.lag.us())));
        report.push(("connection".to_owned(), line(&self.line.counts, self.line.is_up())));
        let refused = inner.refused.iter().map(|(code, count)| (*code, *count));
        report.push(("refused_frames".to_owned(), Value::Table(counts(refused))));
        let by_node = inner.sources.iter().map(|(name, source)| {
            let sum = |of: fn(&Accounting) -> u64| source.shards.values().map(of).fold(0, u64::saturating_add);
            let table = counts([
                ("events", sum(|shard| shard.received)),
                ("lost", sum(|shard| shard.lost)),
                ("missed", sum(|shard| shard.missed)),
                ("unfollowed", sum(|shard| shard.unfollowed)),
            ]);
            (name.clone(), Value::Table(table))
        });
        report.push(("nodes".to_owned(), Value::Table(by_node.collect())));
        self.reported = self.common.report(Part::MarketIn, report);
    }
}

impl Inner {
    /// Follows what actors subscribed to.
    fn follow(&mut self, common: &Common) {
        let version = common.seam.own.version();
        if self.version != Some(version) {
            self.version = Some(version);
            let before = std::mem::replace(&mut self.types, [false; EventType::NUMBERS]);
            for (event_type, _) in common.seam.own.subscribed() {
                self.types[event_type as usize] = true;
                let is_new = !before[event_type as usize] && event_type.travel() == Travel::Latest;
                if is_new && event_type.lane() == Lane::MarketData {
                    // Somebody new has not seen what others were given already.
                    self.is_due = true;
                    let sources = self.sources.values_mut();
                    sources.for_each(|source| source.latest.unseen(|key| key.is_of(event_type, Name::NONE)));
                }
            }
        }
    }
}

/// A shard by its name.
fn number_of(shard: &str) -> Option<u32> {
    shard.parse().ok().filter(|&shard| shard < u64::BITS)
}

impl NativeActor for MarketIn {
    fn run(&mut self, life: &Life) {
        let common = self.common.clone();
        while !life.is_stopping() {
            life.beat();
            common.wakers.market_in.unpark();
            self.turn();
            self.sleep(life);
        }
        self.report();
    }

    fn recover(&mut self, panic: &str) -> bool {
        self.lose(monotonic_ns(), panic);
        // What was counted stays, and what was read is whole.
        self.inner.sources.values_mut().for_each(|source| source.reader = FrameReader::new());
        self.inner.hand_over();
        true
    }

    fn restarting(&mut self, _panic: &str, _restart: u64, _wait: Duration) {}

    fn give_up(self, panic: &str) {
        self.common.fence(&format!("the bridge's thread that listens to market data has panicked too often: {panic}"));
    }
}
