//! The checks of one order against its instrument, the market, the limits and the account's exposure.
//!
//! Exposure is the worst case: the position, and every order and approval on the order's side filled whole. The first
//! rule that an order breaks names the refusal.

use libra_kernel::fixed::format_units;

use crate::account::{base_amount, is_buy};
use crate::instrument::{ContractKind, Instrument, Money, Scale};
use crate::order::{OrderRequest, OrderType, TimeInForce};

use super::code::{Rejection, RiskCode, with_unit};
use super::exposure::{After, Portfolio, check_portfolio};
use super::limits::{InstrumentLimits, RiskLimits};
use super::parts::Parts;
use super::times::times;

/// A quote's time may be ahead of the clock by so much, not more.
pub(crate) const CLOCK_SKEW_NS: i64 = 1_000_000_000;

/// The market that an order is checked against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Market {
    /// Best bid in price units, 0 when there is none.
    pub bid: i64,
    /// Best ask.
    pub ask: i64,
    /// When it was received.
    pub ts_ns: i64,
}

/// What the account could come to hold of an instrument.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exposure<'a> {
    /// What makes money of it; `None` for an instrument that has none.
    pub(crate) scale: Option<Scale>,
    /// The position.
    pub position: i64,
    /// Sizes of all buys that are approved or not final.
    pub open_buy: i64,
    /// Sizes of all such sells.
    pub open_sell: i64,
    /// Base currency that is free.
    pub free_base: Money,
    /// Quote currency that is free.
    pub free_quote: Money,
    /// Orders of the account that are approved or not final, by strategy, and those of this instrument among them.
    pub orders: Option<(&'a Parts, &'a Parts)>,
    /// The place of the order's strategy in both.
    pub place: usize,
    /// What the market traded within the window, and what we did; `None` where no limit asks for it.
    pub volume: Option<(i128, i128)>,
    /// All instruments together; `None` where no limit asks for it.
    pub portfolio: Option<Portfolio<'a>>,
}

/// What an approved order sets aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// The price that a spot buy is held at.
    pub hold_price: i64,
    /// What is held: quote currency of a spot buy, base currency of a spot sell, nothing for a contract.
    pub held: Money,
}

/// What an order that passes comes to: made in its caller's place, as a value that is handed on from hand to hand, with
/// its 128-bit numbers, costs more than the checks that made it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Passed {
    /// What it sets aside.
    pub checked: Checked,
    /// What it makes of the sums over all instruments.
    pub after: After,
}

/// A refusal is boxed from where it is made: what passes is then all that a check hands on.
pub(crate) type Checks<T = ()> = Result<T, Box<Rejection>>;

#[cold]
pub(crate) fn refuse<T>(why: Rejection) -> Checks<T> {
    Err(Box::new(why))
}

/// All rules about one order that depend on nothing but these arguments.
#[inline(always)]
pub(crate) fn check(
    now_ns: i64,
    request: &OrderRequest,
    instrument: &Instrument,
    market: Market,
    exposure: &Exposure<'_>,
    (limits, own): (&RiskLimits, &InstrumentLimits),
    passed: &mut Passed,
) -> Checks {
    check_form(request, instrument, own)?;
    check_market(now_ns, request, instrument, market, limits)?;
    let scale = exposure.scale.ok_or_else(|| overflow("the order's notional"))?;
    check_worth(request, instrument, market, scale, own)?;
    check_exposure(request, instrument, market, scale, exposure, own)?;
    check_portfolio(request, instrument, market, scale, exposure, (limits, own), &mut passed.after)?;
    check_volume(request, instrument, exposure, own)?;
    check_funds(request, instrument, market, exposure, limits, &mut passed.checked)
}

