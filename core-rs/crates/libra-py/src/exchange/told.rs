//! What an exchange tells, as tuples: a number that says what it is, then the market, the time, and what belongs to it.

use libra_kernel::fixed::{MAX_DECIMALS, format_units, pow10};
use libra_trading::exchange::Told;
use libra_trading::instrument::Instrument;
use libra_trading::matching::{AmendCause, BookLevel, EndReason, Event, RejectReason};
use libra_trading::order::OrderSide;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

const TRADE: u8 = 0;
const BEST: u8 = 1;
const ACCEPTED: u8 = 2;
const REJECTED: u8 = 3;
const TRIGGERED: u8 = 4;
const AMENDED: u8 = 5;
const ENDED: u8 = 6;

/// How a market writes its prices and sizes.
#[derive(Clone, Copy)]
pub struct Decimals {
    price: (i128, u8),
    size: (i128, u8),
}

impl Decimals {
    /// Texts with as many decimals, which cannot be fewer than the instrument's.
    pub fn new(instrument: &Instrument, texts: (u8, u8)) -> PyResult<Decimals> {
        let scale = |own: u8, text: u8| match text.checked_sub(own) {
            Some(more) if text <= MAX_DECIMALS => Ok((pow10(more), text)),
            _ => Err(PyValueError::new_err(format!("{}: {own} decimals do not fit {text}", instrument.id))),
        };
        Ok(Decimals {
            price: scale(instrument.price_decimals, texts.0)?,
            size: scale(instrument.size_decimals, texts.1)?,
        })
    }

    pub fn price(&self, units: i64) -> String {
        format_units(i128::from(units) * self.price.0, self.price.1)
    }

    pub fn size(&self, units: i64) -> String {
        format_units(i128::from(units) * self.size.0, self.size.1)
    }

    fn level(&self, level: Option<BookLevel>) -> (String, String) {
        level.map_or_else(|| (self.price(0), self.size(0)), |l| (self.price(l.price), self.size(l.quantity)))
    }
}

pub fn to_python(py: Python<'_>, told: &Told, decimals: &[Decimals]) -> PyResult<Py<PyAny>> {
    match *told {
        Told::Trade { market, ts_ns, trade } => {
            let texts = &decimals[market];
            // Tuples have at most twelve parts in PyO3: the orders and accounts are pairs, the taker first.
            let maker_buys = trade.maker_side == OrderSide::Buy;
            let orders = (trade.taker.0, trade.maker.0);
            let accounts = (trade.taker_account.0, trade.maker_account.0);
            let left = (trade.taker_left, trade.maker_left);
            let (price, size) = (texts.price(trade.price), texts.size(trade.quantity));
            let (units, id) = ((trade.price, trade.quantity), trade.id);
            (TRADE, market, ts_ns, id, price, size, units, maker_buys, orders, accounts, left).into_py_any(py)
        }
        Told::Best { market, ts_ns, update_id, bid, ask } => {
            let (bid, bid_size) = decimals[market].level(bid);
            let (ask, ask_size) = decimals[market].level(ask);
            (BEST, market, ts_ns, update_id, bid, bid_size, ask, ask_size).into_py_any(py)
        }
        Told::Order { market, ts_ns, event } => match event {
            Event::Accepted { order, account, quantity } => {
                (ACCEPTED, market, ts_ns, order.0, account.0, quantity).into_py_any(py)
            }
            Event::Rejected { order, account, reason } => {
                (REJECTED, market, ts_ns, order.0, account.0, reject_text(reason)).into_py_any(py)
            }
            Event::Triggered { order, account, price } => {
                (TRIGGERED, market, ts_ns, order.0, account.0, price).into_py_any(py)
            }
            Event::Amended { order, account, price, quantity, kept, cause } => {
                let by_owner = cause == AmendCause::Owner;
                (AMENDED, market, ts_ns, order.0, account.0, (price, quantity, kept, by_owner)).into_py_any(py)
            }
            Event::Ended { order, account, reason, left } => {
                (ENDED, market, ts_ns, order.0, account.0, (end_text(reason), left)).into_py_any(py)
            }
            Event::Trade(_) | Event::Level(_) => Ok(py.None()),
        },
    }
}

fn reject_text(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::WouldTake => "WOULD_TAKE",
        RejectReason::WouldTrigger => "WOULD_TRIGGER",
        RejectReason::ReduceOnly => "REDUCE_ONLY",
    }
}

fn end_text(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Cancelled => "CANCELLED",
        EndReason::Replaced => "REPLACED",
        EndReason::Expired => "EXPIRED",
        EndReason::AmendedAway => "AMENDED_AWAY",
        EndReason::NoLiquidity => "NO_LIQUIDITY",
        EndReason::Spent => "SPENT",
        EndReason::ImmediateOrCancel => "IMMEDIATE_OR_CANCEL",
        EndReason::FillOrKill => "FILL_OR_KILL",
        EndReason::SelfTrade => "SELF_TRADE",
        EndReason::ReduceOnly => "REDUCE_ONLY",
        EndReason::WouldTake => "WOULD_TAKE",
    }
}
