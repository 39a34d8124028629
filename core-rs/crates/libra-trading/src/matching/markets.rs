//! The engines of an exchange, by instrument.

use std::collections::HashMap;

use libra_kernel::Name;

use super::engine::Engine;
use super::error::MatchError;
use super::order::AccountId;
use super::output::{Output, Sink};
use super::rules::Limits;
use crate::instrument::Instrument;

/// An engine for each instrument, in the order in which they were listed. Accounts, times and ids of one mean nothing to
/// another.
#[derive(Clone, Debug, Default)]
pub struct Markets {
    engines: Vec<(Name, Engine)>,
    places: HashMap<Name, usize>,
}

/// Puts the instrument's name beside each output.
struct Named<'a, F> {
    instrument: Name,
    take: &'a mut F,
}

impl<F: FnMut(Name, &Output)> Sink for Named<'_, F> {
    fn take(&mut self, output: &Output) {
        (self.take)(self.instrument, output);
    }
}

impl Markets {
    /// Lists an instrument; one that is listed already stays as it is, and gives false.
    pub fn list(&mut self, instrument: &Instrument, limits: Limits) -> Result<bool, MatchError> {
        if self.places.contains_key(&instrument.id) {
            return Ok(false);
        }
        let engine = Engine::new(instrument, limits)?;
        self.places.insert(instrument.id, self.engines.len());
        self.engines.push((instrument.id, engine));
        Ok(true)
    }

    /// The engine of an instrument.
    pub fn get(&self, instrument: Name) -> Option<&Engine> {
        self.places.get(&instrument).map(|place| &self.engines[*place].1)
    }

    /// The engine of an instrument, for inputs.
    pub fn get_mut(&mut self, instrument: Name) -> Option<&mut Engine> {
        self.places.get(&instrument).map(|place| &mut self.engines[*place].1)
    }

    /// All engines, as they were listed.
    pub fn iter(&self) -> impl Iterator<Item = (Name, &Engine)> {
        self.engines.iter().map(|(name, engine)| (*name, engine))
    }

    /// Brings all engines to `now_ns`; none of them, where that is before the time of any.
    pub fn advance(&mut self, now_ns: i64, mut take: impl FnMut(Name, &Output)) -> Result<(), MatchError> {
        self.each(now_ns, |engine, name| engine.advance(now_ns, &mut Named { instrument: name, take: &mut take }))
    }

    /// Cancels all open orders of an account in every market; in none, where `now_ns` is before the time of any.
    pub fn cancel_all(
        &mut self,
        account: AccountId,
        now_ns: i64,
        mut take: impl FnMut(Name, &Output),
    ) -> Result<(), MatchError> {
        self.each(now_ns, |engine, name| {
            engine.cancel_all(account, now_ns, &mut Named { instrument: name, take: &mut take })
        })
    }

    fn each(
        &mut self,
        now_ns: i64,
        mut act: impl FnMut(&mut Engine, Name) -> Result<(), MatchError>,
    ) -> Result<(), MatchError> {
        let latest = self.iter().map(|(_, engine)| engine.now_ns()).max();
        if let Some(from_ns) = latest.filter(|latest| now_ns < *latest) {
            return Err(MatchError::TimeWentBack { from_ns, to_ns: now_ns });
        }
        self.engines.iter_mut().try_for_each(|(name, engine)| act(engine, *name))
    }
}
