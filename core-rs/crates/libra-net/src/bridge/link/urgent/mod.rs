//! The urgent thread: RISK, ORDERS and SIGNALS out and in, over a connection for calls and one that listens.
//!
//! Nothing that it holds is behind a lock, and it waits for nobody: neither for the loop (what finds no room is held, and the
//! receivers read no further) nor for the server (connections are dialled elsewhere, and what is not answered is counted).
//!
//! - [`node`] — what it knows, and its connections' coming and going; [`hearing`] — what comes; [`doing`] — what is to be done;
//!   [`early`] — what waits for the first connection;
//!   [`judging`] — what of it stops new orders; [`living`] — whether the node may say that it lives, and [`silence`] — how long the others
//!   have not; [`state`] — latest values that are loaded; [`telling`] — news and counts; this file — the thread and its turns.

mod doing;
mod early;
mod hearing;
pub(super) mod judging;
mod living;
mod node;
mod silence;
mod state;
mod telling;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use libra_kernel::clock::monotonic_ns;
use libra_kernel::native::{Life, NativeActor};

use super::calls::{Calls, Keys};
use super::common::Common;
use super::control::Peer;
use super::greeting::Greeting;
use super::held::Held;
use super::incoming::Incoming;
use super::line::{Change, Failure, Line};
use super::refusals::{Refusals, Standing};
use super::settings::{DURABLE, WHOLE};
use super::{prompt, remedy};
use crate::bridge::{Arrivals, OutboundEnd};
use crate::frame::FrameReader;
use crate::resp::{RespError, Watch, wait};
use early::Early;
use living::Living;
use node::{CALLS, HEARS, Node};
use silence::Silence;
use state::StateWanted;

/// How long the thread leaves its sockets alone behind an event that it has sent by itself: about as long as the server takes to
/// answer. The answer and the event's own echo come before the consumers' turn, and where cores are shared a thread that is woken
/// for each of them takes the server's core from it twice before the event has left it. What others say waits so long too.
const ECHO_NS: i64 = 120_000;

/// How long a link that leaves waits for acknowledgements that are on their way.
const LAST_WORDS_NS: i64 = 30_000_000;

pub(super) struct Urgent {
    calls: Line,
    hears: Line,
    node: Node,
}

impl Urgent {
    pub fn new(common: Arc<Common>, queue: OutboundEnd, arrivals: Arrivals, calls: Line, hears: Line) -> Self {
        let now_ns = monotonic_ns();
        let settings = &common.settings;
        let mut incoming = Vec::new();
        for (peer, name) in settings.peers.iter().enumerate() {
            for (lane, id) in settings.channels_of(name).into_iter().enumerate() {
                let keys = Keys::new(&settings.environment, id);
                incoming.push(Incoming::new(incoming.len() as u32, peer, lane, keys, settings.deadlines()));
            }
        }
        let peers = settings.peers.iter().map(|name| Peer::new(name, now_ns)).collect();
        let node = Node {
            queue,
            arrivals,
            pending: VecDeque::new(),
            outgoing: Vec::new(),
            incoming,
            held: Default::default(),
            early: Early::new(&common.settings),
            living: Living::default(),
            silence: Silence::new(settings.peers.len()),
            peers,
            control: None,
            reader: FrameReader::new(),
            greeting: Greeting::default(),
            started_ns: settings.started_ns,
            places: Vec::new(),
            calls: false,
            hearing_since_ns: None,
            confirmed: 0,
            next_beacon_ns: i64::MIN,
            said_ns: i64::MAX,
            sent_ns: i64::MIN / 2,
            own_version: None,
            listening_said: 0,
            reported: u64::MAX,
            leaving_since_ns: None,
            keeper: None,
            state: StateWanted::default(),
            was_told_down: false,
            down: Default::default(),
            told_why: String::new(),
            told_deaf: String::new(),
            names_server: false,
            refusals: Refusals::default(),
            standing: Standing::default(),
            refused: BTreeMap::new(),
            foreign: 0,
            common,
        };
        Urgent { calls, hears, node }
    }

