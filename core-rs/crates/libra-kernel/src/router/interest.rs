//! Who wants events of a type: of all instruments, or of some; all of them, or an actor's own alone.
//!
//! Whoever asks for its own gets those that it owns ([`SharedPayload::owner`](crate::event::SharedPayload::owner)) and those of
//! which nobody knows whose they are: what becomes of one strategy's orders costs another one nothing.
//!
//! An instrument's subscribers are found by the number of its name, without a hash: the numbers are dense, and a table of
//! ten thousand of them is 240 KB for a type. A table takes memory when a first instrument is asked for by itself.

use std::collections::HashMap;

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
    /// Who wants its own; none where nobody does.
    own: Option<Own>,
}

/// The subscriptions of actors to their own alone.
#[derive(Default)]
struct Own {
    /// In the order of owners; no instrument for all of them.
    owners: Vec<(Name, Vec<(MailboxId, Name)>)>,
    /// How many stand there, by instrument.
    counts: HashMap<Name, usize>,
}

impl Own {
    /// Whose an event is: one owner, or all of them where nobody knows.
    fn owners_of(&self, event: &Event) -> &[(Name, Vec<(MailboxId, Name)>)] {
        let owner = event.payload.owner();
        if owner.is_none() {
            return &self.owners;
        }
        match self.owners.binary_search_by_key(&owner, |(owner, _)| *owner) {
            Ok(index) => &self.owners[index..=index],
            Err(_) => &[],
        }
    }
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
    /// The mailboxes that asked for an event, each once: those of all instruments first, those that want their own last.
    #[inline]
    pub(super) fn of<'a>(&'a self, event: &Event) -> impl Iterator<Item = MailboxId> + Clone + 'a {
        let instrument = event.instrument;
        let of_instrument = self.by_instrument.get(instrument.index()).map_or(&[][..], Few::as_slice);
        let both = of_instrument.iter().filter(|id| !self.has_everything.get(**id).is_some_and(|has| *has));
        let owners = self.own.as_ref().map_or(&[][..], |own| own.owners_of(event));
        let own = owners.iter().flat_map(move |(_, places)| {
            let wants = move |(id, of): &&(MailboxId, Name)| {
                let is_asked = of.is_none() || (*of == instrument && !places.contains(&(*id, Name::NONE)));
                is_asked && !self.has_everything.get(*id).is_some_and(|has| *has) && !of_instrument.contains(id)
            };
            places.iter().filter(wants).map(|(id, _)| id)
        });
        self.everything.iter().chain(both).chain(own).copied()
    }

    /// Adds a subscription to what `owner` owns. True when it is the first of its instrument, of anybody.
    pub(super) fn add_own(&mut self, id: MailboxId, instrument: Name, owner: Name) -> bool {
        let is_first = !self.is_wanted(instrument);
        let own = self.own.get_or_insert_default();
        let index = match own.owners.binary_search_by_key(&owner, |(owner, _)| *owner) {
            Ok(index) => index,
            Err(index) => {
                own.owners.insert(index, (owner, Vec::new()));
                index
            }
        };
        let places = &mut own.owners[index].1;
        if !places.contains(&(id, instrument)) {
            places.push((id, instrument));
            *own.counts.entry(instrument).or_default() += 1;
        }
        is_first
    }

    /// Takes a mailbox's subscription to its own back. True when it was the last of its instrument, of anybody.
    pub(super) fn remove_own(&mut self, id: MailboxId, instrument: Name) -> bool {
        let Some(own) = &mut self.own else { return false };
        let mut removed = 0;
        for (_, places) in &mut own.owners {
            let before = places.len();
            places.retain(|place| *place != (id, instrument));
            removed += before - places.len();
        }
        own.owners.retain(|(_, places)| !places.is_empty());
        if let Some(count) = own.counts.get_mut(&instrument) {
            *count -= removed;
            if *count == 0 {
                own.counts.remove(&instrument);
            }
        }
        self.own.take_if(|own| own.owners.is_empty());
        removed != 0 && !self.is_wanted(instrument)
    }

    fn is_wanted(&self, instrument: Name) -> bool {
        let by_all = || match instrument.is_none() {
            true => !self.everything.is_empty(),
            false => self.by_instrument.get(instrument.index()).is_some_and(|few| !few.as_slice().is_empty()),
        };
        self.own.as_ref().is_some_and(|own| own.counts.contains_key(&instrument)) || by_all()
    }

    /// Adds a subscription: of one instrument, or of all for `Name::NONE`. True when it is the first of its instrument.
    pub(super) fn add(&mut self, id: MailboxId, instrument: Name) -> bool {
        let is_first = !self.is_wanted(instrument);
        if instrument.is_none() {
            if !self.everything.contains(&id) {
                self.everything.push(id);
                let places = self.has_everything.len().max(id + 1);
                self.has_everything.resize(places, false);
                self.has_everything[id] = true;
            }
            return is_first;
        }
        let places = self.by_instrument.len().max(instrument.index() + 1);
        self.by_instrument.resize(places, Few::None);
        let few = &mut self.by_instrument[instrument.index()];
        let mut ids = few.as_slice().to_vec();
        if !ids.contains(&id) {
            ids.push(id);
            few.set(ids);
        }
        is_first
    }

    /// Takes a subscription back. True when it was the last of its instrument.
    pub(super) fn remove(&mut self, id: MailboxId, instrument: Name) -> bool {
        if instrument.is_none() {
            let before = self.everything.len();
            self.everything.retain(|other| *other != id);
            if let Some(has) = self.has_everything.get_mut(id) {
                *has = false;
            }
            return before != self.everything.len() && !self.is_wanted(instrument);
        }
        let Some(few) = self.by_instrument.get_mut(instrument.index()) else { return false };
        let before = few.as_slice().len();
        let ids: Vec<MailboxId> = few.as_slice().iter().copied().filter(|other| *other != id).collect();
        few.set(ids);
        before != few.as_slice().len() && !self.is_wanted(instrument)
    }

    /// Takes all subscriptions of a mailbox back. Gives the instruments of which it had the last.
    pub(super) fn remove_all(&mut self, id: MailboxId) -> Vec<Name> {
        let own =
            self.own.iter().flat_map(|own| &own.owners).flat_map(|(_, places)| places).filter(|(of, _)| *of == id);
        let own: Vec<Name> = own.map(|(_, instrument)| *instrument).collect();
        let mut last: Vec<Name> = own.into_iter().filter(|instrument| self.remove_own(id, *instrument)).collect();
        let of_some = (0..self.by_instrument.len()).filter_map(Name::at).collect::<Vec<_>>();
        last.extend([Name::NONE].into_iter().chain(of_some).filter(|instrument| self.remove(id, *instrument)));
        last
    }

    /// True when somebody wants events of all instruments.
    pub(super) fn wants_everything(&self) -> bool {
        self.is_wanted(Name::NONE)
    }

    /// The instruments that somebody wants by themselves.
    pub(super) fn instruments(&self) -> impl Iterator<Item = Name> + '_ {
        let own = self.own.iter().flat_map(|own| own.counts.keys()).map(|instrument| instrument.index() + 1).max();
        let places = self.by_instrument.len().max(own.unwrap_or(0));
        (0..places).filter_map(Name::at).filter(|instrument| !instrument.is_none() && self.is_wanted(*instrument))
    }
}
