//! The server as the nodes see it: calls, answers, what it publishes; and a model of it.

use std::collections::{BTreeMap, HashMap, HashSet};

use libra_net::durable::Refusal;
use libra_net::ids::Position;

/// A frame as the simulator makes it: who it is from, and which events it has. Its bytes are what goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub publisher: u64,
    pub epoch: u64,
    pub first: u64,
    pub last: u64,
    /// Stands for a frame whose bytes cannot be decoded.
    pub bad: bool,
}

impl Frame {
    pub fn bytes(&self) -> Vec<u8> {
        // The first event stands where the header of a frame has it.
        let words = [self.publisher, self.epoch, self.last, self.first, u64::from(self.bad)];
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub fn read(bytes: &[u8]) -> Frame {
        let word = |at: usize| u64::from_le_bytes(bytes[8 * at..8 * at + 8].try_into().expect("a frame of five words"));
        assert_eq!(bytes.len(), 40, "a frame of five words");
        Frame { publisher: word(0), epoch: word(1), first: word(3), last: word(2), bad: word(4) != 0 }
    }
}

/// A call to the server. `name` is the publisher whose channel it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    Claim {
        name: usize,
        at_least: u64,
        by: u64,
        found: u64,
    },
    /// Which life was claimed last.
    Claimed {
        name: usize,
    },
    Raise {
        name: usize,
        epoch: u64,
    },
    Open {
        name: usize,
        epoch: u64,
        confirmed: u64,
        acknowledged: Vec<(String, Position)>,
    },
    Append {
        name: usize,
        epoch: u64,
        frames: Vec<(u64, u64, Vec<u8>)>,
    },
    Trim {
        name: usize,
        epoch: u64,
        upto: Position,
        groups: Vec<String>,
    },
    /// The floor passes over a hole, and no further than this.
    Mend {
        name: usize,
        epoch: u64,
        at: Position,
        upto: u64,
    },
    /// These frames are published, and nothing else.
    Repeat {
        name: usize,
        frames: Vec<Vec<u8>>,
    },
    Acknowledged {
        name: usize,
    },
    Ack {
        name: usize,
        group: String,
        upto: Position,
    },
    Read {
        name: usize,
        group: String,
        after: Position,
        count: u32,
        bytes: usize,
    },
}

impl Call {
    /// Whose channel it is about.
    pub fn name(&self) -> usize {
        match self {
            Call::Claim { name, .. }
            | Call::Claimed { name }
            | Call::Raise { name, .. }
            | Call::Open { name, .. }
            | Call::Append { name, .. }
            | Call::Trim { name, .. }
            | Call::Mend { name, .. }
            | Call::Repeat { name, .. }
            | Call::Acknowledged { name }
            | Call::Ack { name, .. }
            | Call::Read { name, .. } => *name,
        }
    }
}

/// What a read found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub acknowledged: Option<Position>,
    /// Epoch and top, floor.
    pub bounds: Option<(Position, Position)>,
    pub entries: Vec<(Position, Stored)>,
    /// There may be more of them.
    pub more: bool,
    /// The group's place was there, and is gone, or may be older than its publisher knows.
    pub is_lost: bool,
}

/// An entry of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    Frame(Vec<u8>),
    Life { before: Position, torn: bool },
}

impl Stored {
    fn size(&self) -> usize {
        match self {
            Stored::Frame(frame) => frame.len(),
            Stored::Life { before, .. } => before.to_string().len(),
        }
    }
}

/// Its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Refused(Refusal),
    Done,
    Epoch(u64),
    Opened { top: u64, floor: Position, acknowledged: Vec<(String, Position)> },
    Appended,
    Floor(Position),
    Acknowledged(Vec<(String, Position)>),
    News(bool),
    Found(Found),
}

/// What it published: on the channel of a publisher, or to a publisher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    Frame { name: usize, frame: Vec<u8> },
    Acknowledged { name: usize, group: String, upto: Position },
}

