//! An instrument as Python defines and sees it.

use libra_kernel::Name;
use libra_trading::instrument::{ContractKind, Instrument, MONEY_DECIMALS, RATE_DECIMALS};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::enums::{KINDS, of};
use super::money;
use crate::decimal;

#[pyclass(frozen, immutable_type, name = "Instrument", module = "libra.model")]
pub struct PyInstrument {
    pub inner: Instrument,
}

#[pymethods]
impl PyInstrument {
    #[new]
    #[pyo3(signature = (
        symbol, venue, *, base, quote, price_decimals, size_decimals, tick_size, lot_size, kind="SPOT", settle=None,
        venue_symbol=None, min_size=None, max_size=None, min_notional=None, contract_size=None, maker_fee=None,
        taker_fee=None, fee_decimals=8, tradable=true,
    ))]
    #[allow(clippy::too_many_arguments, reason = "an instrument has that many terms")]
    fn new(
        py: Python<'_>,
        symbol: &str,
        venue: &str,
        base: &str,
        quote: &str,
        price_decimals: u8,
        size_decimals: u8,
        tick_size: &Bound<'_, PyAny>,
        lot_size: &Bound<'_, PyAny>,
        kind: &str,
        settle: Option<&str>,
        venue_symbol: Option<&str>,
        min_size: Option<Bound<'_, PyAny>>,
        max_size: Option<Bound<'_, PyAny>>,
        min_notional: Option<Bound<'_, PyAny>>,
        contract_size: Option<Bound<'_, PyAny>>,
        maker_fee: Option<Bound<'_, PyAny>>,
        taker_fee: Option<Bound<'_, PyAny>>,
        fee_decimals: u8,
        tradable: bool,
    ) -> PyResult<Self> {
        let kinds = [ContractKind::Spot, ContractKind::Linear, ContractKind::Inverse];
        let kind = kinds[of(&KINDS, py).index("kind", kind)?];
        let size = |what: &str, value: &Option<Bound<'_, PyAny>>, absent: i64| match value {
            Some(value) => decimal::units_of(what, value, size_decimals),
            None => Ok(absent),
        };
        let rate = |what: &str, value: &Option<Bound<'_, PyAny>>| match value {
            Some(value) => decimal::units_of(what, value, RATE_DECIMALS),
            None => Ok(0),
        };
        let lot_size = decimal::units_of("lot_size", lot_size, size_decimals)?;
        let contract_decimals = match &contract_size {
            Some(value) => decimal::decimals_of("contract_size", &[value])?,
            None => 0,
        };
        let default_settle = if kind == ContractKind::Inverse { base } else { quote };
        let inner = Instrument {
            id: Name::intern(&format!("{symbol}@{venue}")),
            symbol: Name::intern(symbol),
            venue: Name::intern(venue),
            venue_symbol: Name::intern(venue_symbol.unwrap_or(&format!("{base}{quote}"))),
            base: Name::intern(base),
            quote: Name::intern(quote),
            settle: Name::intern(settle.unwrap_or(default_settle)),
            kind,
            price_decimals,
            size_decimals,
            tick_size: decimal::units_of("tick_size", tick_size, price_decimals)?,
            lot_size,
            min_size: size("min_size", &min_size, lot_size)?,
            max_size: size("max_size", &max_size, i64::MAX)?,
            min_notional: match &min_notional {
                Some(value) => decimal::wide_units_of("min_notional", value, MONEY_DECIMALS)?,
                None => 0,
            },
            contract_size: match &contract_size {
                Some(value) => decimal::units_of("contract_size", value, contract_decimals)?,
                None => 1,
            },
            contract_decimals,
            maker_fee: rate("maker_fee", &maker_fee)?,
            taker_fee: rate("taker_fee", &taker_fee)?,
            fee_decimals,
            tradable,
        };
        inner.validate().map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(PyInstrument { inner })
    }

    #[getter]
    fn id(&self) -> &'static str {
        self.inner.id.as_str()
    }

    #[getter]
    fn symbol(&self) -> &'static str {
        self.inner.symbol.as_str()
    }

    #[getter]
    fn venue(&self) -> &'static str {
        self.inner.venue.as_str()
    }

    #[getter]
    fn venue_symbol(&self) -> &'static str {
        self.inner.venue_symbol.as_str()
    }

    #[getter]
    fn base(&self) -> &'static str {
        self.inner.base.as_str()
    }

    #[getter]
    fn quote(&self) -> &'static str {
        self.inner.quote.as_str()
    }

    #[getter]
    fn settle(&self) -> &'static str {
        self.inner.settle.as_str()
    }

    #[getter]
    fn kind(&self, py: Python<'_>) -> Py<PyAny> {
        of(&KINDS, py).member(py, self.inner.kind as usize)
    }

    #[getter]
    fn price_decimals(&self) -> u8 {
        self.inner.price_decimals
    }

    #[getter]
    fn size_decimals(&self) -> u8 {
        self.inner.size_decimals
    }

    #[getter]
    fn tick_size(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.inner.tick_size, self.inner.price_decimals)
    }

    #[getter]
    fn lot_size(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.inner.lot_size, self.inner.size_decimals)
    }

    #[getter]
    fn min_size(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.inner.min_size, self.inner.size_decimals)
    }

    #[getter]
    fn max_size(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.inner.max_size, self.inner.size_decimals)
    }

    #[getter]
    fn min_notional(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        money(py, self.inner.min_notional)
    }

    #[getter]
    fn contract_size(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.inner.contract_size, self.inner.contract_decimals)
    }

    #[getter]
    fn maker_fee(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python_short(py, self.inner.maker_fee.into(), RATE_DECIMALS)
    }

    #[getter]
    fn taker_fee(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python_short(py, self.inner.taker_fee.into(), RATE_DECIMALS)
    }

    #[getter]
    fn fee_decimals(&self) -> u8 {
        self.inner.fee_decimals
    }

    #[getter]
    fn tradable(&self) -> bool {
        self.inner.tradable
    }

    fn __repr__(&self) -> String {
        format!("Instrument({:?})", self.inner.id.as_str())
    }
}