#[inline(always)]
fn check_form(request: &OrderRequest, instrument: &Instrument, own: &InstrumentLimits) -> Checks {
    if !instrument.tradable || instrument.kind == ContractKind::Inverse {
        return refuse(Rejection::new(RiskCode::NotTradable, instrument.symbol.as_str()));
    }
    let decimals = instrument.size_decimals;
    let size = i128::from(request.size);
    if request.size <= 0 {
        return refuse(Rejection::new(RiskCode::InvalidOrder, "the size has to be above zero"));
    }
    match request.order_type {
        OrderType::Limit if request.price <= 0 => {
            return refuse(Rejection::new(RiskCode::InvalidOrder, "a limit order needs a price above zero"));
        }
        OrderType::Market if request.price != 0 => {
            return refuse(Rejection::new(RiskCode::InvalidOrder, "a market order has no price"));
        }
        OrderType::Market if request.time_in_force == TimeInForce::PostOnly => {
            return refuse(Rejection::new(RiskCode::InvalidOrder, "a market order cannot rest"));
        }
        _ => {}
    }
    if request.size < instrument.min_size {
        return refuse(Rejection::units(
            RiskCode::MinSize,
            instrument.min_size.into(),
            size,
            decimals,
            instrument.size_unit(),
        ));
    }
    if request.size % instrument.lot_size != 0 {
        return refuse(Rejection::units(
            RiskCode::LotSize,
            instrument.lot_size.into(),
            size,
            decimals,
            instrument.size_unit(),
        ));
    }
    let most = own.max_order_size.map_or(instrument.max_size, |limit| limit.min(instrument.max_size));
    if request.size > most {
        return refuse(Rejection::units(RiskCode::OrderSizeLimit, most.into(), size, decimals, instrument.size_unit()));
    }
    if request.price % instrument.tick_size != 0 {
        let (tick, price) = (instrument.tick_size.into(), request.price.into());
        let quote = instrument.quote.as_str();
        return refuse(Rejection::units(RiskCode::TickSize, tick, price, instrument.price_decimals, quote));
    }
    Ok(())
}

#[inline(always)]
fn check_market(
    now_ns: i64,
    request: &OrderRequest,
    instrument: &Instrument,
    market: Market,
    limits: &RiskLimits,
) -> Checks {
    if market.bid <= 0 || market.ask <= 0 || market.bid > market.ask {
        return refuse(Rejection::new(RiskCode::NoMarket, instrument.symbol.as_str()));
    }
    if let Some(most) = limits.max_quote_age_ns {
        let age = now_ns.saturating_sub(market.ts_ns);
        // A quote of the future tells nothing about its age: its source's clock, or ours, is wrong.
        if age > most || age < -CLOCK_SKEW_NS {
            return refuse(stale(most, age));
        }
    }
    if let Some(collar) = limits.price_collar_bps {
        // A market order is held against the collar by the price that it would trade at: half of the spread.
        let price =
            if request.order_type == OrderType::Limit { request.price } else { reference_price(request, market) };
        // Against twice the middle, so that the middle of an odd spread is exact. All three prices are above zero, so twice
        // of one fits 64 bits without a sign.
        let middle = market.bid as u64 + market.ask as u64;
        let distance = (2 * price as u64).abs_diff(middle);
        if u128::from(distance) * 10_000 > u128::from(collar) * u128::from(middle) {
            let (distance, middle) = (i128::from(distance), i128::from(middle));
            // Rounded up, so that it is above its limit.
            let value = (distance * 1_000_000 - 1) / middle + 1;
            return refuse(Rejection::limit(
                RiskCode::PriceCollar,
                with_unit(collar.into(), 2, "%"),
                with_unit(value, 4, "%"),
            ));
        }
    }
    Ok(())
}

/// The refusal for a quote of that age.
#[cold]
pub(crate) fn stale(most_ns: i64, age_ns: i64) -> Rejection {
    Rejection::limit(RiskCode::StaleMarket, with_unit(most_ns.into(), 9, "s"), with_unit(age_ns.into(), 9, "s"))
}

/// The price that the order is valued at: the worst that it can trade at, as far as the market tells.
#[inline]
fn reference_price(request: &OrderRequest, market: Market) -> i64 {
    match (request.order_type, is_buy(request.side)) {
        (OrderType::Limit, true) => request.price,
        (OrderType::Limit, false) => request.price.max(market.bid),
        (OrderType::Market, true) => market.ask,
        (OrderType::Market, false) => market.bid,
    }
}

#[cold]
fn overflow(what: &str) -> Box<Rejection> {
    Box::new(Rejection::new(RiskCode::Overflow, what))
}

#[inline(always)]
fn check_worth(
    request: &OrderRequest,
    instrument: &Instrument,
    market: Market,
    scale: Scale,
    own: &InstrumentLimits,
) -> Checks {
    let reference = reference_price(request, market);
    let notional = scale.notional(reference, request.size).ok_or_else(|| overflow("the order's notional"))?;
    let least_price = if request.order_type == OrderType::Limit { request.price } else { reference };
    let least = match least_price == reference {
        true => notional,
        false => scale.notional(least_price, request.size).ok_or_else(|| overflow("the order's notional"))?,
    };
    if least < instrument.min_notional {
        let quote = instrument.quote.as_str();
        return refuse(Rejection::money(RiskCode::MinNotional, instrument.min_notional, least, quote));
    }
    match own.max_order_notional {
        Some(most) if notional > most => {
            refuse(Rejection::money(RiskCode::OrderNotionalLimit, most, notional, instrument.quote.as_str()))
        }
        _ => Ok(()),
    }
}

