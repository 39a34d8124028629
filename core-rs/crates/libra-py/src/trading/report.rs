//! What a gateway says about an order.

use libra_kernel::Name;
use libra_trading::instrument::{Instrument, MONEY_DECIMALS};
use libra_trading::order::{ClientOrderId, Liquidity, VenueOutcome, VenueReport};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::enums::{LIQUIDITY, of};
use super::money;
use crate::decimal;

/// What a gateway says about one of our orders.
#[pyclass(frozen, immutable_type, name = "OrderReport", module = "libra.model")]
pub struct PyOrderReport {
    order_id: ClientOrderId,
    venue_order_id: String,
    status: String,
    fill: Option<ReportedFill>,
    reason: String,
    detail: String,
    ts_venue_ns: i64,
}

struct ReportedFill {
    trade_id: u64,
    price: Py<PyAny>,
    size: Py<PyAny>,
    fee: Option<Py<PyAny>>,
    fee_currency: Option<String>,
    liquidity: Liquidity,
}

#[pymethods]
impl PyOrderReport {
    #[new]
    #[pyo3(signature = (
        order_id, status, *, venue_order_id="", trade_id=None, price=None, size=None, fee=None, fee_currency=None,
        liquidity="TAKER", reason="", detail="", ts_venue_ns=0,
    ))]
    #[allow(clippy::too_many_arguments, reason = "venues say that much")]
    fn new(
        py: Python<'_>,
        order_id: &str,
        status: &str,
        venue_order_id: &str,
        trade_id: Option<u64>,
        price: Option<Py<PyAny>>,
        size: Option<Py<PyAny>>,
        fee: Option<Py<PyAny>>,
        fee_currency: Option<String>,
        liquidity: &str,
        reason: &str,
        detail: &str,
        ts_venue_ns: i64,
    ) -> PyResult<Self> {
        const KNOWN: [&str; 7] =
            ["ACCEPTED", "REJECTED", "FILLED", "CANCELLED", "EXPIRED", "CANCEL_REJECTED", "NOT_FOUND"];
        if !KNOWN.contains(&status) {
            return Err(PyValueError::new_err(format!("status is one of {}, not {status:?}", KNOWN.join(", "))));
        }
        let id = ClientOrderId::parse(order_id)
            .ok_or_else(|| PyValueError::new_err(format!("not one of our order ids: {order_id:?}")))?;
        let liquidity = [Liquidity::Maker, Liquidity::Taker][of(&LIQUIDITY, py).index("liquidity", liquidity)?];
        let fill = match (status, trade_id, price, size) {
            ("FILLED", Some(trade_id), Some(price), Some(size)) => {
                Some(ReportedFill { trade_id, price, size, fee, fee_currency, liquidity })
            }
            ("FILLED", ..) => {
                return Err(PyValueError::new_err("a FILLED report needs trade_id, price and size of the execution"));
            }
            _ => None,
        };
        Ok(PyOrderReport {
            order_id: id,
            venue_order_id: venue_order_id.to_owned(),
            status: status.to_owned(),
            fill,
            reason: reason.to_owned(),
            detail: detail.to_owned(),
            ts_venue_ns,
        })
    }

    #[getter]
    fn order_id(&self) -> String {
        self.order_id.to_string()
    }

    #[getter]
    fn status(&self) -> &str {
        &self.status
    }

    #[getter]
    fn venue_order_id(&self) -> &str {
        &self.venue_order_id
    }

    #[getter]
    fn reason(&self) -> &str {
        &self.reason
    }

    #[getter]
    fn detail(&self) -> &str {
        &self.detail
    }

    #[getter]
    fn ts_venue_ns(&self) -> i64 {
        self.ts_venue_ns
    }

    #[getter]
    fn trade_id(&self) -> Option<u64> {
        self.fill.as_ref().map(|fill| fill.trade_id)
    }

    #[getter]
    fn price(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.fill.as_ref().map(|fill| fill.price.clone_ref(py))
    }

    #[getter]
    fn size(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.fill.as_ref().map(|fill| fill.size.clone_ref(py))
    }

    #[getter]
    fn fee(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.fill.as_ref()?.fee.as_ref().map(|fee| fee.clone_ref(py))
    }

    #[getter]
    fn fee_currency(&self) -> Option<&str> {
        self.fill.as_ref()?.fee_currency.as_deref()
    }

    fn __repr__(&self) -> String {
        format!("OrderReport({}, {})", self.order_id, self.status)
    }
}

