//! How large an order may be that closes what a strategy left.
//!
//! Its *room* is what the account itself holds in that direction, less everything on that side that may still be executed:
//! orders that are open or being cancelled, approvals, and closings that were asked for and not judged yet. So closings
//! cannot turn the account over together, in whatever order they are executed, nor beside another strategy's order. It is
//! taken when a closing is asked for, and held against what is then when it is judged, when its approval is spent, and when
//! its bytes are about to leave: positions move by the venue's word, too.

use libra_kernel::Name;

use crate::account::base_amount;
use crate::instrument::{ContractKind, Instrument, Money};
use crate::order::{OrderRequest, OrderSide};
use crate::risk::{Rejection, RiskCode};

use super::Desk;

/// Why no order of a closing can be made now.
pub(super) enum NoSize {
    /// There would be one, did other orders, or other closings, not hold what it closes.
    Held(RiskCode),
    /// There would be one, had the market traded more of late, or we less.
    Share,
    /// There is none, and will be none.
    Never(&'static str),
}

/// A request that closes what a strategy left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub request_id: u128,
    /// When it was made, for the last time.
    pub at_ns: i64,
    pub instrument: Name,
    pub side: OrderSide,
    /// The largest that was asked for under this id.
    pub size: i64,
}

impl Desk {
    /// The next order's size: at most what is left, its room (`others` were asked for and not judged yet), what of the base
    /// is free, what one order may be, and what our share of the volume has room for.
    pub(super) fn closing_size(
        &self,
        now_ns: i64,
        instrument: Name,
        side: OrderSide,
        net: i128,
        others: &[Asked],
    ) -> Result<i64, NoSize> {
        let account = self.gate.account();
        let held = self.held_against(instrument, side);
        if held == 0 {
            let why = "the account as a whole holds nothing that way: another strategy's position is against it";
            return Err(NoSize::Never(why));
        }
        let Some(definition) = account.instrument(instrument) else { return Err(NoSize::Never("unknown instrument")) };
        let own = self.gate.limits().of(definition);
        let sells = side == OrderSide::Sell;
        let up_to = |left: i128, there: Option<i64>| {
            let size = left.min(i128::from(there.filter(|_| sells).unwrap_or(i64::MAX)));
            let size = i64::try_from(size).map_err(|_| NoSize::Never("the size does not fit"))?;
            let size = own.one_order(definition, self.last_price(instrument, side), size);
            let size = size / definition.lot_size.max(1) * definition.lot_size.max(1);
            Ok(Some(size).filter(|size| *size > 0 && *size >= definition.min_size))
        };
        let here = others.iter().filter(|asked| (asked.instrument, asked.side) == (instrument, side));
        let busy = self.open_on(instrument, side) + here.map(|asked| i128::from(asked.size)).sum::<i128>();
        let room = (held - busy).max(0);
        let free = account.sellable_beside(instrument, self.base_asked(definition, others));
        if let Some(size) = up_to(net.abs().min(room), free)? {
            let room = self.gate.volume_room(now_ns, instrument);
            return match room.filter(|room| *room < size) {
                Some(room) => self.within_share(definition, side, size, room).ok_or(NoSize::Share),
                None => Ok(size),
            };
        }
        let there = account.inventory(instrument);
        if up_to(net.abs().min(held), there)?.is_some() {
            let of_the_base = sells && definition.kind == ContractKind::Spot;
            return Err(NoSize::Held(if of_the_base { RiskCode::SpotInventory } else { RiskCode::PositionLimit }));
        }
        Err(NoSize::Never(match there {
            Some(there) if sells && net.abs() > i128::from(there) => {
                "what is left is not there to sell: the venue took fees of it"
            }
            _ => "what is left is less than the smallest order",
        }))
    }

    /// Why a closing that stands among what is open may not go on: it, and everything else on its side, could turn the
    /// account over, or it closes more than its strategy holds by now. `None` for what is no closing.
    pub(super) fn outgrown(&mut self, request: &OrderRequest) -> Option<Rejection> {
        if !self.is_flattening(request) {
            return None;
        }
        self.keep_ledger();
        let OrderRequest { strategy, instrument, side, .. } = *request;
        let (open, size) = (self.open_on(instrument, side), i128::from(request.size));
        let held = self.held_against(instrument, side);
        let left = (-self.portfolio.position(strategy, instrument) * i128::from(side.sign())).max(0);
        let (limit, value, why) = match () {
            () if open > held => (held, open, "with what is open it would turn the account over"),
            () if size > left => (left, size, "it closes more than its strategy holds"),
            () => return None,
        };
        let of = self.gate.account().instrument(instrument)?;
        let refused = Rejection::units(RiskCode::PositionLimit, limit, value, of.size_decimals, of.size_unit());
        Some(Rejection { detail: why.to_owned(), ..refused })
    }

    /// What the account itself holds that an order of this side closes.
    fn held_against(&self, instrument: Name, side: OrderSide) -> i128 {
        let position = self.gate.account().position(instrument).map_or(0, |position| i128::from(position.size));
        (-position * i128::from(side.sign())).max(0)
    }

    /// Everything of a side that is approved or not over.
    fn open_on(&self, instrument: Name, side: OrderSide) -> i128 {
        let (buys, sells) = self.gate.reserved(instrument).unwrap_or_default();
        i128::from(if side == OrderSide::Buy { buys } else { sells })
    }

    /// What closings that were asked for, of whichever instrument, sell of the base of this one.
    fn base_asked(&self, of: &Instrument, others: &[Asked]) -> Money {
        let account = self.gate.account();
        let sold = others.iter().filter(|asked| asked.side == OrderSide::Sell).filter_map(|asked| {
            let its = account.instrument(asked.instrument)?;
            let same = its.kind == ContractKind::Spot && its.base == of.base;
            if same { base_amount(its, asked.size) } else { None }
        });
        sold.fold(0, Money::saturating_add)
    }

    /// What a market order trades at, by the last quote.
    fn last_price(&self, instrument: Name, side: OrderSide) -> i64 {
        let market = self.gate.market(instrument).unwrap_or_default();
        if side == OrderSide::Buy { market.ask } else { market.bid }
    }

    /// What `room` leaves of a size that could be asked for: an order that is not too small, and leaves none that is.
    fn within_share(&self, instrument: &Instrument, side: OrderSide, size: i64, room: i64) -> Option<i64> {
        let price = self.last_price(instrument.id, side);
        let large_enough = |size: i64| {
            let worth = instrument.notional(price, size).filter(|_| price > 0);
            size > 0 && size >= instrument.min_size && worth.is_none_or(|worth| worth >= instrument.min_notional)
        };
        let lots = |size: i64| size / instrument.lot_size.max(1) * instrument.lot_size.max(1);
        let half = lots(size / 2).min(lots(room));
        let whole = Some(lots(room)).filter(|part| large_enough(size - part));
        whole.or(Some(half)).filter(|part| large_enough(*part))
    }
}