/// A server, modelled or real.
pub trait Server {
    /// Runs a call; what it published is put into `published`.
    fn call(&mut self, call: &Call, published: &mut Vec<Published>) -> Answer;
    /// Loses everything, as after a restart without its data.
    fn forget(&mut self);
    /// Loses one key, as by an eviction: what only one publisher has of its own, or the hash that all share.
    fn lose(&mut self, name: usize, key: Key);
    /// Loses some entries of a stream, as by XDEL or XTRIM.
    fn delete(&mut self, name: usize, entries: &[Position]);
    /// A copy of it, for another process: a replica, or what stands on its disk.
    fn copy(&self, run: u64) -> Option<Model>;
    /// All entries of a channel above its floor, for checks.
    fn look(&mut self, name: usize) -> Found {
        let call = Call::Read {
            name,
            group: "nobody".to_owned(),
            after: Position::default(),
            count: 1_000_000,
            bytes: usize::MAX,
        };
        let Answer::Found(mut found) = self.call(&call, &mut Vec::new()) else { panic!("a read found nothing") };
        if let Some((_, floor)) = found.bounds {
            found.entries.retain(|(id, _)| *id > floor);
        }
        found
    }
}

/// A key of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Stream,
    Bounds,
    Acknowledged,
    Epochs,
}

#[derive(Clone, Debug, Default)]
struct Channel {
    /// Epoch, top, floor, run.
    bounds: Option<(u64, u64, Position, u64)>,
    stream: BTreeMap<Position, Stored>,
    /// Its key is there, be it with entries or without.
    has_stream: bool,
    acknowledged: HashMap<String, Position>,
    /// Groups whose place is there, or was lost.
    has_place: HashSet<String>,
    /// The process on which it was opened last.
    opened: u64,
}

/// The model: what `libra.lua` does, said once more.
#[derive(Clone, Debug)]
pub struct Model {
    channels: Vec<Channel>,
    epochs: Vec<u64>,
    /// The last epoch that had to be raised since the server had lost it.
    raised: Vec<u64>,
    /// Who claimed which epoch.
    claimed: Vec<(u64, u64)>,
    run: u64,
}

impl Model {
    /// An empty server whose process is number `run`, which is not 0.
    pub fn new(names: usize, run: u64) -> Model {
        let (channels, epochs) = (vec![Channel::default(); names], vec![0; names]);
        Model { channels, raised: epochs.clone(), epochs, claimed: vec![(0, 0); names], run }
    }

    fn raise(&mut self, name: usize, epoch: u64) {
        if self.epochs[name] < epoch {
            self.epochs[name] = epoch;
            self.raised[name] = epoch;
        }
    }

    fn known(&mut self, name: usize, epoch: u64) -> Result<&mut Channel, Answer> {
        match self.channels[name].bounds {
            Some((known, ..)) if known == epoch => Ok(&mut self.channels[name]),
            Some((known, ..)) if known > epoch => Err(Answer::Refused(Refusal::Fenced { by: known })),
            _ => Err(Answer::Refused(Refusal::Incarnation)),
        }
    }

    fn open(&mut self, name: usize, epoch: u64, confirmed: u64, known_acknowledged: &[(String, Position)]) -> Answer {
        if self.epochs[name] > epoch {
            return Answer::Refused(Refusal::Fenced { by: self.epochs[name] });
        }
        self.raise(name, epoch);
        let raised = self.raised[name];
        let channel = &mut self.channels[name];
        let mut run = self.run;
        if let Some((known, top, floor, _)) = &mut channel.bounds
            && *known == epoch
            && channel.stream.is_empty()
            && *floor < Position::new(*known, *top)
        {
            (channel.bounds, run) = (None, 0);
        }
        match channel.bounds {
            Some((known, ..)) if known > epoch => return Answer::Refused(Refusal::Fenced { by: known }),
            Some((known, ..)) if known == epoch => {}
            Some((known, top, floor, run)) => {
                let life = Stored::Life { before: Position::new(known, top), torn: run != self.run || raised > known };
                channel.stream.insert(Position::new(epoch, 0), life);
                channel.has_stream = true;
                channel.bounds = Some((epoch, 0, floor, self.run));
            }
            None => {
                channel.stream.clear();
                channel.has_stream = false;
                channel.bounds = Some((epoch, 0, Position::new(epoch, 0), run));
            }
        }
        let (_, top, floor, run) = channel.bounds.as_mut().expect("it was opened");
        let (top, floor) = (*top, *floor);
        if confirmed > top || raised == epoch {
            *run = 0;
        }
        for (group, at) in known_acknowledged {
            let had = channel.acknowledged.entry(group.clone()).or_default();
            *had = (*had).max(*at);
            channel.has_place.insert(group.clone());
        }
        channel.opened = self.run;
        let mut acknowledged: Vec<_> = channel.acknowledged.iter().map(|(group, at)| (group.clone(), *at)).collect();
        acknowledged.sort();
        Answer::Opened { top, floor, acknowledged }
    }

