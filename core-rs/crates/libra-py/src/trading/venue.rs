//! What a gateway's look at its venue says, from the frozen dataclasses of `libra.gateways.protocol` to the account's units.

use libra_kernel::Name;
use libra_trading::account::Account;
use libra_trading::instrument::{Instrument, MONEY_DECIMALS, Money};
use libra_trading::order::{ClientOrderId, Liquidity, OrderSide, OrderType};
use libra_trading::reconcile::{FlowKind, VenueExecution, VenueFlow, VenueLook, VenueOrder, VenuePosition, VenueState};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::enums::{LIQUIDITY, TYPES, of, side};
use crate::decimal;

/// A look, read in the units of the account's instruments.
pub fn look(
    account: &Account,
    orders: &[Bound<'_, PyAny>],
    executions: &[Bound<'_, PyAny>],
    flows: &[Bound<'_, PyAny>],
    state: &Bound<'_, PyAny>,
) -> PyResult<VenueLook> {
    Ok(VenueLook {
        orders: orders.iter().map(|row| order(account, row)).collect::<PyResult<_>>()?,
        executions: executions.iter().map(|row| execution(account, row)).collect::<PyResult<_>>()?,
        flows: flows.iter().map(flow).collect::<PyResult<_>>()?,
        state: venue_state(state)?,
    })
}

fn instrument_of(account: &Account, symbol: Name) -> Option<&Instrument> {
    account.instruments().find(|instrument| instrument.symbol == symbol)
}

fn text(row: &Bound<'_, PyAny>, field: &str) -> PyResult<String> {
    row.getattr(field)?.extract()
}

fn name(row: &Bound<'_, PyAny>, field: &str) -> PyResult<Name> {
    Ok(Name::intern(&text(row, field)?))
}

fn own_id(row: &Bound<'_, PyAny>) -> PyResult<Option<ClientOrderId>> {
    Ok(row.getattr("client_order_id")?.extract::<Option<String>>()?.as_deref().and_then(ClientOrderId::parse))
}

fn money(row: &Bound<'_, PyAny>, field: &str) -> PyResult<Money> {
    decimal::wide_units_of(field, &row.getattr(field)?, MONEY_DECIMALS)
}

fn side_of(row: &Bound<'_, PyAny>) -> PyResult<OrderSide> {
    side(row.py(), &text(row, "side")?)
}

fn units(row: &Bound<'_, PyAny>, field: &str, decimals: u8) -> PyResult<i64> {
    let value = row.getattr(field)?;
    if value.is_none() { Ok(0) } else { decimal::units_of(field, &value, decimals) }
}

fn order(account: &Account, row: &Bound<'_, PyAny>) -> PyResult<VenueOrder> {
    let symbol = name(row, "symbol")?;
    let client_order_id = own_id(row)?;
    // What bears no id of ours may be ours by the venue's, or have any decimals: a number that does not fit is nothing.
    let instrument = instrument_of(account, symbol);
    let amount = |field, decimals: fn(&Instrument) -> u8| {
        let read = instrument.map_or(Ok(0), |instrument| units(row, field, decimals(instrument)));
        if client_order_id.is_some() { read } else { Ok(read.unwrap_or(0)) }
    };
    let types = [OrderType::Market, OrderType::Limit];
    Ok(VenueOrder {
        client_order_id,
        venue_order_id: text(row, "venue_order_id")?,
        symbol,
        instrument: instrument.map(|instrument| instrument.id),
        side: side_of(row)?,
        order_type: types[of(&TYPES, row.py()).index("type", &text(row, "type")?)?],
        price: amount("price", |instrument| instrument.price_decimals)?,
        size: amount("size", |instrument| instrument.size_decimals)?,
        filled: amount("filled", |instrument| instrument.size_decimals)?,
        ts_venue_ns: row.getattr("ts_venue_ns")?.extract()?,
    })
}

fn execution(account: &Account, row: &Bound<'_, PyAny>) -> PyResult<VenueExecution> {
    let symbol = name(row, "symbol")?;
    let instrument = instrument_of(account, symbol);
    let amount = |field, decimals: fn(&Instrument) -> u8| {
        instrument.map_or(Ok(0), |instrument| units(row, field, decimals(instrument)))
    };
    let liquidity = [Liquidity::Maker, Liquidity::Taker];
    Ok(VenueExecution {
        client_order_id: own_id(row)?,
        venue_order_id: text(row, "venue_order_id")?,
        trade_id: row.getattr("trade_id")?.extract()?,
        symbol,
        instrument: instrument.map(|instrument| instrument.id),
        side: side_of(row)?,
        price: amount("price", |instrument| instrument.price_decimals)?,
        size: amount("size", |instrument| instrument.size_decimals)?,
        fee: money(row, "fee")?,
        fee_currency: name(row, "fee_currency")?,
        liquidity: liquidity[of(&LIQUIDITY, row.py()).index("liquidity", &text(row, "liquidity")?)?],
        ts_venue_ns: row.getattr("ts_venue_ns")?.extract()?,
    })
}

/// A flow of its own.
pub fn flow(row: &Bound<'_, PyAny>) -> PyResult<VenueFlow> {
    let kind = text(row, "kind")?;
    let symbol: Option<String> = row.getattr("symbol")?.extract()?;
    Ok(VenueFlow {
        key: text(row, "key")?,
        kind: FlowKind::parse(&kind).ok_or_else(|| PyValueError::new_err(format!("no kind of flow: {kind:?}")))?,
        currency: name(row, "currency")?,
        amount: money(row, "amount")?,
        symbol: symbol.map_or(Name::NONE, |symbol| Name::intern(&symbol)),
        ts_venue_ns: row.getattr("ts_venue_ns")?.extract()?,
    })
}

fn venue_state(row: &Bound<'_, PyAny>) -> PyResult<VenueState> {
    let position = |row: PyResult<Bound<'_, PyAny>>| -> PyResult<VenuePosition> {
        let row = row?;
        let price = row.getattr("entry_price")?;
        let entry_price = match price.is_none() {
            true => None,
            // An average has as many decimals as it likes.
            false => Some(decimal::wide_units_of(
                "entry_price",
                &price.call_method1("__round__", (MONEY_DECIMALS,))?,
                MONEY_DECIMALS,
            )?),
        };
        Ok(VenuePosition { symbol: name(&row, "symbol")?, size: money(&row, "size")?, entry_price })
    };
    let (told_positions, told_balances) = (row.getattr("positions")?, row.getattr("balances")?);
    let (without_positions, without_balances) = (told_positions.is_none(), told_balances.is_none());
    let balances = PyDict::new(row.py());
    if !without_balances {
        balances.call_method1("update", (told_balances,))?;
    }
    let positions = match without_positions {
        true => Vec::new(),
        false => told_positions.try_iter()?.map(position).collect::<PyResult<_>>()?,
    };
    let balance = |(currency, total): (Bound<'_, PyAny>, Bound<'_, PyAny>)| -> PyResult<(Name, Money)> {
        Ok((Name::intern(&currency.extract::<String>()?), decimal::wide_units_of("total", &total, MONEY_DECIMALS)?))
    };
    let unit = money(row, "unit")?;
    if unit < 0 {
        return Err(PyValueError::new_err(format!("the unit that a venue rounds to is below 0: {unit}")));
    }
    Ok(VenueState {
        unit,
        positions,
        without_positions,
        without_balances,
        balances: balances.iter().map(balance).collect::<PyResult<_>>()?,
        ts_venue_ns: row.getattr("ts_venue_ns")?.extract()?,
    })
}
