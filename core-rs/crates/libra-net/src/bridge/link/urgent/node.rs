//! What the urgent thread knows, and what it makes of its connections.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use libra_kernel::clock::monotonic_ns;
use libra_kernel::router::RemoteOrigin;

use super::super::calls::{Keys, Pending};
use super::super::common::Common;
use super::super::control::Peer;
use super::super::greeting::Greeting;
use super::super::held::Held;
use super::super::incoming::Incoming;
use super::super::keeper::Keeper;
use super::super::line::Failure;
use super::super::outgoing::Outgoing;
use super::super::refusals::{Refusals, Standing};
use super::super::settings::DURABLE;
use super::early::Early;
use super::living::Living;
use super::silence::Silence;
use super::state::StateWanted;
use crate::bridge::departures::FrameNotes;
use crate::bridge::news::{News, NewsKind};
use crate::bridge::{Arrivals, OutboundEnd};
use crate::durable::groups::Group;
use crate::frame::{FrameReader, FrameWriter};
use crate::ids::Position;
use crate::resp::health::{Finding, Severity};

/// What the server may refuse of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The call itself.
    Done(Pending),
    /// To publish what it has done.
    Told(Pending),
}

impl Pending {
    /// What a trial finds allowed when it is answered.
    pub(super) fn tries(self) -> Option<Refused> {
        match self {
            Pending::AppendTold(lane) => Some(Refused::Told(Pending::Append(lane))),
            Pending::AckTold(index) => Some(Refused::Told(Pending::Ack(index))),
            Pending::KeepTold => Some(Refused::Told(Pending::Keep)),
            _ => None,
        }
    }
}

/// The connections, where they are numbered.
pub(super) const CALLS: usize = 0;
pub(super) const HEARS: usize = 1;

/// Everything but the connections.
pub(super) struct Node {
    pub(super) common: Arc<Common>,
    pub(super) queue: OutboundEnd,
    pub(super) arrivals: Arrivals,
    pub(super) pending: VecDeque<Pending>,
    /// Empty before our life is claimed.
    pub(super) outgoing: Vec<Outgoing>,
    /// By number: three for each peer.
    pub(super) incoming: Vec<Incoming>,
    pub(super) held: [Held; 3],
    pub(super) early: Early,
    pub(super) living: Living,
    pub(super) silence: Silence,
    pub(super) peers: Vec<Peer>,
    pub(super) control: Option<FrameWriter>,
    /// There is one as soon as our life is claimed.
    pub(super) keeper: Option<Keeper>,
    pub(super) state: StateWanted,
    pub(super) reader: FrameReader,
    pub(super) greeting: Greeting,
    pub(super) started_ns: i64,
    pub(super) places: Vec<RemoteOrigin>,
    /// The connection for calls stands.
    pub(super) calls: bool,
    /// Since when both connections stand, so that silence means something.
    pub(super) hearing_since_ns: Option<i64>,
    pub(super) confirmed: usize,
    pub(super) next_beacon_ns: i64,
    /// When we said last that we live.
    pub(super) said_ns: i64,
    /// When durable events were given to the socket last.
    pub(super) sent_ns: i64,
    pub(super) own_version: Option<u64>,
    pub(super) listening_said: u64,
    pub(super) reported: u64,
    pub(super) leaving_since_ns: Option<i64>,
    pub(super) was_told_down: bool,
    /// Why each of the two connections is not there, as it was heard last in this outage.
    pub(super) down: [String; 2],
    /// The one of them that was told last.
    pub(super) told_why: String,
    /// Why it may not listen, as it was told last.
    pub(super) told_deaf: String,
    /// The server has lost its name: it is to be given one.
    pub(super) names_server: bool,
    /// What it refused on the connection for calls.
    pub(super) refusals: Refusals,
    /// Of which this is so now.
    pub(super) standing: Standing<Refused>,
    pub(super) refused: BTreeMap<&'static str, u64>,
    pub(super) foreign: u64,
}

impl Node {
    pub(super) fn is_connected(&self) -> bool {
        !self.was_told_down && self.hearing_since_ns.is_some()
    }

    /// True as soon as our life is.
    pub(super) fn is_claimed(&self) -> bool {
        !self.outgoing.is_empty()
    }

