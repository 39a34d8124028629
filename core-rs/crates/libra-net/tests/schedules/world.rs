//! Nodes, connections and servers, and what may happen to them.

mod actors;
mod checks;
mod faults;
mod nodes;
mod patience;
mod publishers;
mod servers;

use std::collections::{BTreeMap, VecDeque};

use libra_net::durable::{Act, Delivery, Receiver, ReceiverLimits, Sender, SenderLimits};
use libra_net::ids::Position;

use crate::server::{Answer, Call, Frame, Model, Server};
use crate::truth::{Ledger, Source};
use actors::{Actors, STALE_AFTER};
use patience::Patience;

pub const NAMES: usize = 2;
pub const GROUPS: [&str; 3] = ["g0", "g1", "g2"];
const MS: u64 = 1_000_000;

/// A life of a publisher.
pub struct Life {
    pub name: usize,
    pub epoch: u64,
    pub sender: Sender,
    pub alive: bool,
    /// Which server it is connected to.
    server: Option<usize>,
    calls: VecDeque<Call>,
    replies: VecDeque<(Call, Answer)>,
    control: Vec<Control>,
    patience: Patience,
}

/// What comes on a publisher's control channel.
enum Control {
    Acknowledged(usize, Position),
    Ask(usize, Position),
    Fence(u64),
}

/// A channel at a group.
pub struct Member {
    pub group: usize,
    pub name: usize,
    pub receiver: Receiver<Frame>,
    server: Option<usize>,
    calls: VecDeque<Call>,
    replies: VecDeque<(Call, Answer)>,
    subscription: Option<Subscription>,
    /// What its node has been handed and has not done.
    todo: VecDeque<Delivery<Frame>>,
    /// Nothing of that is done: its handlers wait, and all else of the node goes on.
    hangs: bool,
    /// Its actors, where they are what may fail.
    actors: Option<Actors>,
    mail: Vec<Mail>,
    /// The life of its publisher that lived when it forgot how far it had come, and how far that knew it to have come.
    known: (u64, Position),
    /// So far it begins at least: that life was connected when the server took the question.
    begins_at: Position,
}

struct Subscription {
    server: usize,
    /// The server has taken it.
    active: bool,
    queue: VecDeque<Push>,
}

enum Push {
    Subscribed,
    Frame(Vec<u8>),
}

enum Mail {
    Snapshot { made_by: u64, position: Position },
    Beacon(Position),
    Dead,
}

/// Calls of a connection that its client has given up, and that the server may run all the same.
struct Orphan {
    server: usize,
    calls: VecDeque<Call>,
}

/// What the server refuses for a reason of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refuses {
    Nothing,
    /// Now and then to write.
    Some,
    /// Events, since it is full: acknowledgements need no room.
    Events,
    /// To write anything: its replicas or its disk are gone.
    Writes,
}

impl Refuses {
    fn refuses(self, call: &Call, by_chance: impl FnOnce() -> bool) -> bool {
        let is_event = matches!(call, Call::Append { .. });
        let is_said = is_event || matches!(call, Call::Open { .. } | Call::Ack { .. });
        let settles = matches!(call, Call::Claim { .. } | Call::Raise { .. } | Call::Trim { .. } | Call::Mend { .. });
        match self {
            Refuses::Nothing => false,
            Refuses::Some => is_said && by_chance(),
            Refuses::Events => is_event,
            Refuses::Writes => is_said || settles,
        }
    }
}

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    /// Nothing: connections hold.
    None,
    /// The same, but single actors stand still.
    Actors,
    /// What a real server can be put through in a test: cut connections, restarts of nodes, an empty restart.
    Some,
    /// Everything.
    All,
}

pub struct World {
    pub rng: fastrand::Rng,
    pub now: u64,
    faults: Faults,
    calm: u8,
    steps: u64,
    pub servers: Vec<Box<dyn Server>>,
    pub current: usize,
    runs: u64,
    replica: Option<Model>,
    pub lives: Vec<Life>,
    pub members: Vec<Member>,
    orphans: Vec<Orphan>,
    pub sources: Vec<Source>,
    pub ledgers: Vec<Ledger>,
    /// The server lost data at least once.
    lost_data: bool,
    /// It lost everything at least once.
    forgot: bool,
    refuses: Refuses,
    /// Since when it has.
    refuses_since: u64,
    sender_limits: SenderLimits,
    receiver_limits: ReceiverLimits,
    /// Bytes of frames in one answer.
    read_bytes: usize,
    acts: Vec<Act>,
    deliveries: Vec<Delivery<Frame>>,
    /// A promise that was seen to be broken between two checks.
    broken: Option<String>,
    pub cover: BTreeMap<&'static str, u64>,
    /// What happened, when somebody wants to read it.
    pub log: Option<Vec<String>>,
    /// Publishers cut facts before they have a life.
    pub cuts_early: bool,
    /// Publishers have lives that say nothing, and what was there before them is deleted.
    pub has_quiet_lives: bool,
    /// Acknowledgements are thrown away, and groups forget how far they had come.
    pub loses_places: bool,
    /// The server comes back with what it had some time ago, and groups forget how far they had come.
    pub comes_back_older: bool,
    /// Publishers whose last `open` was on its way while they learned of more that is acknowledged.
    opened_late: [bool; NAMES],
    /// Groups, by publisher and life, that miss what was cut in an outage: since when, and up to where.
    cut_off: BTreeMap<(usize, u64, usize), (u64, Position)>,
}