    fn append(
        &mut self,
        name: usize,
        epoch: u64,
        frames: &[(u64, u64, Vec<u8>)],
        published: &mut Vec<Published>,
    ) -> Answer {
        let channel = match self.known(name, epoch) {
            Ok(channel) => channel,
            Err(refused) => return refused,
        };
        let (_, top, floor, _) = channel.bounds.as_mut().expect("it is open");
        let is_gone = !channel.has_stream && *floor < Position::new(epoch, *top);
        for (first, last, frame) in frames {
            if last <= top {
                continue;
            }
            if *first != *top + 1 {
                return Answer::Refused(Refusal::Gap { top: *top });
            }
            if is_gone {
                return Answer::Refused(Refusal::Incarnation);
            }
            channel.stream.insert(Position::new(epoch, *last), Stored::Frame(frame.clone()));
            channel.has_stream = true;
            *top = *last;
            published.push(Published::Frame { name, frame: frame.clone() });
        }
        Answer::Appended
    }

    fn trim(&mut self, name: usize, epoch: u64, mut upto: Position, groups: &[String]) -> Answer {
        let channel = match self.known(name, epoch) {
            Ok(channel) => channel,
            Err(refused) => return refused,
        };
        let (_, top, floor, _) = channel.bounds.as_mut().expect("it is open");
        if groups.is_empty() {
            if upto.epoch == epoch {
                *top = upto.seq.max(*top);
            }
        } else {
            let zero = Position::default();
            let said = groups.iter().map(|group| *channel.acknowledged.get(group).unwrap_or(&zero));
            upto = upto.min(said.min().unwrap_or(zero));
            if upto.epoch == epoch {
                upto.seq = upto.seq.min(*top);
            }
        }
        if upto.seq > 0 {
            *floor = upto.max(*floor);
        }
        let floor = *floor;
        channel.stream.retain(|id, _| *id > floor);
        Answer::Floor(floor)
    }
}

impl Model {
    fn mend(&mut self, name: usize, epoch: u64, at: Position, most: u64) -> Answer {
        let channel = match self.known(name, epoch) {
            Ok(channel) => channel,
            Err(refused) => return refused,
        };
        let (_, _, floor, _) = channel.bounds.as_mut().expect("it is open");
        let next = channel.stream.range(Position::new(at.epoch, at.seq + 1)..).next();
        if let Some((id, Stored::Frame(frame))) = next
            && id.epoch == at.epoch
            && at >= *floor
        {
            let upto = (Frame::read(frame).first.min(id.seq) - 1).min(most);
            if upto > at.seq {
                *floor = Position::new(at.epoch, upto);
            }
        }
        let floor = *floor;
        channel.stream.retain(|id, _| *id > floor);
        Answer::Floor(floor)
    }
}

