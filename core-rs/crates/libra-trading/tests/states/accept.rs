//! An operator takes the venue's word for a position: two looks show another one than ours, which is an incident, and then ours
//! is set to it. Whose it is from then on, by what the documents say.

use std::collections::{BTreeMap, BTreeSet};

use libra_kernel::Name;
use libra_trading::desk::OnVanish;
use libra_trading::instrument::{MONEY_DECIMALS, Money};
use libra_trading::order::OrderStatus;
use libra_trading::reconcile::{VenueLook, VenuePosition, VenueState};

use crate::step::Word;
use crate::truth::{Truth, name};
use crate::world::{Done, Maybe, World, broken};

/// Nobody's.
const ADOPTED: &str = "adopted";

/// The venue's word on a position, and that ours was set to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// So many rows were booked before it.
    pub behind: usize,
    pub instrument: Name,
    pub size: i64,
    pub cost: Money,
}

impl Truth {
    /// Size, basis and realised P&L of an instrument: average cost, a partial close takes its share rounded toward zero; the
    /// venue's word sets size and basis.
    pub fn position(&self, id: Name) -> (i64, Money, Money) {
        let instrument = self.instrument(id);
        let (mut size, mut cost, mut realised) = (0_i64, 0_i128, 0_i128);
        for at in 0..=self.rows.len() {
            for moved in self.moves.iter().filter(|moved| moved.behind == at && moved.instrument == id) {
                (size, cost) = (moved.size, moved.cost);
            }
            let Some(row) = self.rows.get(at).filter(|row| row.instrument == id) else { continue };
            let worth = |units: i64| instrument.notional(row.price, units).expect("it was booked");
            let mut units = row.size;
            if size != 0 && size.signum() != row.sign {
                let closed = units.min(size.abs());
                let share =
                    if closed == size.abs() { cost } else { cost * i128::from(closed) / i128::from(size.abs()) };
                realised += -worth(row.sign * closed) - share;
                cost -= share;
                size += row.sign * closed;
                units -= closed;
            }
            cost += worth(row.sign * units);
            size += row.sign * units;
        }
        (size, cost, realised)
    }

    /// What each strategy holds of an instrument. An execution is its order's strategy's. What the venue's word brought is
    /// nobody's; what it took is nobody's first, then that of whoever holds most of that side; and where nothing is left, or it
    /// changed sides, no strategy holds anything.
    pub fn holdings(&self, id: Name) -> BTreeMap<Name, i64> {
        let mut held: BTreeMap<Name, i64> = BTreeMap::new();
        for at in 0..=self.rows.len() {
            for moved in self.moves.iter().filter(|moved| moved.behind == at && moved.instrument == id) {
                let (from, to): (i64, i64) = (held.values().sum(), moved.size);
                let nobody = name(ADOPTED);
                if from != 0 && from.signum() != to.signum() {
                    held = BTreeMap::from([(nobody, to)]);
                } else if to.abs() >= from.abs() {
                    *held.entry(nobody).or_default() += to - from;
                } else {
                    let mut owners: Vec<Name> = held.keys().copied().collect();
                    owners.sort_by_key(|who| (*who != nobody, -held[who].abs(), who.as_str()));
                    let mut gone = from - to;
                    for who in owners.into_iter().filter(|who| held[who].signum() == from.signum()).collect::<Vec<_>>()
                    {
                        let own = held[&who];
                        let part = if own.abs() < gone.abs() { own } else { gone };
                        held.insert(who, own - part);
                        gone -= part;
                    }
                }
            }
            if let Some(row) = self.rows.get(at).filter(|row| row.instrument == id) {
                *held.entry(self.asked[&row.order].request.strategy).or_default() += row.sign * row.size;
            }
        }
        held
    }
}

