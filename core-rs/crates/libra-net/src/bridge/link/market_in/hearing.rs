//! What comes of the shards: frames into the loop's queue, latest values, how much was sent, and what is confirmed.

use libra_kernel::{Lane, Travel};

use super::super::calls::scanned;
use super::super::keeper::frame_in;
use super::{HANDED_OVER, Inner, Source, number_of};
use crate::best_effort::Accounting;
use crate::frame::{Header, Kind};
use crate::ids::Position;
use crate::latest::Key;
use crate::resp::Reply;

impl Inner {
    pub(super) fn hear(&mut self, reply: Reply<'_>) {
        let Some((_, bytes)) = reply.message() else { return self.confirm(reply) };
        // Whether it may publish is tried with nothing.
        if bytes.is_empty() {
            return;
        }
        let header = match Header::parse(bytes) {
            Ok(header) => header,
            Err(error) => return *self.refused.entry(error.code()).or_default() += 1,
        };
        if header.publisher == self.node {
            return;
        }
        // What a topology does not declare is none of its market, and would take memory for each name that it comes under.
        let Some(Source { reader, shards, latest }) = self.sources.get_mut(header.publisher) else {
            return *self.refused.entry("undeclared").or_default() += 1;
        };
        let frame = match reader.read(bytes) {
            Ok(frame) if frame.header.kind.is_events() && frame.header.lane == Some(Lane::MarketData) => frame,
            Ok(_) => return *self.refused.entry("foreign").or_default() += 1,
            Err(error) => return *self.refused.entry(error.code()).or_default() += 1,
        };
        if !shards.contains_key(header.shard) {
            if number_of(header.shard).is_none() {
                return *self.refused.entry("foreign").or_default() += 1;
            }
            shards.insert(header.shard.to_owned(), Accounting::default());
        }
        let Some(accounting) = shards.get_mut(header.shard) else { return };
        if !accounting.frame(header.epoch, header.first_seq, header.last_seq()) {
            return;
        }
        self.lag.take(header.sent_ns);
        let (to, types) = (&mut self.to, &self.types);
        for piece in frame.pieces() {
            let put = match piece.event_type() {
                Ok(event_type) if event_type.lane() != Lane::MarketData => None,
                Ok(event_type) if !types[event_type as usize] => {
                    self.unwanted += 1;
                    continue;
                }
                Ok(event_type) if event_type.travel() == Travel::Latest => piece
                    .read_to(|event| {
                        let version = Position::new(header.epoch, event.sequence);
                        latest.offer(&Key::of(&event), version) && to.stage(event_type, event)
                    })
                    .ok(),
                // Read into its place in the loop's queue.
                Ok(event_type) => piece.read_to(|event| to.stage(event_type, event)).ok(),
                Err(_) => None,
            };
            match put {
                Some(put) => self.unsaid += usize::from(put),
                None => self.skipped += 1,
            }
        }
        if self.unsaid >= HANDED_OVER {
            self.hand_over();
        }
    }

    /// Wakes the loop, once for all that was read.
    pub(super) fn hand_over(&mut self) {
        if std::mem::take(&mut self.unsaid) > 0 {
            self.to.wake();
        }
    }

    pub(super) fn hear_life(&mut self, node: &str, reply: Reply<'_>) {
        let epoch = reply.int().and_then(|epoch| u64::try_from(epoch).ok());
        if let (Some(epoch), Some(source)) = (epoch, self.sources.get_mut(node)) {
            source.latest.heard(epoch);
        }
    }

    /// A node's hash of latest values.
    pub(super) fn hear_state(&mut self, node: String, reply: Reply<'_>) {
        let Some((cursor, mut items)) = scanned(reply) else { return };
        if cursor != 0 {
            self.rest.push((node.clone(), cursor));
        }
        let Some(Source { reader, latest, .. }) = self.sources.get_mut(&node) else { return };
        while let (Some(_), Some(value)) = (items.next(), items.next()) {
            let read = frame_in(value).map(|frame| reader.read(frame));
            let frame = match read {
                Some(Ok(frame)) if frame.header.publisher == node && frame.header.kind == Kind::Latest => frame,
                Some(Ok(_)) | None => {
                    *self.refused.entry("foreign").or_default() += 1;
                    continue;
                }
                Some(Err(error)) => {
                    *self.refused.entry(error.code()).or_default() += 1;
                    continue;
                }
            };
            let epoch = frame.header.epoch;
            for event in frame.events().filter_map(|(_, event)| event.ok()) {
                let at = event.event_type as usize;
                let is_ours = event.lane() == Lane::MarketData && event.event_type.travel() == Travel::Latest;
                let version = Position::new(epoch, event.sequence);
                if is_ours && self.types[at] && latest.load(&Key::of(&event), version) {
                    self.loaded += 1;
                    self.unsaid += usize::from(self.to.stage(event.event_type, event));
                }
            }
        }
    }

    /// All that was sent before a beacon was heard has come by now, or never will.
    pub(super) fn close(&mut self, answer: &[u8]) {
        if self.closing.as_ref().is_none_or(|(question, _)| question.as_bytes() != answer) {
            return;
        }
        let Some((_, said)) = self.closing.take() else { return };
        for (node, (epoch, sent)) in said {
            let Some(source) = self.sources.get_mut(&node) else { continue };
            for (shard, sent) in sent {
                if number_of(&shard).is_some_and(|shard| self.confirmed >> shard & 1 == 1) {
                    source.shards.entry(shard).or_default().sent(epoch, sent);
                }
            }
        }
    }

    fn confirm(&mut self, reply: Reply<'_>) {
        let Reply::Push(mut items) = reply else { return };
        let what = items.next().and_then(Reply::bytes);
        let shard = items.next().and_then(Reply::text).and_then(|channel| channel.rsplit(':').next());
        let Some(shard) = shard.and_then(number_of) else { return };
        match what {
            Some(b"subscribe") => {
                self.confirmed |= 1 << shard;
                self.is_due |= shard == 0;
                let name = shard.to_string();
                let sources = self.sources.values_mut();
                sources.filter_map(|source| source.shards.get_mut(&name)).for_each(Accounting::connected);
            }
            Some(b"unsubscribe") => {
                self.confirmed &= !(1 << shard);
                let name = shard.to_string();
                let sources = self.sources.values_mut();
                sources.filter_map(|source| source.shards.get_mut(&name)).for_each(Accounting::left);
            }
            _ => {}
        }
    }
}
