//! What a venue checks before it looks at an order: the instrument's steps and limits.

use libra_kernel::fixed::format_units;

use crate::instrument::{ContractKind, Instrument, MONEY_DECIMALS};
use crate::order::{OrderRequest, OrderType};

/// Why the venue refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) detail: String,
}

impl Refusal {
    pub(super) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Refusal { code, detail: detail.into() }
    }
}

/// Whether the instrument trades here at all.
pub(super) fn check_instrument(instrument: &Instrument) -> Result<(), Refusal> {
    if !instrument.tradable {
        return Err(Refusal::new("NOT_TRADABLE", format!("{}: market data only", instrument.id)));
    }
    if instrument.kind == ContractKind::Inverse {
        return Err(Refusal::new("UNSUPPORTED_CONTRACT", format!("{}: inverse contracts do not trade", instrument.id)));
    }
    instrument.validate().map_err(|error| Refusal::new("BAD_INSTRUMENT", error.to_string()))
}

/// Whether size and price keep the instrument's steps and limits. `reference` is the price that a market order's value
/// is taken at.
pub(super) fn check_order(instrument: &Instrument, request: &OrderRequest, reference: i64) -> Result<(), Refusal> {
    let size = request.size;
    let of = |value: i64| format_units(i128::from(value), instrument.size_decimals);
    if size <= 0 {
        return Err(Refusal::new("INVALID_SIZE", format!("size {} is not above zero", of(size))));
    }
    if size % instrument.lot_size != 0 {
        return Err(Refusal::new(
            "LOT_SIZE",
            format!("size {} is no multiple of {}", of(size), of(instrument.lot_size)),
        ));
    }
    if size < instrument.min_size {
        return Err(Refusal::new("MIN_SIZE", format!("size {} is below {}", of(size), of(instrument.min_size))));
    }
    if size > instrument.max_size {
        return Err(Refusal::new("MAX_SIZE", format!("size {} is above {}", of(size), of(instrument.max_size))));
    }
    let of = |value: i64| format_units(i128::from(value), instrument.price_decimals);
    let price = match request.order_type {
        OrderType::Market => reference,
        OrderType::Limit => {
            if request.price <= 0 {
                return Err(Refusal::new("INVALID_PRICE", format!("price {} is not above zero", of(request.price))));
            }
            if request.price % instrument.tick_size != 0 {
                let (price, tick) = (of(request.price), of(instrument.tick_size));
                return Err(Refusal::new("TICK_SIZE", format!("price {price} is no multiple of {tick}")));
            }
            request.price
        }
    };
    let Some(notional) = instrument.notional(price, size) else {
        return Err(Refusal::new("OVERFLOW", "the value of the order does not fit"));
    };
    if notional < instrument.min_notional {
        let of = |money| format_units(money, MONEY_DECIMALS);
        let (value, least) = (of(notional), of(instrument.min_notional));
        return Err(Refusal::new("MIN_NOTIONAL", format!("value {value} is below {least}")));
    }
    Ok(())
}