impl World {
    /// Takes the venue's word for the contract's position, where nothing that is on its way could explain it.
    pub fn accept_venue(&mut self, to: Word) -> Done<()> {
        self.quote(false, 0)?;
        self.quote(true, 0)?;
        let of = self.truth.instruments[0].clone();
        let has_past = self.truth.asked.values().any(|asked| asked.outcome.as_ref().is_some_and(|it| !it.refused));
        let in_doubt = self.truth.open().into_iter().any(|id| {
            let unanswered = self.truth.outcome(id).is_some_and(|order| order.status < OrderStatus::Accepted);
            let here = self.truth.asked[&id].request.instrument == of.id;
            unanswered && here && !self.truth.memory.unsent.contains_key(&id)
        });
        let from = self.truth.position(of.id).0;
        let size = match to {
            Word::Nothing => 0,
            Word::Half => from / 2,
            Word::More(more) => from + i64::from(more),
        };
        if !has_past || in_doubt || size == from || self.truth.memory.full || self.truth.memory.log_failed {
            self.cover.note("the venue's word cannot be taken yet");
            return Ok(());
        }
        let price = self.prices[&false];
        let look = self.shows(&of.symbol, Money::from(size) * decimals(of.size_decimals), price);
        self.look_at("a look", Maybe::Nothing, &look)?;
        self.look_at("a look that stands", Maybe::Differs, &look)?;
        self.truth.incident = true;
        self.done();
        self.compare("behind a difference")?;
        self.point("before the venue's word is taken")?;
        let (before, rows) = (self.life().router.sequence(), self.truth.rows.len());
        let losers = self.truth.holdings(of.id);
        // It comes down to single records, of which each may be the last: `gate/tests` cut them.
        let armed = self.armed.take();
        let accepted = self.call("the venue's word", Maybe::Nothing, |desk, router, now_ns| {
            desk.accept_venue(router, now_ns, "the test", None).map(drop).map_err(|error| error.to_string())
        })?;
        self.armed = armed;
        accepted.or_else(broken)?;
        let cost = of.notional(price, size).expect("small");
        self.truth.moves.push(Moved { behind: rows, instrument: of.id, size, cost });
        self.cover.note("the venue's word is taken");
        let holdings = self.truth.holdings(of.id);
        let lost = |who: &Name| losers.get(who).copied().unwrap_or(0) != holdings.get(who).copied().unwrap_or(0);
        let mut flattened = self.truth.memory.stopped.iter().filter(|(_, policy)| **policy == OnVanish::Flatten);
        if flattened.any(|(who, _)| lost(who)) {
            self.cover.note("a strategy that is flattened lost what it held");
        }
        self.resumed(before);
        self.done();
        self.watch_losses(true)?;
        self.point("behind the venue's word")
    }

    fn look_at(&mut self, place: &str, maybe: Maybe, look: &VenueLook) -> Done<()> {
        let taken = self.call(place, maybe, |desk, router, now_ns| {
            desk.begin_look(now_ns);
            desk.take_look(router, now_ns, look).map(drop).map_err(|error| error.to_string())
        })?;
        taken.or_else(broken)
    }

    /// A venue that has all of ours but the position.
    fn shows(&self, symbol: &Name, size: Money, price: i64) -> VenueLook {
        let entry_price = Some(Money::from(price) * decimals(self.truth.instruments[0].price_decimals));
        let position = VenuePosition { symbol: *symbol, size, entry_price };
        let fees = self.truth.rows.iter().map(|row| row.fee_currency);
        let currencies: BTreeSet<Name> = self.truth.opening.keys().copied().chain(fees).collect();
        let balances = currencies.into_iter().map(|currency| (currency, self.truth.total(currency))).collect();
        let state =
            VenueState { positions: vec![position], balances, ts_venue_ns: self.now_ns, ..VenueState::default() };
        VenueLook { state, ..VenueLook::default() }
    }
}

fn decimals(of: u8) -> Money {
    10_i128.pow(u32::from(MONEY_DECIMALS) - u32::from(of))
}