    /// Dials before there is a thread, and waits for what becomes of it, at most so long: the turns go on from there.
    ///
    /// # Errors
    /// What will not pass by itself.
    pub fn connect(&mut self, within: Duration) -> Result<(), RespError> {
        self.calls.connect(monotonic_ns(), within)
    }

    /// The channels that this node listens on, whatever its actors want.
    fn subscriptions(&self) -> Vec<String> {
        let settings = &self.node.common.settings;
        let environment = &settings.environment;
        let mut channels = vec![environment.control(), environment.control_of(&settings.node)];
        channels.extend(DURABLE.iter().map(|&lane| environment.channel(lane, WHOLE)));
        channels
    }

    fn turn(&mut self) {
        let now_ns = monotonic_ns();
        let now = now_ns.max(0) as u64;
        self.node.look(now_ns);
        if self.node.common.is_fenced() {
            return self.fall_silent(now);
        }
        self.dial(now_ns, now);
        let node = &mut self.node;
        let answered = self.calls.read(now_ns, |reply| node.answer(now, reply));
        let answered = answered.and_then(|()| self.calls.check(now_ns));
        match answered {
            Ok(false) => {}
            Ok(true) => {
                if let Some(connection) = self.calls.up() {
                    Calls { commands: connection.commands(), pending: &mut node.pending }.ping();
                }
            }
            Err(why) => self.lose_calls(now_ns, now, &why),
        }
        let node = &mut self.node;
        let heard = self.hears.read(now_ns, |reply| node.hear(now_ns, now, reply));
        // What was heard goes first: the loop can begin on it.
        node.deliver(now, self.calls.up().map(|connection| connection.commands()));
        match heard.and_then(|()| self.hears.check(now_ns)) {
            Ok(false) => {}
            Ok(true) => {
                if let Some(connection) = self.hears.up() {
                    connection.commands().push(&[b"PING"]);
                }
            }
            Err(why) => self.lose_hearing(now_ns, &why),
        }
        if let Some(connection) = self.hears.up()
            && let Some(number) = self.node.silence.question()
        {
            connection.commands().push(&[b"PING", number.to_string().as_bytes()]);
        }
        self.node.work(now_ns, now);
        let calls = self.calls.up().map(|connection| connection.commands());
        self.node.execute(now_ns, now, calls);
        self.node.tell();
        if let Err(why) = self.calls.flush() {
            self.lose_calls(now_ns, now, &why);
        }
        if let Err(why) = self.hears.flush() {
            self.lose_hearing(now_ns, &why);
        }
        if self.node.common.wants_report(self.node.reported) {
            self.report();
        }
    }

    /// Another life of this node is there, as a publisher and as a consumer: this one neither sends nor takes in, and
    /// acknowledges nothing any more.
    fn fall_silent(&mut self, now: u64) {
        if self.calls.is_up() || self.hears.is_up() {
            self.node.disconnected(now, "fenced");
            self.node.held.iter_mut().for_each(Held::clear);
        }
        self.calls.end();
        self.hears.end();
        if self.node.common.wants_report(self.node.reported) {
            self.report();
        }
    }

    fn dial(&mut self, now_ns: i64, now: u64) {
        match self.calls.turn(now_ns) {
            Some(Change::Up(greeting)) => self.node.connected(now_ns, now, greeting),
            Some(Change::Failed(failure)) => self.node.told_down(CALLS, &failure),
            None => {}
        }
        // Whoever listens here is taken for this node: not before it may be.
        if !self.node.is_claimed() {
            return;
        }
        match self.hears.turn(now_ns) {
            Some(Change::Up(_)) => {
                let channels = self.subscriptions();
                self.node.confirmed = 0;
                if let Some(connection) = self.hears.up() {
                    let mut command = connection.commands().command(1 + channels.len());
                    command.bulk(b"SUBSCRIBE");
                    channels.iter().for_each(|channel| {
                        command.bulk(channel.as_bytes());
                    });
                }
            }
            Some(Change::Failed(failure)) => self.node.told_down(HEARS, &failure),
            None => {}
        }
    }