impl PyOrderReport {
    /// A native report as Python sees it, in the decimals of its instrument.
    pub fn from_native(py: Python<'_>, report: VenueReport, instrument: Option<&Instrument>) -> PyResult<Self> {
        let (price_decimals, size_decimals) =
            instrument.map_or((MONEY_DECIMALS, MONEY_DECIMALS), |i| (i.price_decimals, i.size_decimals));
        let (mut fill, mut reason, mut detail) = (None, String::new(), String::new());
        let status = match report.outcome {
            VenueOutcome::Accepted => "ACCEPTED",
            VenueOutcome::Rejected { code, detail: words } => {
                (reason, detail) = (code, words);
                "REJECTED"
            }
            VenueOutcome::Filled { trade_id, price, size, fee, fee_currency, liquidity } => {
                fill = Some(ReportedFill {
                    trade_id,
                    price: decimal::to_python(py, price, price_decimals)?,
                    size: decimal::to_python(py, size, size_decimals)?,
                    fee: Some(money(py, fee)?),
                    fee_currency: Some(fee_currency.as_str().to_owned()),
                    liquidity,
                });
                "FILLED"
            }
            VenueOutcome::Cancelled { reason: why } => {
                reason = why;
                "CANCELLED"
            }
            VenueOutcome::Expired => "EXPIRED",
            VenueOutcome::CancelRejected { detail: words } => {
                detail = words;
                "CANCEL_REJECTED"
            }
            VenueOutcome::NotFound => "NOT_FOUND",
        };
        Ok(PyOrderReport {
            order_id: report.client_order_id,
            venue_order_id: report.venue_order_id,
            status: status.to_owned(),
            fill,
            reason,
            detail,
            ts_venue_ns: report.ts_venue_ns,
        })
    }

    pub fn client_order_id(&self) -> ClientOrderId {
        self.order_id
    }

    /// The native report; its numbers are read in the decimals of the order's instrument, or in 12 where the order is
    /// unknown.
    pub fn report(&self, py: Python<'_>, instrument: Option<&Instrument>) -> PyResult<VenueReport> {
        let outcome = match &self.fill {
            Some(fill) => {
                let (price_decimals, size_decimals) =
                    instrument.map_or((MONEY_DECIMALS, MONEY_DECIMALS), |i| (i.price_decimals, i.size_decimals));
                let fee = match &fill.fee {
                    Some(fee) => decimal::wide_units_of("fee", fee.bind(py), MONEY_DECIMALS)?,
                    None => 0,
                };
                let settle = instrument.map_or(Name::NONE, |instrument| instrument.settle);
                VenueOutcome::Filled {
                    trade_id: fill.trade_id,
                    price: decimal::units_of("price", fill.price.bind(py), price_decimals)?,
                    size: decimal::units_of("size", fill.size.bind(py), size_decimals)?,
                    fee,
                    fee_currency: fill.fee_currency.as_deref().map_or(settle, Name::intern),
                    liquidity: fill.liquidity,
                }
            }
            None => match self.status.as_str() {
                "ACCEPTED" => VenueOutcome::Accepted,
                "REJECTED" => VenueOutcome::Rejected { code: self.reason.clone(), detail: self.detail.clone() },
                "CANCELLED" => VenueOutcome::Cancelled { reason: self.reason.clone() },
                "EXPIRED" => VenueOutcome::Expired,
                "CANCEL_REJECTED" => VenueOutcome::CancelRejected { detail: self.detail.clone() },
                _ => VenueOutcome::NotFound,
            },
        };
        Ok(VenueReport {
            client_order_id: self.order_id,
            venue_order_id: self.venue_order_id.clone(),
            outcome,
            ts_venue_ns: self.ts_venue_ns,
        })
    }
}