#[inline(always)]
fn check_exposure(
    request: &OrderRequest,
    instrument: &Instrument,
    market: Market,
    scale: Scale,
    exposure: &Exposure<'_>,
    own: &InstrumentLimits,
) -> Checks {
    if let Some((all, of_instrument)) = exposure.orders
        && !(all.has_room(exposure.place) && of_instrument.has_room(exposure.place))
    {
        // No reference to what is on the stack, here as in all that is cold: it would have to be written there each time.
        let (held, open) = match is_buy(request.side) {
            true => (exposure.position.into(), exposure.open_buy),
            false => (-i128::from(exposure.position), exposure.open_sell),
        };
        check_crowded(held + i128::from(request.size), open, exposure.place, all, of_instrument)?;
    }
    // In the order's direction: a sell that could only shrink a long comes out below zero and passes.
    let worst = if is_buy(request.side) {
        exposure.position.checked_add(exposure.open_buy)
    } else {
        exposure.position.checked_neg().and_then(|short| short.checked_add(exposure.open_sell))
    };
    let worst = worst.and_then(|open| open.checked_add(request.size)).ok_or_else(|| overflow("the position"))?;
    if let Some(most) = own.max_position
        && worst > most
    {
        let decimals = instrument.size_decimals;
        return refuse(Rejection::units(
            RiskCode::PositionLimit,
            most.into(),
            worst.into(),
            decimals,
            instrument.size_unit(),
        ));
    }
    if let Some(most) = own.max_position_notional
        && worst > 0
    {
        let price = reference_price(request, market);
        let worth = scale.notional(price, worst).ok_or_else(|| overflow("the position's notional"))?;
        if worth > most {
            let quote = instrument.quote.as_str();
            return refuse(Rejection::money(RiskCode::PositionNotionalLimit, most, worth, quote));
        }
    }
    Ok(())
}

/// Where the limits on numbers of open orders have no room left: an order that only reduces gets out of the market, and that
/// must not wait for resting orders, its own strategy's or others', to go.
///
/// It is bounded twice: no more reduces than there is position, and beyond its part and the rest a strategy has open at most
/// twice the limit. So one that dices its position into the smallest lots does not fill the venue's own count, and takes
/// nobody's room but its own. A strategy that has nothing open may always close, whatever others have open that way: it is one
/// order a strategy. `alone` is the position with this order filled, in its direction, and `open` what is open beside it.
#[cold]
fn check_crowded(alone: i128, open: i64, place: usize, all: &Parts, of_instrument: &Parts) -> Checks {
    let worst = alone + i128::from(open);
    let reduces = worst <= 0 || (alone <= 0 && all.of(place) == 0);
    all.check(place, reduces, RiskCode::OpenOrdersLimit)?;
    of_instrument.check(place, reduces, RiskCode::InstrumentOrdersLimit)?;
    Ok(())
}

/// Our share of the traded volume: what we executed within the window, what is open, and the order. An order that takes
/// risk away counts as any other: the market has to bear it all the same.
#[inline(always)]
fn check_volume(
    request: &OrderRequest,
    instrument: &Instrument,
    exposure: &Exposure<'_>,
    own: &InstrumentLimits,
) -> Checks {
    let Some(bps) = own.max_participation_bps else { return Ok(()) };
    let Some((market, executed)) = exposure.volume.filter(|(market, _)| *market > 0) else {
        let limit = with_unit(bps.into(), 2, "%");
        return refuse(Rejection::limit(RiskCode::NoVolume, limit, format!("0 {} traded", instrument.size_unit())));
    };
    let ours = executed + i128::from(exposure.open_buy) + i128::from(exposure.open_sell) + i128::from(request.size);
    if let (Ok(few), Ok(all)) = (i64::try_from(ours), i64::try_from(market))
        && i128::from(few) * 10_000 <= i128::from(all) * i128::from(bps)
    {
        return Ok(());
    }
    let (scaled, most) = (times(ours, 10_000), times(market, bps));
    let (Some(scaled), Some(most)) = (scaled, most) else { return Err(overflow("the traded volume")) };
    if scaled <= most {
        return Ok(());
    }
    let size = |units| format!("{} {}", format_units(units, instrument.size_decimals), instrument.size_unit());
    refuse(Rejection {
        code: RiskCode::ParticipationLimit,
        limit: with_unit(bps.into(), 2, "%"),
        value: with_unit((scaled - 1) / market + 1, 2, "%"),
        detail: format!("{} of {}", size(ours), size(market)),
    })
}

