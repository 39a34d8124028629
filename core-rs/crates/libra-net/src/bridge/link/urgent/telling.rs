//! What the urgent thread tells: the node its news, and whoever asks the counts.

use std::sync::atomic::Ordering;

use libra_kernel::Lane;
use libra_kernel::clock::{monotonic_ns, wall_ns};

use super::super::calls::Pending;
use super::super::common::Part;
use super::super::held::Held;
use super::super::incoming::{Heard, Incoming};
use super::super::outgoing::{Notice, Outgoing};
use super::super::report::{Value, counts, line};
use super::super::settings::DURABLE;
use super::Urgent;
use super::node::{Node, Refused};
use crate::bridge::news::{News, NewsKind};
use crate::durable::groups::Groups;
use crate::durable::{Passed, Run};
use crate::resp::health::Finding;

impl Urgent {
    pub(super) fn report(&mut self) {
        let node = &self.node;
        let now_ns = monotonic_ns();
        let mut report = vec![
            ("epoch".to_owned(), Value::count(node.greeting.epoch)),
            ("incarnation".to_owned(), Value::Text(format!("{:032x}", node.greeting.incarnation))),
            ("connected".to_owned(), Value::Flag(node.is_connected())),
        ];
        let lines = [("calls", &self.calls), ("hears", &self.hears)];
        let lines = lines.map(|(name, of)| (name.to_owned(), line(&of.counts, of.is_up())));
        report.push(("connections".to_owned(), Value::Table(lines.into())));
        let outboxes = match node.is_claimed() {
            true => node.outgoing.iter().map(outbox).collect(),
            false => node.early.counts().into_iter().zip(DURABLE).map(|(counts, lane)| early(counts, lane)).collect(),
        };
        report.push(("outboxes".to_owned(), Value::Table(outboxes)));
        report.push(("channels".to_owned(), Value::Table(node.incoming.iter().map(channel).collect())));
        let peers = node.peers.iter().map(|peer| {
            let [behind, given_up] = debts(&node.outgoing, &peer.name);
            let table = vec![
                ("up".to_owned(), Value::Flag(peer.is_up)),
                ("left".to_owned(), Value::Flag(peer.has_left)),
                ("epoch".to_owned(), Value::count(peer.epoch)),
                ("started_ns".to_owned(), Value::Number(peer.started_ns)),
                ("version".to_owned(), Value::Text(peer.version.clone())),
                ("beacons".to_owned(), Value::count(peer.beacons)),
                ("heard_ns".to_owned(), Value::Number(wall_ns() - (now_ns - peer.heard_ns))),
                ("clock_ahead_us".to_owned(), Value::Number(peer.skew.ahead_ns().unwrap_or_default() / 1_000)),
                ("behind".to_owned(), behind),
                ("given_up".to_owned(), given_up),
            ];
            (peer.name.clone(), Value::Table(table))
        });
        report.push(("nodes".to_owned(), Value::Table(peers.collect())));
        report.push(("refuses".to_owned(), node.standing.report(now_ns, |refused| node.word_of(*refused))));
        report.push(("findings".to_owned(), Value::List(node.greeting.findings.iter().map(found).collect())));
        let refused = node.refused.iter().map(|(code, count)| (*code, *count));
        report.push(("refused_frames".to_owned(), Value::Table(counts(refused))));
        report.push(("foreign_frames".to_owned(), Value::count(node.foreign)));
        let held = |count: fn(&Held) -> u64| Value::count(node.held.iter().map(count).fold(0, u64::saturating_add));
        report.push(("held".to_owned(), held(|held| held.len() as u64)));
        report.push(("held_conflated".to_owned(), held(|held| held.conflated)));
        if let Some(keeper) = &node.keeper {
            report.push(("kept".to_owned(), Value::count(keeper.written)));
            report.push(("keeps".to_owned(), Value::Flag(!keeper.is_settled())));
        }
        let waiting = node.outgoing.iter().map(|channel| channel.sender.outbox().events()).sum();
        node.common.outbox.store(waiting, Ordering::Relaxed);
        self.node.reported = node.common.report(Part::Urgent, report);
    }
}