impl Server for Model {
    fn call(&mut self, call: &Call, published: &mut Vec<Published>) -> Answer {
        match call {
            Call::Claim { name, at_least, by, found } => {
                let known = self.epochs[*name];
                if self.claimed[*name] != (known, *by) {
                    if known != *found {
                        return Answer::Refused(Refusal::Failed);
                    }
                    self.epochs[*name] = (known + 1).max(*at_least);
                    self.claimed[*name] = (self.epochs[*name], *by);
                }
                Answer::Epoch(self.epochs[*name])
            }
            Call::Claimed { name } => Answer::Epoch(self.epochs[*name]),
            Call::Raise { name, epoch } => {
                if self.epochs[*name] > *epoch {
                    return Answer::Refused(Refusal::Fenced { by: self.epochs[*name] });
                }
                self.raise(*name, *epoch);
                Answer::Done
            }
            Call::Open { name, epoch, confirmed, acknowledged } => self.open(*name, *epoch, *confirmed, acknowledged),
            Call::Append { name, epoch, frames } => self.append(*name, *epoch, frames, published),
            Call::Trim { name, epoch, upto, groups } => self.trim(*name, *epoch, *upto, groups),
            Call::Mend { name, epoch, at, upto } => self.mend(*name, *epoch, *at, *upto),
            Call::Repeat { name, frames } => {
                published.extend(frames.iter().map(|frame| Published::Frame { name: *name, frame: frame.clone() }));
                Answer::Done
            }
            Call::Acknowledged { name } => {
                let all = self.channels[*name].acknowledged.iter();
                let mut all: Vec<_> = all.map(|(group, at)| (group.clone(), *at)).collect();
                all.sort();
                Answer::Acknowledged(all)
            }
            Call::Ack { name, group, upto } => {
                let had = self.channels[*name].acknowledged.entry(group.clone()).or_default();
                let news = *had < *upto;
                *had = (*had).max(*upto);
                published.push(Published::Acknowledged { name: *name, group: group.clone(), upto: *upto });
                Answer::News(news)
            }
            Call::Read { name, group, after, count, bytes } => {
                let channel = &self.channels[*name];
                let acknowledged = channel.acknowledged.get(group).copied();
                let Some((epoch, top, floor, _)) = channel.bounds else {
                    return Answer::Found(Found { acknowledged, ..Found::default() });
                };
                let behind = Position::new(after.epoch, after.seq + 1);
                let (mut entries, mut more, mut taken) = (Vec::new(), false, 0_usize);
                for (id, stored) in channel.stream.range(behind..).take(*count as usize) {
                    taken = taken.saturating_add(stored.size());
                    if !entries.is_empty() && taken > *bytes {
                        more = true;
                        break;
                    }
                    entries.push((*id, stored.clone()));
                }
                more |= *count > 0 && entries.len() == *count as usize;
                let top = Position::new(epoch, top);
                let misses = *count > 0 && entries.is_empty() && *after < top;
                let bounds = Some((top, if misses { top } else { floor }));
                let is_gone = acknowledged.is_none() && channel.has_place.contains(group);
                let is_lost = is_gone || channel.opened != self.run;
                Answer::Found(Found { acknowledged, bounds, entries, more, is_lost })
            }
        }
    }

    fn forget(&mut self) {
        let names = self.channels.len();
        self.channels = vec![Channel::default(); names];
        self.epochs = vec![0; names];
        self.raised = vec![0; names];
        self.claimed = vec![(0, 0); names];
    }

    fn lose(&mut self, name: usize, key: Key) {
        let names = self.channels.len();
        match key {
            Key::Stream => {
                self.channels[name].stream.clear();
                self.channels[name].has_stream = false;
            }
            Key::Bounds => {
                self.channels[name].bounds = None;
                self.channels[name].has_place.clear();
            }
            Key::Acknowledged => self.channels[name].acknowledged.clear(),
            Key::Epochs => {
                (self.epochs, self.raised) = (vec![0; names], vec![0; names]);
                self.claimed = vec![(0, 0); names];
            }
        }
    }

    fn delete(&mut self, name: usize, entries: &[Position]) {
        self.channels[name].stream.retain(|id, _| !entries.contains(id));
    }

    fn copy(&self, run: u64) -> Option<Model> {
        Some(Model { run, ..self.clone() })
    }
}
