//! What an account could come to hold of all instruments of a settle currency together, worth at the last quotes.
//!
//! Of each instrument two ends are known: everything open on the buy side filled and nothing on the sell side, and the
//! reverse. What is held long is worth the ask, what is held short costs the ask, and what only offsets counts at the bid:
//! each sum is the worst that can come. With `long` and `short` the signed worths of the two ends,
//!
//! ```text
//! gross of an instrument = max(long, -short, 0)        gross = sum of these
//! net long = sum of long        net short = sum of -short
//! ```
//!
//! The sums are kept up to date by what changes: a quote, a reservation, a fill. So a check adds one order to them,
//! however many instruments there are.

use crate::account::is_buy;
use crate::instrument::{Instrument, MONEY_DECIMALS, Money, Scale};
use crate::order::{OrderRequest, OrderSide};

use super::check::{Checks, Exposure, Market, refuse};
use super::code::{Rejection, RiskCode, with_unit};
use super::limits::{InstrumentLimits, RiskLimits};
use super::times::passes_share;

/// The worst worths of one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worth {
    /// Everything bought that could be: below zero when that is still short.
    pub long: Money,
    /// Everything sold that could be.
    pub short: Money,
}

impl Worth {
    /// Of a position with sizes open either way, by its instrument's scale; `None` when there is something and no market to value it, or when it
    /// does not fit.
    #[inline]
    pub(crate) fn of(
        scale: Option<Scale>,
        market: Option<(i64, i64)>,
        position: i64,
        open_buy: i64,
        open_sell: i64,
    ) -> Option<Worth> {
        let (up, down) = (position.checked_add(open_buy)?, position.checked_sub(open_sell)?);
        if up == 0 && down == 0 {
            return Some(Worth::default());
        }
        let (market, scale) = (market?, scale?);
        Some(Worth { long: long_end(scale, market, up)?, short: short_end(scale, market, down)? })
    }

    /// The larger of the two ends, whatever its side.
    #[inline]
    pub fn gross(self) -> Money {
        self.long.max(-self.short).max(0)
    }
}

/// What the position is worth with everything bought.
#[inline]
fn long_end(scale: Scale, (bid, ask): (i64, i64), up: i64) -> Option<Money> {
    scale.notional(if up > 0 { ask } else { bid }, up)
}

/// What it is worth with everything sold.
#[inline]
fn short_end(scale: Scale, (bid, ask): (i64, i64), down: i64) -> Option<Money> {
    scale.notional(if down < 0 { ask } else { bid }, down)
}

/// Sums over all instruments of a settle currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Of every instrument's gross worth.
    pub gross: Money,
    /// Of every instrument's long end.
    pub long: Money,
    /// Of every instrument's short end.
    pub short: Money,
    /// Instruments whose worth is not known; nothing can be said about the sums while there is one.
    pub unknown: u32,
}

impl Sums {
    /// Replaces an instrument's worth by another. `None`, and nothing changed, when a sum does not fit.
    #[inline]
    pub fn replace(&mut self, old: Option<Worth>, new: Option<Worth>) -> Option<()> {
        let (was, is) = (old.unwrap_or_default(), new.unwrap_or_default());
        let gross = self.gross.checked_sub(was.gross())?.checked_add(is.gross())?;
        let long = self.long.checked_sub(was.long)?.checked_add(is.long)?;
        let short = self.short.checked_sub(was.short)?.checked_add(is.short)?;
        let unknown = self.unknown - u32::from(old.is_none()) + u32::from(new.is_none());
        *self = Sums { gross, long, short, unknown };
        Some(())
    }
}

/// What the limits over all instruments are tested against.
#[derive(Clone, Copy, Debug)]
pub struct Portfolio<'a> {
    /// Over all instruments of the settle currency.
    pub sums: &'a Sums,
    /// Of the order's own instrument, before the order.
    pub own: Option<Worth>,
    /// The settle currency's equity.
    pub equity: Option<Money>,
}

/// What an order that passed makes of the worths, once it is reserved: the end that it moves, a buy the long one, and no
/// other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct After {
    /// False where no limit asks for the sums: nothing of the rest is known then.
    pub is_known: bool,
    /// That end of its own instrument.
    pub end: Money,
    /// The sum of that end over all instruments of the settle currency.
    pub sum: Money,
    /// The sum of their gross worths.
    pub gross: Money,
}