/// A finding about the server.
fn found(finding: &Finding) -> Value {
    let text = |name: &str, text: &str| (name.to_owned(), Value::Text(text.to_owned()));
    Value::Table(vec![
        text("code", finding.code),
        text("severity", finding.severity.name()),
        text("sentence", &finding.sentence),
        text("change", &finding.change),
    ])
}

/// The lanes of ours on which a node owes acknowledgements for long, and those on which it is not waited for any more.
fn debts(outgoing: &[Outgoing], node: &str) -> [Value; 2] {
    let lanes = |holds: fn(&Groups, usize) -> bool| {
        let channels = outgoing.iter().filter(|channel| {
            let groups = channel.sender.groups();
            groups.find(node).is_some_and(|group| holds(groups, group))
        });
        Value::List(channels.map(|channel| Value::Text(channel.keys.id.lane.name().to_owned())).collect())
    };
    [lanes(Groups::is_behind), lanes(|groups, group| !groups.waits_for(group))]
}

fn outbox(channel: &Outgoing) -> (String, Value) {
    let (sender, stats) = (&channel.sender, channel.sender.stats());
    let outbox = sender.outbox();
    let table = counts([
        ("events", outbox.events()),
        ("bytes", outbox.bytes() as u64),
        ("fullness", sender.fullness()),
        ("offered", stats.offered),
        ("confirmed", sender.confirmed().seq),
        ("acknowledged", outbox.base()),
        ("kept", channel.kept()),
        ("refused", stats.refused),
        ("cut", stats.cut),
        ("calls", stats.calls),
        ("server_lost", stats.server_lost),
        ("repeated", stats.repeated),
        ("refusals", stats.refusals),
        ("conflated", channel.conflated),
        ("unsendable", channel.unsendable),
        ("unconfirmed", channel.asked.returned),
    ]);
    (channel.keys.id.lane.name().to_owned(), Value::Table(table))
}

/// As [`outbox`], before there is one.
fn early([events, bytes, fullness, cut]: [u64; 4], lane: Lane) -> (String, Value) {
    let table = counts([
        ("events", events),
        ("bytes", bytes),
        ("fullness", fullness),
        ("offered", events + cut),
        ("confirmed", 0),
        ("acknowledged", 0),
        ("kept", 0),
        ("cut", cut),
    ]);
    (lane.name().to_owned(), Value::Table(table))
}

fn channel(channel: &Incoming) -> (String, Value) {
    let stats = channel.receiver.stats();
    let (events, replaced, lost_events) = channel.passed();
    let mut table = counts([
        ("events", events),
        ("applied", channel.receiver.applied_position().seq),
        ("doubled", stats.doubled),
        ("fenced", stats.fenced),
        ("overflowed", stats.overflowed),
        ("reads", stats.reads),
        ("gaps", stats.gaps),
        ("snapshots", stats.snapshots),
        ("replaced", replaced),
        ("lost", channel.losses),
        ("suspected", channel.suspected),
        ("lost_events", lost_events),
        ("foreign", stats.foreign),
        ("clock_skew", channel.lag.skewed()),
        ("skipped", channel.skipped),
        ("older", channel.latest.older()),
        ("loaded", channel.loaded),
    ]);
    table.push(("gap".to_owned(), Value::Flag(channel.receiver.has_gap())));
    table.push(("lag_us".to_owned(), Value::Number(channel.lag.us())));
    (channel.keys.id.to_string(), Value::Table(table))
}

