//! Who wants events of a type: of all instruments, or of some.
//!
//! An instrument's subscribers are found by the number of its name, without a hash: the numbers are dense, and a table of
//! ten thousand of them is 240 KB for a type. A table takes memory when a first instrument is asked for by itself.

use super::MailboxId;
use crate::event::Event;
use crate::name::Name;

/// The subscriptions of one event type.
#[derive(Default)]
pub(super) struct Interest {
    everything: Vec<MailboxId>,
    /// By mailbox: it stands in `everything`.
    has_everything: Vec<bool>,
    /// By the number of the instrument's name.
    by_instrument: Vec<Few>,
}

/// The subscribers of an instrument: mostly one.
#[derive(Clone, Default)]
enum Few {
    #[default]
    None,
    One(MailboxId),
    Many(Vec<MailboxId>),
}

const _: () = assert!(size_of::<Few>() == 24);

impl Few {
    #[inline]
    fn as_slice(&self) -> &[MailboxId] {
        match self {
            Few::None => &[],
            Few::One(id) => std::slice::from_ref(id),
            Few::Many(ids) => ids,
        }
    }

    fn set(&mut self, ids: Vec<MailboxId>) {
        *self = match ids[..] {
            [] => Few::None,
            [id] => Few::One(id),
            _ => Few::Many(ids),
        };
    }
}

impl Interest {
    /// The mailboxes that asked for an event, each once: those of all instruments first.
    #[inline]
    pub(super) fn of<'a>(&'a self, event: &Event) -> impl Iterator<Item = MailboxId> + Clone + 'a {
        let of_instrument = self.by_instrument.get(event.instrument.index()).map_or(&[][..], Few::as_slice);
        let both = of_instrument.iter().filter(|id| !self.has_everything.get(**id).is_some_and(|has| *has));
        self.everything.iter().chain(both).copied()
    }

    /// Adds a subscription: of one instrument, or of all for `Name::NONE`. True when it is the first of its kind.
    pub(super) fn add(&mut self, id: MailboxId, instrument: Name) -> bool {
        if instrument.is_none() {
            if !self.everything.contains(&id) {
                self.everything.push(id);
                let places = self.has_everything.len().max(id + 1);
                self.has_everything.resize(places, false);
                self.has_everything[id] = true;
                return self.everything.len() == 1;
            }
            return false;
        }
        let places = self.by_instrument.len().max(instrument.index() + 1);
        self.by_instrument.resize(places, Few::None);
        let few = &mut self.by_instrument[instrument.index()];
        let mut ids = few.as_slice().to_vec();
        if ids.contains(&id) {
            return false;
        }
        ids.push(id);
        let is_first = ids.len() == 1;
        few.set(ids);
        is_first
    }

    /// Takes a subscription back. True when it was the last of its kind.
    pub(super) fn remove(&mut self, id: MailboxId, instrument: Name) -> bool {
        if instrument.is_none() {
            let before = self.everything.len();
            self.everything.retain(|other| *other != id);
            if let Some(has) = self.has_everything.get_mut(id) {
                *has = false;
            }
            return before == 1 && self.everything.is_empty();
        }
        let Some(few) = self.by_instrument.get_mut(instrument.index()) else { return false };
        let before = few.as_slice().len();
        let ids: Vec<MailboxId> = few.as_slice().iter().copied().filter(|other| *other != id).collect();
        few.set(ids);
        before == 1 && few.as_slice().is_empty()
    }

    /// Takes all subscriptions of a mailbox back. Gives those that were the last of their kind.
    pub(super) fn remove_all(&mut self, id: MailboxId) -> Vec<Name> {
        let of_some = (0..self.by_instrument.len()).filter_map(Name::at).collect::<Vec<_>>();
        [Name::NONE].into_iter().chain(of_some).filter(|instrument| self.remove(id, *instrument)).collect()
    }

    /// True when somebody wants events of all instruments.
    pub(super) fn wants_everything(&self) -> bool {
        !self.everything.is_empty()
    }

    /// The instruments that somebody wants by themselves.
    pub(super) fn instruments(&self) -> impl Iterator<Item = Name> + '_ {
        let asked_for = self.by_instrument.iter().enumerate().filter(|(_, few)| !few.as_slice().is_empty());
        asked_for.filter_map(|(index, _)| Name::at(index))
    }
}