pub type Done = Result<(), String>;

impl World {
    pub fn new(seed: u64, faults: Faults, server: Box<dyn Server>) -> World {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (roomy, calm) = (rng.bool(), [0, 128, 240][rng.usize(0..3)]);
        let sender_limits = SenderLimits {
            events: rng.u64(32..200) * if roomy { 20 } else { 1 },
            bytes: 40 * rng.usize(8..60) * if roomy { 20 } else { 1 },
            window: rng.usize(1..5),
            batch: rng.usize(1..5),
            batch_bytes: 40 * rng.usize(1..5),
            stale_after: rng.u64(1_000..20_000) * MS,
            trim_every: rng.u64(4..64),
            trim_after: rng.u64(20..500) * MS,
            retry_after: 50 * MS,
            read_acks_after: rng.u64(50..500) * MS,
        };
        let receiver_limits = ReceiverLimits {
            unapplied: rng.u64(4..64),
            held: rng.usize(1..12),
            count: rng.u32(1..8),
            ack_every: rng.u64(1..32),
            ack_after: rng.u64(1..50) * MS,
            beacon_patience: 20 * MS,
            retry_after: 50 * MS,
            ask_again: 200 * MS,
            place_patience: 3_600_000 * MS,
        };
        let read_bytes = 40 * rng.usize(0..8);
        // Of what is promised then nothing depends on outboxes that are full.
        let sender_limits = match faults {
            Faults::Actors => {
                SenderLimits { events: 100_000, bytes: 1 << 24, stale_after: STALE_AFTER, ..sender_limits }
            }
            _ => sender_limits,
        };
        let receiver_limits = match faults {
            Faults::Actors => ReceiverLimits { unapplied: 100_000, ..receiver_limits },
            _ => receiver_limits,
        };
        let members = (0..GROUPS.len()).flat_map(|group| (0..NAMES).map(move |name| (group, name)));
        let members = members.map(|(group, name)| Member {
            group,
            name,
            receiver: Receiver::new(None, receiver_limits),
            server: None,
            calls: VecDeque::new(),
            replies: VecDeque::new(),
            subscription: None,
            todo: VecDeque::new(),
            hangs: false,
            actors: (faults == Faults::Actors).then(Actors::new),
            mail: Vec::new(),
            known: (0, Position::default()),
            begins_at: Position::default(),
        });
        World {
            rng,
            now: 1_000 * MS,
            faults,
            calm,
            steps: 0,
            servers: vec![server],
            current: 0,
            runs: 1,
            replica: None,
            lives: Vec::new(),
            members: members.collect(),
            orphans: Vec::new(),
            sources: (0..NAMES).map(|_| Source::default()).collect(),
            ledgers: (0..NAMES * GROUPS.len()).map(|_| Ledger::default()).collect(),
            lost_data: false,
            forgot: false,
            refuses: Refuses::Nothing,
            refuses_since: 0,
            sender_limits,
            receiver_limits,
            read_bytes,
            acts: Vec::new(),
            deliveries: Vec::new(),
            broken: None,
            cover: BTreeMap::new(),
            log: None,
            cuts_early: false,
            has_quiet_lives: false,
            loses_places: false,
            comes_back_older: false,
            opened_late: [false; NAMES],
            cut_off: BTreeMap::new(),
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.cover.entry(what).or_default() += 1;
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        let now = self.now / MS;
        if let Some(log) = &mut self.log {
            log.push(format!("{now:>7} ms  {}", what()));
        }
    }

    /// One thing happens.
    pub fn step(&mut self) -> Done {
        match self.rng.u32(0..100) {
            0..8 => self.publish()?,
            8..36 => self.serve()?,
            36..52 => self.answer()?,
            52..68 => self.push()?,
            68..84 => self.work()?,
            84..89 => self.post()?,
            89..93 => {
                // What is refused is to last for longer than anybody is waited for, now and then.
                let of_256 = if self.refuses == Refuses::Writes { 64 } else { 8 };
                let is_long = self.rng.u8(..) < of_256 && self.faults != Faults::Actors;
                let span = if is_long { 5_000 } else { 25 };
                let span = self.rng.u64(0..span);
                self.wait(span * MS)?;
            }
            93..95 => self.beacons(),
            95..97 => self.connect_one()?,
            _ if self.faults == Faults::Actors => self.toggle_actor()?,
            // Some runs have hardly any faults, so that much is applied; others have them all the time.
            _ if self.rng.u8(..) > self.calm => {
                self.check()?;
                self.fault();
            }
            _ => {}
        }
        if self.has_quiet_lives && self.rng.u8(..) == 0 {
            self.check()?;
            self.lives_without_a_word()?;
        }
        if self.loses_places && self.rng.u8(..) < 8 {
            self.check()?;
            self.lose_places();
        }
        if self.comes_back_older && self.rng.u8(..) < 4 {
            self.check()?;
            self.come_back_older()?;
        }
        self.steps += 1;
        if self.steps.is_multiple_of(4) { self.check() } else { Ok(()) }
    }

    fn pick(&mut self, ready: impl Fn(&World, usize) -> bool, of: usize) -> Option<usize> {
        let begin = self.rng.usize(0..of.max(1));
        (0..of).map(|at| (begin + at) % of).find(|at| ready(self, *at))
    }
}