/// Tests the limits over all instruments, where there are any. An order that makes an exposure no larger passes, whatever the limit.
#[inline(always)]
pub(crate) fn check_portfolio(
    request: &OrderRequest,
    instrument: &Instrument,
    market: Market,
    scale: Scale,
    exposure: &Exposure<'_>,
    (limits, own_limits): (&RiskLimits, &InstrumentLimits),
    after: &mut After,
) -> Checks {
    let Some(portfolio) = &exposure.portfolio else { return Ok(()) };
    let currency = || instrument.settle.as_str();
    let Some(own) = portfolio.own.filter(|_| portfolio.sums.unknown == 0) else {
        let detail = format!("{} open instruments of {} without a quote", portfolio.sums.unknown, currency());
        return refuse(Rejection::new(RiskCode::NoMarket, detail));
    };
    let overflow = || Box::new(Rejection::new(RiskCode::Overflow, "the exposure of all instruments"));
    let (quote, sums) = ((market.bid, market.ask), portfolio.sums);
    let Exposure { position: held, open_buy, open_sell, .. } = *exposure;
    // The other end is what it was: it is valued at this very quote.
    let (end, was, sum, other, rest) = if is_buy(request.side) {
        let up = open_buy.checked_add(request.size).and_then(|open| held.checked_add(open));
        let end = up.and_then(|up| long_end(scale, quote, up)).ok_or_else(overflow)?;
        (end, own.long, sums.long, own.short, sums.short)
    } else {
        let down = open_sell.checked_add(request.size).and_then(|open| held.checked_sub(open));
        let end = down.and_then(|down| short_end(scale, quote, down)).ok_or_else(overflow)?;
        (end, own.short, sums.short, own.long, sums.long)
    };
    // `Worth::gross` with this end as it was and as it is: what the other end makes of it stays.
    let (gross_before, gross_after) = if is_buy(request.side) {
        let least = (-other).max(0);
        (least.max(was), least.max(end))
    } else {
        let least = other.max(0);
        (least.max(-was), least.max(-end))
    };
    // As `Sums::replace` has it: the sum of the others has to fit on either side.
    rest.checked_sub(other).ok_or_else(overflow)?;
    let replace = |sum: Money, was, is| sum.checked_sub(was)?.checked_add(is);
    let sum = replace(sum, was, end).ok_or_else(overflow)?;
    let gross = replace(sums.gross, gross_before, gross_after).ok_or_else(overflow)?;
    (after.is_known, after.end, after.sum, after.gross) = (true, end, sum, gross);

    let net = if request.side == OrderSide::Buy { sum } else { -sum };
    if let Some(most) = limits.max_net_exposure
        && net > most
    {
        return refuse(Rejection::money(RiskCode::NetExposureLimit, most, net, currency()));
    }
    // Whatever the order's side: what is open the other way may be the larger end still.
    if gross_after <= gross_before {
        return Ok(());
    }
    if let Some(most) = limits.max_gross_exposure
        && gross > most
    {
        return refuse(Rejection::money(RiskCode::GrossExposureLimit, most, gross, currency()));
    }
    if let Some(bps) = limits.max_leverage_bps {
        let equity = portfolio.equity.ok_or_else(overflow)?;
        if passes_share(gross, bps, equity).ok_or_else(overflow)? {
            return refuse(against_equity(RiskCode::LeverageLimit, bps, (4, "x"), gross, equity, currency()));
        }
    }
    if let Some(bps) = own_limits.max_concentration_bps {
        let equity = portfolio.equity.ok_or_else(overflow)?;
        if passes_share(gross_after, bps, equity).ok_or_else(overflow)? {
            return refuse(against_equity(
                RiskCode::ConcentrationLimit,
                bps,
                (2, "%"),
                gross_after,
                equity,
                currency(),
            ));
        }
    }
    Ok(())
}

/// The refusal of `amount` against a share of the equity; the value is rounded up, so that it is above its limit.
#[cold]
fn against_equity(
    code: RiskCode,
    bps: u32,
    (decimals, unit): (u8, &str),
    amount: Money,
    equity: Money,
    currency: &str,
) -> Rejection {
    let ratio = if equity > 0 { amount.checked_mul(10_000).map(|scaled| (scaled - 1) / equity + 1) } else { None };
    let money = |amount| with_unit(amount, MONEY_DECIMALS, currency);
    Rejection {
        code,
        limit: with_unit(bps.into(), decimals, unit),
        value: ratio.map_or_else(|| "no equity".to_owned(), |ratio| with_unit(ratio, decimals, unit)),
        detail: format!("{} on an equity of {}", money(amount), money(equity)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instrument::tests::btc;

    #[test]
    fn the_worse_end_is_the_gross_worth() {
        let of = |position, buy, sell| Worth::of(btc().scale(), Some((100, 110)), position, buy, sell).unwrap();
        let worth = |price, size| btc().notional(price, size).unwrap();
        assert_eq!(of(0, 0, 0), Worth::default());
        assert_eq!(of(10, 5, 3), Worth { long: worth(110, 15), short: worth(100, 7) });
        assert_eq!(of(10, 5, 3).gross(), worth(110, 15));
        assert_eq!(of(-10, 5, 3), Worth { long: worth(100, -5), short: worth(110, -13) });
        assert_eq!(of(-10, 5, 3).gross(), worth(110, 13));
        assert_eq!(of(2, 0, 9).gross(), worth(110, 7));
        assert_eq!(Worth::of(btc().scale(), None, 0, 0, 0), Some(Worth::default()), "nothing is worth nothing");
        assert_eq!(Worth::of(btc().scale(), None, 1, 0, 0), None);
        assert_eq!(Worth::of(btc().scale(), Some((100, 110)), i64::MAX, 1, 0), None);
    }
}