    fn lose_calls(&mut self, now_ns: i64, now: u64, why: &str) {
        self.calls.lose(now_ns, why);
        self.node.disconnected(now, why);
    }

    fn lose_hearing(&mut self, now_ns: i64, why: &str) {
        self.hears.lose(now_ns, why);
        (self.node.hearing_since_ns, self.node.confirmed) = (None, 0);
        self.node.silence.ends();
        self.node.incoming.iter_mut().for_each(|channel| channel.receiver.unsubscribed());
        self.node.told_down(HEARS, &Failure { why: why.into(), is_lasting: remedy::of(why).is_some() });
    }

    fn sleep(&mut self, life: &Life) {
        let now_ns = monotonic_ns();
        let is_sent = self.is_sent();
        let node = &self.node;
        let hears = node.is_claimed().then(|| self.hears.due_ns(now_ns)).flatten();
        let dues = [self.calls.due_ns(now_ns), hears, node.due_ns(self.calls.is_up())];
        let echo = node.awaits_echo_ns().filter(|&until_ns| until_ns > now_ns && is_sent);
        let due_ns = dues.into_iter().flatten().chain(echo).min();
        let timeout = due_ns.map(|due| Duration::from_nanos(due.saturating_sub(now_ns).max(0) as u64));
        let waker = &node.common.wakers.urgent;
        if timeout == Some(Duration::ZERO) || !waker.park(|| node.is_idle()) {
            return;
        }
        let lines = [self.calls.watch(), self.hears.watch()].into_iter().flatten().filter(|_| echo.is_none());
        let mut watches: Vec<Watch> = std::iter::once(Watch::new(waker.fd(), false)).chain(lines).collect();
        // All descriptors are our own and open, so there is nothing to go wrong with them.
        let _ = life.wait(|| wait(&mut watches, timeout));
    }
}

impl Urgent {
    /// True when nothing waits for room in the socket.
    fn is_sent(&mut self) -> bool {
        self.calls.up().is_some_and(|connection| !connection.wants_write())
    }

    /// Where the link leaves: whether it has.
    fn leaves(&mut self) -> bool {
        let Some(by_ns) = self.node.common.leave_by() else { return false };
        let now_ns = monotonic_ns();
        let since_ns = *self.node.leaving_since_ns.get_or_insert(now_ns);
        let said_all = now_ns - since_ns >= LAST_WORDS_NS && self.node.pending.is_empty();
        let is_done = self.node.is_settled() && said_all;
        if now_ns < by_ns && !is_done && !self.node.common.is_fenced() {
            return false;
        }
        // The last beacon says that nobody has to miss us.
        self.node.leaving_since_ns = Some(i64::MAX);
        self.node.next_beacon_ns = i64::MIN;
        self.turn();
        self.report();
        true
    }
}

impl NativeActor for Urgent {
    fn run(&mut self, life: &Life) {
        let common = self.node.common.clone();
        prompt::ask();
        while !life.is_stopping() {
            life.beat();
            common.wakers.urgent.unpark();
            self.turn();
            if self.leaves() {
                break;
            }
            self.sleep(life);
        }
        common.has_left();
    }

    fn recover(&mut self, _panic: &str) -> bool {
        // Its machines may be half way through a step: what they promise cannot be promised any more.
        false
    }

    fn restarting(&mut self, _panic: &str, _restart: u64, _wait: Duration) {}

    fn give_up(self, panic: &str) {
        self.node.common.fence(&format!("the bridge's urgent thread has panicked: {panic}"));
        self.node.common.has_left();
    }
}