/// What the node is told of what a channel of another node heard. Events that are passed over are told by their numbers, life
/// by life; of a life whose end was never heard of there may have been more.
fn news_of(heard: Heard, mut tell: impl FnMut(News)) {
    let more = |passed: Passed| if passed.is_exact() { "" } else { " (of the life before there may have been more)" };
    let (kind, passed, detail) = match heard {
        Heard::Gap { open: true, is_full: true } => {
            (NewsKind::GapOpened, None, "they wait: this node has not done what it was given before".to_owned())
        }
        Heard::Gap { open: true, .. } => (NewsKind::GapOpened, None, String::new()),
        Heard::Gap { open: false, .. } => (NewsKind::GapRepaired, None, String::new()),
        Heard::Lost { passed, why, certain } => {
            let sure = if certain { more(passed) } else { " (there may have been some)" };
            // The same word that stops new orders: see `judging`.
            let kind = if certain { NewsKind::GapLost } else { NewsKind::GapSuspected };
            (kind, Some(passed), format!("{why}{sure}"))
        }
        Heard::SnapshotWanted => (NewsKind::SnapshotWanted, None, "asked for".to_owned()),
        Heard::SnapshotLoaded { passed, values } => {
            (NewsKind::SnapshotLoaded, Some(passed), format!("{values} latest values stand for them{}", more(passed)))
        }
    };
    let said = |run: Option<Run>| News {
        count: run.map_or(0, Run::events),
        runs: run.into_iter().collect(),
        detail: detail.as_str().into(),
        ..News::new(kind)
    };
    let mut runs = passed.into_iter().flat_map(Passed::runs).peekable();
    if runs.peek().is_none() {
        tell(said(None));
    }
    runs.for_each(|run| tell(said(Some(run))));
}

impl Node {
    /// What is refused, for a reader.
    fn word_of(&self, refused: Refused) -> String {
        let lane = |lane: usize| DURABLE.get(lane).map_or("a lane", |lane| lane.name());
        let channel = |index: usize| self.incoming.get(index).map_or_else(String::new, |of| of.keys.id.to_string());
        match refused {
            Refused::Done(Pending::Open(at)) => format!("open {}", lane(at)),
            Refused::Done(Pending::Append(at)) => format!("append to {}", lane(at)),
            Refused::Done(Pending::Trim(at)) => format!("trim {}", lane(at)),
            Refused::Done(Pending::Acknowledgements(at)) => format!("read what is acknowledged of {}", lane(at)),
            Refused::Done(Pending::Read(at)) => format!("read {}", channel(at)),
            Refused::Done(Pending::Ack(at)) => format!("acknowledge {}", channel(at)),
            Refused::Done(Pending::Incarnation) => "read its name".into(),
            Refused::Done(Pending::Keep) => "keep latest values".into(),
            Refused::Done(Pending::Adopt) => "read own latest values".into(),
            Refused::Done(Pending::State(at)) => {
                format!("read the latest values of {}", self.peers.get(at).map_or("a node", |peer| &peer.name))
            }
            Refused::Done(Pending::Publish) => "publish".into(),
            Refused::Done(Pending::Probe) => "write".into(),
            Refused::Told(Pending::Append(at)) => format!("publish what is appended to {}", lane(at)),
            Refused::Told(Pending::Ack(at)) => format!("publish what is acknowledged of {}", channel(at)),
            Refused::Told(Pending::Keep) => "publish latest values".into(),
            Refused::Done(_) | Refused::Told(_) => "something else".into(),
        }
    }