/// The largest order that [`check`] lets pass for its share of a `volume`: the market's, and what we executed of it.
pub(crate) fn volume_room(bps: u32, volume: (i128, i128), open_buy: i64, open_sell: i64) -> i64 {
    let (market, executed) = volume;
    let ours = executed + i128::from(open_buy) + i128::from(open_sell);
    // A volume that does not fit has room for none.
    let most = times(market, bps).map_or(0, |scaled| scaled / 10_000);
    i64::try_from((most - ours).max(0)).unwrap_or(i64::MAX)
}

#[inline(always)]
fn check_funds(
    request: &OrderRequest,
    instrument: &Instrument,
    market: Market,
    exposure: &Exposure<'_>,
    limits: &RiskLimits,
    checked: &mut Checked,
) -> Checks {
    let mut hold_price = reference_price(request, market);
    if instrument.kind != ContractKind::Spot {
        checked.hold_price = hold_price;
        return Ok(());
    }
    if let (OrderType::Market, Some(collar)) = (request.order_type, limits.price_collar_bps) {
        let slack = i128::from(hold_price) * i128::from(collar) / 10_000;
        let price = i128::from(hold_price) + slack;
        hold_price = i64::try_from(price).map_err(|_| overflow("the price"))?;
    }
    let buy = is_buy(request.side);
    let held = hold(instrument, buy, hold_price, request.size).ok_or_else(|| overflow("what the order costs"))?;
    if limits.spot_inventory {
        let (free, code, currency) = if buy {
            (exposure.free_quote, RiskCode::InsufficientBalance, instrument.quote)
        } else {
            (exposure.free_base, RiskCode::SpotInventory, instrument.base)
        };
        if held > free {
            return refuse(Rejection::money(code, free, held, currency.as_str()));
        }
    }
    (checked.hold_price, checked.held) = (hold_price, held);
    Ok(())
}

/// What an order with `remaining` to go holds: notional and taker fee in quote currency for a spot buy, the size in base
/// currency for a spot sell, nothing for a contract.
pub(crate) fn hold(instrument: &Instrument, buy: bool, price: i64, remaining: i64) -> Option<Money> {
    match (instrument.kind, buy) {
        (ContractKind::Spot, true) => {
            let notional = instrument.notional(price, remaining)?;
            notional.checked_add(instrument.fee(notional, instrument.taker_fee.max(0))?)
        }
        (ContractKind::Spot, false) => base_amount(instrument, remaining),
        _ => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use libra_kernel::Name;

    use super::*;
    use crate::instrument::tests::btc;
    use crate::order::OrderSide;

    #[test]
    fn a_quote_of_the_future_is_stale() {
        const NOW_NS: i64 = 1_700_000_000_000_000_000;
        let name = Name::intern("test");
        let request = OrderRequest {
            request_id: 1,
            signal_id: 0,
            account: name,
            strategy: name,
            instrument: btc().id,
            side: OrderSide::Buy,
            order_type: OrderType::Market,
            time_in_force: TimeInForce::Ioc,
            size: 10,
            price: 0,
            deadline_ns: 0,
            ts_origin_ns: 0,
        };
        let limits = RiskLimits { max_quote_age_ns: Some(5 * CLOCK_SKEW_NS), ..RiskLimits::default() };
        let outcome = |ahead_ns: i64| {
            let market = Market { bid: 100, ask: 110, ts_ns: NOW_NS.saturating_add(ahead_ns) };
            check_market(NOW_NS, &request, &btc(), market, &limits).map_err(|refused| refused.code)
        };
        assert_eq!(outcome(CLOCK_SKEW_NS), Ok(()));
        for ahead_ns in [CLOCK_SKEW_NS + 1, 1_800 * CLOCK_SKEW_NS, i64::MAX, -5 * CLOCK_SKEW_NS - 1] {
            assert_eq!(outcome(ahead_ns), Err(RiskCode::StaleMarket), "{ahead_ns}");
        }
        assert_eq!(outcome(-5 * CLOCK_SKEW_NS), Ok(()));
    }
}
