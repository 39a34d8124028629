//! What the urgent thread tells: the node its news, and whoever asks the counts.

use std::sync::atomic::Ordering;

use libra_kernel::clock::{monotonic_ns, wall_ns};

use super::super::common::Part;
use super::super::incoming::{Heard, Incoming};
use super::super::outgoing::{Notice, Outgoing};
use super::super::report::{Value, counts, line};
use super::Urgent;
use super::node::Node;
use crate::bridge::news::{News, NewsKind};

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
        report.push(("outboxes".to_owned(), Value::Table(node.outgoing.iter().map(outbox).collect())));
        report.push(("channels".to_owned(), Value::Table(node.incoming.iter().map(channel).collect())));
        let peers = node.peers.iter().map(|peer| {
            let table = vec![
                ("up".to_owned(), Value::Flag(peer.is_up)),
                ("epoch".to_owned(), Value::count(peer.epoch)),
                ("version".to_owned(), Value::Text(peer.version.clone())),
                ("beacons".to_owned(), Value::count(peer.beacons)),
                ("heard_ns".to_owned(), Value::Number(wall_ns() - (now_ns - peer.heard_ns))),
            ];
            (peer.name.clone(), Value::Table(table))
        });
        report.push(("nodes".to_owned(), Value::Table(peers.collect())));
        let refused = node.refused.iter().map(|(code, count)| (*code, *count));
        report.push(("refused_frames".to_owned(), Value::Table(counts(refused))));
        report.push(("foreign_frames".to_owned(), Value::count(node.foreign)));
        report.push(("held".to_owned(), Value::count(node.held.iter().map(|held| held.len() as u64).sum())));
        if let Some(keeper) = &node.keeper {
            report.push(("kept".to_owned(), Value::count(keeper.written)));
            report.push(("keeps".to_owned(), Value::Flag(!keeper.is_settled())));
        }
        let waiting = node.outgoing.iter().map(|channel| channel.sender.outbox().events()).sum();
        node.common.outbox.store(waiting, Ordering::Relaxed);
        self.node.reported = node.common.report(Part::Urgent, report);
    }
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
        ("refused", stats.refused),
        ("cut", stats.cut),
        ("calls", stats.calls),
        ("server_lost", stats.server_lost),
        ("refusals", stats.refusals),
        ("conflated", channel.conflated),
        ("unsendable", channel.unsendable),
    ]);
    (channel.keys.id.lane.name().to_owned(), Value::Table(table))
}

fn channel(channel: &Incoming) -> (String, Value) {
    let stats = channel.receiver.stats();
    let mut table = counts([
        ("events", stats.events),
        ("applied", channel.receiver.applied_position().seq),
        ("doubled", stats.doubled),
        ("fenced", stats.fenced),
        ("overflowed", stats.overflowed),
        ("reads", stats.reads),
        ("gaps", stats.gaps),
        ("snapshots", stats.snapshots),
        ("lost", stats.lost),
        ("foreign", stats.foreign),
        ("skipped", channel.skipped),
        ("older", channel.latest.older()),
        ("loaded", channel.loaded),
    ]);
    table.push(("gap".to_owned(), Value::Flag(channel.receiver.has_gap())));
    table.push(("lag_us".to_owned(), Value::Number(channel.lag_ns / 1_000)));
    (channel.keys.id.to_string(), Value::Table(table))
}

impl Node {
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
                    Notice::GivenUp(node) => {
                        let detail = "it is not waited for any more, and comes back by a snapshot".into();
                        seam.tell(News { node: node.into(), ..said(NewsKind::Overflow, 0, detail) });
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
            for heard in channel.heard.drain(..) {
                let (kind, count, detail) = match heard {
                    Heard::Gap { open: true } => (NewsKind::GapOpened, 0, String::new()),
                    Heard::Gap { open: false } => (NewsKind::GapRepaired, 0, String::new()),
                    Heard::Lost { events, why, certain } => {
                        let sure = if certain { "" } else { " (there may have been some)" };
                        (NewsKind::GapLost, events, format!("{why}{sure}"))
                    }
                    Heard::SnapshotWanted => (NewsKind::SnapshotWanted, 0, "asked for".into()),
                    Heard::SnapshotLoaded { events } => (NewsKind::SnapshotLoaded, events, String::new()),
                };
                let node = self.peers[channel.peer].name.as_str().into();
                let (channel, detail) = (id.as_str().into(), detail.into());
                self.common.seam.tell(News { node, channel, count, detail, ..News::new(kind) });
            }
        }
    }
}
