//! How old the quotes are that everything held is valued at.
//!
//! An order is tested against its own instrument's quote, whose age is part of that test (`check_market`). Limits over all
//! instruments and loss limits take the last quotes of the others. Where `max_quote_age_ns` is set, an older one counts as
//! none: until it comes again orders may only reduce, and nothing is sized by the equity.
//!
//! No list of ages is kept. `oldest_mark_ns` is a bound below all of them: it falls with a quote that is older and with
//! whatever comes to be held or open, and rises when somebody looks at all. So a check costs one comparison, and only where
//! the bound is too old a look: as often, at most, as the oldest quote is another one.

use libra_kernel::Name;

use crate::instrument::Money;
use crate::order::OrderSide;
use crate::risk::check::{CLOCK_SKEW_NS, stale};
use crate::risk::{Rejection, RiskCode};

use super::Gate;
use super::state::State;

/// An instrument whose quote is too old, and by how much it is.
struct Aged {
    slot: usize,
    age_ns: i64,
}

impl State {
    /// A quote came. One of the future tells nothing about its age, so whoever asks has to look.
    #[inline]
    pub(super) fn see_quote(&mut self, ts_ns: i64, now_ns: i64) {
        if ts_ns.saturating_sub(now_ns) > CLOCK_SKEW_NS {
            self.oldest_mark_ns = i64::MIN;
        }
    }

    /// The instrument at `slot` was quoted, or something of it may have come to be held or open.
    #[inline]
    pub(super) fn see_mark(&mut self, slot: usize) {
        let desk = &self.desks[slot];
        if desk.mark.is_some() {
            self.oldest_mark_ns = self.oldest_mark_ns.min(desk.mark_ns);
        }
    }

    /// True when no mark can be older than `most_ns`.
    #[inline]
    fn has_young_marks(&self, now_ns: i64, most_ns: i64) -> bool {
        now_ns.saturating_sub(self.oldest_mark_ns) <= most_ns
    }

    /// Looks at every mark: the oldest that is too old, of what is held, or `open` as well, and settles in one currency.
    #[cold]
    fn look_at_marks(&mut self, now_ns: i64, most_ns: i64, settle: usize, open: bool) -> Option<Aged> {
        let (mut oldest_ns, mut worst) = (i64::MAX, None::<Aged>);
        for (slot, desk) in self.desks.iter().enumerate().filter(|(_, desk)| desk.mark.is_some()) {
            let held = self.account.position_at(slot).size != 0;
            let works = desk.open_buy != 0 || desk.open_sell != 0;
            if !held && !works {
                continue;
            }
            let age_ns = now_ns.saturating_sub(desk.mark_ns);
            let of_the_future = age_ns < -CLOCK_SKEW_NS;
            oldest_ns = oldest_ns.min(if of_the_future { i64::MIN } else { desk.mark_ns });
            let counts = (held || open && works) && self.account.currencies_at(slot).2 == settle;
            let too_old = age_ns > most_ns || of_the_future;
            if counts && too_old && worst.as_ref().is_none_or(|worst| age_ns > worst.age_ns) {
                worst = Some(Aged { slot, age_ns });
            }
        }
        self.oldest_mark_ns = oldest_ns;
        worst
    }
}

impl Gate {
    /// The refusal of an order that could increase a position while something that a limit is measured by is not known: a
    /// position without a quote, under a loss limit; or one with a quote that is too old, under that or a limit over all
    /// instruments, for which what is open counts too.
    #[inline]
    pub(super) fn refuses_unmeasured(
        &mut self,
        now_ns: i64,
        slot: usize,
        side: OrderSide,
        size: i64,
    ) -> Option<Rejection> {
        let losses = self.limits_losses();
        let young = match self.limits.max_quote_age_ns {
            Some(most_ns) if losses || self.state.tracks_exposures => self.state.has_young_marks(now_ns, most_ns),
            _ => true,
        };
        let (_, _, settle) = self.state.account.currencies_at(slot);
        let marked = !losses || self.state.account.unmarked(settle) == 0;
        if young && marked { None } else { self.why_unmeasured(now_ns, settle, (slot, side, size), marked) }
    }

    #[cold]
    fn why_unmeasured(
        &mut self,
        now_ns: i64,
        settle: usize,
        (slot, side, size): (usize, OrderSide, i64),
        marked: bool,
    ) -> Option<Rejection> {
        if self.reduces(slot, side, size) {
            return None;
        }
        if !marked {
            let account = &self.state.account;
            let (unmarked, currency) = (account.unmarked(settle), account.balances()[settle].currency);
            let detail = format!("{unmarked} open positions of {currency} without a quote: its loss is not known");
            return Some(Rejection::new(RiskCode::NoMarket, detail));
        }
        let most_ns = self.limits.max_quote_age_ns?;
        let aged = self.state.look_at_marks(now_ns, most_ns, settle, self.state.tracks_exposures)?;
        let symbol = self.state.account.instrument_at(aged.slot).symbol;
        let detail = format!("{symbol}, which is held or has open orders, is valued at it");
        Some(Rejection { detail, ..stale(most_ns, aged.age_ns) })
    }

    /// Equity of a currency to decide by: `None` while an open position that settles in it has no quote of this process, or
    /// one that is too old.
    pub fn known_equity(&mut self, now_ns: i64, currency: Name) -> Option<Money> {
        let settle = self.state.account.balances().iter().position(|balance| balance.currency == currency)?;
        if let Some(most_ns) = self.limits.max_quote_age_ns
            && !self.state.has_young_marks(now_ns, most_ns)
            && self.state.look_at_marks(now_ns, most_ns, settle, false).is_some()
        {
            return None;
        }
        self.state.account.known_equity(currency)
    }
}