    pub(super) fn connected(&mut self, now_ns: i64, now: u64, greeting: Greeting) {
        self.pending.clear();
        self.calls = true;
        self.refusals.clear();
        self.standing.clear();
        if self.outgoing.is_empty() {
            let settings = &self.common.settings;
            for (lane, id) in settings.channels_of(&settings.node).into_iter().enumerate() {
                let keys = Keys::new(&settings.environment, id);
                let mut outgoing = Outgoing::new(lane, settings, keys, greeting.epoch, now);
                outgoing.notes = FrameNotes::new(&self.common.seam.departures);
                outgoing.asked.know(self.common.seam.clone());
                self.outgoing.push(outgoing);
            }
            self.control = FrameWriter::for_control(&settings.node, greeting.epoch).ok();
            self.keeper = Keeper::new(settings, greeting.epoch).ok();
            self.common.wakers.market_out.signal();
        }
        // What was so the last time need not be said again with each connection.
        let is_new = |finding: &&Finding| self.greeting.findings.iter().all(|before| before.code != finding.code);
        for finding in greeting.findings.iter().filter(is_new) {
            let detail = format!("{}: {}; to change: {}", finding.code, finding.sentence, finding.change);
            let is_note = finding.severity == Severity::Note;
            let kind = if is_note { NewsKind::ServerNote } else { NewsKind::ServerFinding };
            self.common.seam.tell(News { detail: detail.into(), ..News::new(kind) });
        }
        self.greeting = greeting;
        self.outgoing.iter_mut().for_each(|channel| channel.connected());
        self.keeper.iter_mut().for_each(Keeper::connected);
        self.state.disconnected();
        self.incoming.iter_mut().for_each(|channel| channel.connected(now));
        self.next_beacon_ns = now_ns;
        self.stands(now_ns);
    }

    /// Both connections may stand now. Each comes by here, so what is told last is how it is.
    pub(super) fn stands(&mut self, now_ns: i64) {
        if self.calls && self.confirmed == 2 + DURABLE.len() && self.hearing_since_ns.is_none() {
            self.hearing_since_ns = Some(now_ns);
            self.silence.stands();
            self.was_told_down = false;
            // Whatever comes from now on is heard: what came before is looked up.
            self.state.is_due = true;
            self.common.seam.tell(News::new(NewsKind::Connected));
        }
    }

    pub(super) fn disconnected(&mut self, now: u64, why: &str) {
        self.pending.clear();
        self.standing.clear();
        self.outgoing.iter_mut().for_each(|channel| channel.disconnected(now));
        self.keeper.iter_mut().for_each(Keeper::disconnected);
        self.state.disconnected();
        self.incoming.iter_mut().for_each(Incoming::disconnected);
        (self.calls, self.hearing_since_ns) = (false, None);
        self.silence.ends();
        self.told_down(CALLS, &Failure::passing(why));
    }

    /// Tells why there is no connection, where that is another reason than it was: not what each try finds anew, on either of the two.
    pub(super) fn told_down(&mut self, line: usize, failure: &Failure) {
        let why = &failure.why;
        let is_new = !std::mem::replace(&mut self.was_told_down, true);
        if is_new {
            self.down = Default::default();
        }
        let is_other = self.down[line] != *why && self.told_why != *why;
        self.down[line].clone_from(why);
        if is_new || is_other {
            self.told_why.clone_from(why);
            let kind = if failure.is_lasting { NewsKind::ServerRefuses } else { NewsKind::Disconnected };
            self.common.seam.tell(News { detail: failure.why.as_str().into(), ..News::new(kind) });
        }
    }

    // Rest and end ------------------------------------------------------------------------------------------------------

    pub(super) fn is_idle(&self) -> bool {
        ((!self.can_take() && self.is_claimed()) || self.queue.is_empty())
            && !self.common.seam.has_applied()
            && !self.common.kept.has_some()
            && !self.is_back()
            && self.own_version == Some(self.common.seam.own.version())
    }

    pub(super) fn due_ns(&self, calls_are_up: bool) -> Option<i64> {
        let of_senders = self.outgoing.iter().filter_map(|channel| channel.sender.deadline()).min();
        let of_receivers = self.incoming.iter().filter_map(|channel| channel.receiver.deadline()).min();
        let soon = [of_senders, of_receivers].into_iter().flatten().map(|due| i64::try_from(due).unwrap_or(i64::MAX));
        let beacon = Some(self.next_beacon_ns).filter(|_| calls_are_up && self.control.is_some());
        let leaving = self.common.leave_by().map(|by| by.min(monotonic_ns() + 2_000_000));
        soon.chain([beacon, self.silence.due_ns(), leaving].into_iter().flatten()).min()
    }

    /// True when all that left this node is where it has to be: with its consumers that have accounts, and with the server for
    /// those that are not there or have none. Two that leave together would wait for each other: who leaves takes in no more.
    pub(super) fn is_settled(&self) -> bool {
        let is_up = |name: &str| self.peers.iter().any(|peer| peer.name == name && peer.is_up);
        let is_awaited = |name: &str| is_up(name) && self.common.settings.may_have_accounts(name);
        self.queue.is_empty()
            && !self.common.market_is_leaving.load(Ordering::Acquire)
            && !self.common.kept.has_some()
            && self.keeper.as_ref().is_none_or(Keeper::is_settled)
            && self.outgoing.iter().all(|channel| {
                let outbox = channel.sender.outbox();
                let position = Position::new(channel.sender.epoch(), outbox.last());
                let is_owed = |group: &Group| group.acknowledged < position;
                let groups = channel.sender.groups().all();
                let have_all = groups.iter().all(|group| !is_owed(group) || !is_awaited(&group.name));
                !channel.gathers() && (outbox.events() == 0 || (channel.sender.confirmed() == position && have_all))
            })
    }
}