    /// Tells the node what its channels had to say.
    pub(super) fn tell(&mut self) {
        for channel in self.outgoing.iter_mut().filter(|channel| !channel.notices.is_empty()) {
            let id = channel.keys.id.to_string();
            for notice in channel.notices.drain(..) {
                let said = |kind, count, detail: String| News {
                    channel: id.as_str().into(),
                    count,
                    detail: detail.into(),
                    ..News::new(kind)
                };
                let seam = &self.common.seam;
                match notice {
                    Notice::Cut { events, commands } => {
                        seam.tell(said(
                            NewsKind::Overflow,
                            events,
                            format!("cut, {commands} frames of commands with them"),
                        ));
                    }
                    Notice::Behind(node) => {
                        let detail = "it has acknowledged nothing for half of the time that it has for it".into();
                        seam.tell(News { node: node.into(), ..said(NewsKind::NodeBehind, 0, detail) });
                    }
                    Notice::CutOff(node) => {
                        let detail = "it misses what was cut before it could have had it, and is given the rest".into();
                        seam.tell(News { node: node.into(), ..said(NewsKind::NodeCutOff, 0, detail) });
                    }
                    Notice::GivenUp(node) => {
                        let detail = "it is not waited for any more, and comes back by a snapshot".into();
                        seam.tell(News { node: node.into(), ..said(NewsKind::Overflow, 0, detail) });
                    }
                    Notice::Alone { events } => {
                        let detail = "no node with accounts is waited for: what it has not acknowledged came back UNCONFIRMED (it is open \
                                      what became of it), and more is refused until one is back";
                        seam.tell(said(NewsKind::Unanswered, events, detail.into()));
                    }
                    Notice::ServerLost { events } => {
                        let detail = "the server has lost them, they are sent again".into();
                        seam.tell(said(NewsKind::ServerFinding, events, detail));
                    }
                    Notice::SnapshotWanted(_) => seam.tell(said(NewsKind::SnapshotWanted, 0, String::new())),
                    Notice::Fenced { by } => {
                        self.common.fence(&format!("another node publishes under this name, with the later epoch {by}"))
                    }
                    Notice::Unsendable { events, why } => seam.tell(said(NewsKind::Overflow, events, why)),
                    Notice::Full => {
                        seam.tell(said(NewsKind::OutboxFull, channel.sender.outbox().events(), String::new()))
                    }
                }
            }
        }
        for channel in self.incoming.iter_mut().filter(|channel| !channel.heard.is_empty()) {
            let id = channel.keys.id.to_string();
            channel.judged = 0;
            for heard in channel.heard.drain(..) {
                let node = &self.peers[channel.peer].name;
                news_of(heard, |news| {
                    self.common.seam.tell(News { node: node.as_str().into(), channel: id.as_str().into(), ..news });
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Position;

    /// Kind, count, which ones, detail.
    type Told = (NewsKind, u64, Option<(u64, u64, u64)>, String);

    fn told(heard: Heard) -> Vec<Told> {
        let mut told = Vec::new();
        news_of(heard, |news| {
            let run = news.runs.first().map(|run| (run.epoch, run.first, run.last));
            told.push((news.kind, news.count, run, news.detail.into()));
        });
        told
    }

    #[test]
    fn what_is_passed_over_is_told_by_its_numbers() {
        let passed = |upto, known| Passed { after: Position::new(7, 10), upto, known };
        let lost = |upto, known, certain| told(Heard::Lost { passed: passed(upto, known), why: "trimmed", certain });
        let kind = NewsKind::GapLost;
        let here = lost(Position::new(7, 30), 40, true);
        assert_eq!(here, [(kind, 20, Some((7, 11, 30)), "trimmed".to_owned())]);
        let more = "trimmed (of the life before there may have been more)";
        let over_lives = lost(Position::new(8, 4), 12, true);
        assert_eq!(over_lives, [(kind, 2, Some((7, 11, 12)), more.into()), (kind, 4, Some((8, 1, 4)), more.into())]);
        let unknown = lost(Position::new(8, 0), 10, false);
        assert_eq!(unknown, [(NewsKind::GapSuspected, 0, None, "trimmed (there may have been some)".to_owned())]);
        let loaded = told(Heard::SnapshotLoaded { passed: passed(Position::new(7, 12), 12), values: 3 });
        let detail = "3 latest values stand for them".to_owned();
        let over_lives = told(Heard::SnapshotLoaded { passed: passed(Position::new(8, 0), 11), values: 3 });
        assert_eq!((over_lives.len(), over_lives[0].2), (1, Some((7, 11, 11))));
        assert!(over_lives[0].3.ends_with("there may have been more)"), "{over_lives:?}");
        assert_eq!(loaded, [(NewsKind::SnapshotLoaded, 2, Some((7, 11, 12)), detail)]);
        let gap = told(Heard::Gap { open: true, is_full: false });
        assert_eq!(gap, [(NewsKind::GapOpened, 0, None, String::new())]);
        let full = told(Heard::Gap { open: true, is_full: true });
        assert_eq!(full[0].0, NewsKind::GapOpened);
        assert!(full[0].3.starts_with("they wait"), "{full:?}");
    }
}
