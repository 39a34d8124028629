//! Instruments, orders, fills, positions, balances and signals as Python sees them: frozen views with decimals.

use std::sync::Arc;

use libra_kernel::fixed::{format_units, pow10};
use libra_kernel::timers::TimerFired;
use libra_kernel::{Event, Name, Payload, SharedPayload, clock, ids};
use libra_trading::account::Balance;
use libra_trading::desk::payload::{Approved, Notice, PositionReport};
use libra_trading::instrument::{ContractKind, Instrument, MONEY_DECIMALS, Money, RATE_DECIMALS};
use libra_trading::order::{
    CancelRequest, ClientOrderId, Fill, Liquidity, Order, OrderRequest, OrderSide, OrderStatus, OrderType, TimeInForce,
    VenueOutcome, VenueReport,
};
use libra_trading::signal::{Signal, SignalType};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList};

use crate::decimal;

/// A Python `StrEnum` of a native one.
struct StrEnum {
    members: Vec<Py<PyAny>>,
    names: &'static [&'static str],
}

impl StrEnum {
    fn member(&self, py: Python<'_>, index: usize) -> Py<PyAny> {
        self.members[index].clone_ref(py)
    }

    fn index(&self, what: &str, text: &str) -> PyResult<usize> {
        self.names
            .iter()
            .position(|name| *name == text)
            .ok_or_else(|| PyValueError::new_err(format!("{what} is one of {}, not {text:?}", self.names.join(", "))))
    }
}

macro_rules! str_enums {
    ($($static:ident = $class:literal, [$($name:literal),+];)+) => {
        $(static $static: PyOnceLock<StrEnum> = PyOnceLock::new();)+

        fn register_enums(module: &Bound<'_, PyModule>) -> PyResult<()> {
            let py = module.py();
            let base = py.import("enum")?.getattr("StrEnum")?;
            $({
                const NAMES: &[&str] = &[$($name),+];
                let pairs = PyList::new(py, NAMES.iter().map(|name| (*name, *name)))?;
                let options = PyDict::new(py);
                options.set_item("module", "libra_core")?;
                let class = base.call(($class, pairs), Some(&options))?;
                let members: PyResult<Vec<Py<PyAny>>> =
                    NAMES.iter().map(|name| Ok(class.getattr(*name)?.unbind())).collect();
                let _ = $static.set(py, StrEnum { members: members?, names: NAMES });
                module.add($class, class)?;
            })+
            Ok(())
        }
    };
}

str_enums! {
    SIDES = "OrderSide", ["BUY", "SELL"];
    TYPES = "OrderType", ["MARKET", "LIMIT"];
    TIMES = "TimeInForce", ["GTC", "IOC", "FOK", "POST_ONLY"];
    STATES = "OrderStatus",
        ["NEW", "SUBMITTED", "ACCEPTED", "PARTIALLY_FILLED", "FILLED", "CANCELLED", "EXPIRED", "REJECTED"];
    SIGNALS = "SignalType", ["LONG", "SHORT", "CLOSE_LONG", "CLOSE_SHORT", "HOLD"];
    LIQUIDITY = "Liquidity", ["MAKER", "TAKER"];
    KINDS = "ContractKind", ["SPOT", "LINEAR", "INVERSE"];
}

fn of<'py>(lock: &'static PyOnceLock<StrEnum>, py: Python<'py>) -> &'py StrEnum {
    lock.get(py).expect("set when the module was loaded")
}

pub fn side(py: Python<'_>, text: &str) -> PyResult<OrderSide> {
    Ok([OrderSide::Buy, OrderSide::Sell][of(&SIDES, py).index("side", text)?])
}

pub fn time_in_force(py: Python<'_>, text: &str) -> PyResult<TimeInForce> {
    let all = [TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok, TimeInForce::PostOnly];
    Ok(all[of(&TIMES, py).index("time in force", text)?])
}

pub fn signal_type(py: Python<'_>, text: &str) -> PyResult<SignalType> {
    let all = [SignalType::Long, SignalType::Short, SignalType::CloseLong, SignalType::CloseShort, SignalType::Hold];
    Ok(all[of(&SIGNALS, py).index("signal type", text)?])
}

pub fn status_name(status: OrderStatus) -> &'static str {
    const NAMES: [&str; 8] =
        ["NEW", "SUBMITTED", "ACCEPTED", "PARTIALLY_FILLED", "FILLED", "CANCELLED", "EXPIRED", "REJECTED"];
    NAMES[status as usize]
}

pub fn money(py: Python<'_>, amount: Money) -> PyResult<Py<PyAny>> {
    decimal::to_python_short(py, amount, MONEY_DECIMALS)
}

fn symbol_of(instrument: Name) -> &'static str {
    let text = instrument.as_str();
    text.split_once('@').map_or(text, |(symbol, _)| symbol)
}

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

#[pyclass(frozen, immutable_type, name = "Signal", module = "libra.model")]
pub struct PySignal {
    inner: Signal,
    price_decimals: u8,
}

#[pymethods]
impl PySignal {
    #[getter]
    fn signal_id(&self) -> String {
        format!("{:032x}", self.inner.id)
    }

    #[getter]
    fn strategy(&self) -> &'static str {
        self.inner.strategy.as_str()
    }

    #[getter]
    fn instrument(&self) -> &'static str {
        self.inner.instrument.as_str()
    }

    #[getter]
    fn symbol(&self) -> &'static str {
        symbol_of(self.inner.instrument)
    }

    #[getter]
    fn signal_type(&self, py: Python<'_>) -> Py<PyAny> {
        of(&SIGNALS, py).member(py, self.inner.signal_type as usize)
    }

    #[getter]
    fn strength(&self) -> f64 {
        self.inner.strength
    }

    #[getter]
    fn price(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let price = self.inner.price;
        (price != 0).then(|| decimal::to_python(py, price, self.price_decimals)).transpose()
    }

    #[getter]
    fn deadline_ns(&self) -> i64 {
        self.inner.deadline_ns
    }

    #[getter]
    fn reason(&self) -> &str {
        &self.inner.reason
    }

    fn __repr__(&self) -> String {
        format!("Signal({:?}, {:?}, strategy={:?})", self.inner.signal_type, self.symbol(), self.strategy())
    }
}

/// A fill with the decimals of its instrument.
#[pyclass(frozen, immutable_type, name = "Fill", module = "libra.model")]
pub struct PyFill {
    pub inner: Fill,
    pub decimals: (u8, u8),
}

#[pymethods]
impl PyFill {
    #[getter]
    fn order_id(&self) -> String {
        self.inner.client_order_id.to_string()
    }

    #[getter]
    fn trade_id(&self) -> u64 {
        self.inner.trade_id
    }

    #[getter]
    fn instrument(&self) -> &'static str {
        self.inner.instrument.as_str()
    }

    #[getter]
    fn symbol(&self) -> &'static str {
        symbol_of(self.inner.instrument)
    }

    #[getter]
    fn strategy(&self) -> &'static str {
        self.inner.strategy.as_str()
    }

    #[getter]
    fn side(&self, py: Python<'_>) -> Py<PyAny> {
        of(&SIDES, py).member(py, self.inner.side as usize)
    }

    #[getter]
    fn price(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.inner.price, self.decimals.0)
    }

    #[getter]
    fn size(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.inner.size, self.decimals.1)
    }

    #[getter]
    fn fee(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        money(py, self.inner.fee)
    }

    #[getter]
    fn fee_currency(&self) -> &'static str {
        self.inner.fee_currency.as_str()
    }

    #[getter]
    fn liquidity(&self, py: Python<'_>) -> Py<PyAny> {
        of(&LIQUIDITY, py).member(py, self.inner.liquidity as usize)
    }

    #[getter]
    fn ts_venue_ns(&self) -> i64 {
        self.inner.ts_venue_ns
    }

    fn __repr__(&self) -> String {
        let size = format_units(self.inner.size.into(), self.decimals.1);
        let price = format_units(self.inner.price.into(), self.decimals.0);
        format!("Fill({:?} {} {size} at {price})", self.inner.side, self.symbol())
    }
}

#[pyclass(frozen, immutable_type, name = "Order", module = "libra.model")]
pub struct PyOrder {
    pub inner: Arc<dyn SharedPayload>,
    pub decimals: (u8, u8),
}

impl PyOrder {
    pub fn order(&self) -> &Order {
        self.inner.as_any().downcast_ref().expect("checked when it was wrapped")
    }
}

#[pymethods]
impl PyOrder {
    /// An order that nobody has sent yet, for a gateway that is used without a node.
    #[new]
    #[pyo3(signature = (instrument, side, size, *, price=None, time_in_force=None, order_id=None))]
    fn new(
        py: Python<'_>,
        instrument: &str,
        side: &str,
        size: &Bound<'_, PyAny>,
        price: Option<Bound<'_, PyAny>>,
        time_in_force: Option<&str>,
        order_id: Option<&str>,
    ) -> PyResult<Self> {
        let price_decimals = price.as_ref().map_or(Ok(0), |price| decimal::decimals_of("price", &[price]))?;
        let size_decimals = decimal::decimals_of("size", &[size])?;
        let client_order_id = match order_id {
            Some(text) => {
                ClientOrderId::parse(text).ok_or_else(|| PyValueError::new_err(format!("not an order id: {text:?}")))?
            }
            None => ClientOrderId(ids::business_id()),
        };
        let default = if price.is_some() { "GTC" } else { "IOC" };
        let request = OrderRequest {
            request_id: client_order_id.0,
            signal_id: 0,
            account: Name::NONE,
            strategy: Name::NONE,
            instrument: Name::intern(instrument),
            side: self::side(py, side)?,
            order_type: if price.is_some() { OrderType::Limit } else { OrderType::Market },
            time_in_force: self::time_in_force(py, time_in_force.unwrap_or(default))?,
            size: decimal::units_of("size", size, size_decimals)?,
            price: match &price {
                Some(price) => decimal::units_of("price", price, price_decimals)?,
                None => 0,
            },
            deadline_ns: 0,
            ts_origin_ns: 0,
        };
        let order = Order {
            client_order_id,
            venue_order_id: String::new(),
            request,
            status: OrderStatus::New,
            filled: 0,
            filled_notional: 0,
            fees: 0,
            reason: String::new(),
            detail: String::new(),
            last_fill: None,
            ts_ns: clock::now_ns(),
        };
        Ok(PyOrder { inner: Arc::new(order), decimals: (price_decimals, size_decimals) })
    }

    #[getter]
    fn order_id(&self) -> String {
        self.order().client_order_id.to_string()
    }

    #[getter]
    fn venue_order_id(&self) -> &str {
        &self.order().venue_order_id
    }

    #[getter]
    fn account(&self) -> &'static str {
        self.order().request.account.as_str()
    }

    #[getter]
    fn strategy(&self) -> &'static str {
        self.order().request.strategy.as_str()
    }

    #[getter]
    fn instrument(&self) -> &'static str {
        self.order().request.instrument.as_str()
    }

    #[getter]
    fn symbol(&self) -> &'static str {
        symbol_of(self.order().request.instrument)
    }

    #[getter]
    fn side(&self, py: Python<'_>) -> Py<PyAny> {
        of(&SIDES, py).member(py, self.order().request.side as usize)
    }

    #[getter]
    fn order_type(&self, py: Python<'_>) -> Py<PyAny> {
        of(&TYPES, py).member(py, self.order().request.order_type as usize)
    }

    #[getter]
    fn time_in_force(&self, py: Python<'_>) -> Py<PyAny> {
        of(&TIMES, py).member(py, self.order().request.time_in_force as usize)
    }

    #[getter]
    fn size(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.order().request.size, self.decimals.1)
    }

    #[getter]
    fn price(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let price = self.order().request.price;
        (price != 0).then(|| decimal::to_python(py, price, self.decimals.0)).transpose()
    }

    #[getter]
    fn status(&self, py: Python<'_>) -> Py<PyAny> {
        of(&STATES, py).member(py, self.order().status as usize)
    }

    #[getter]
    fn filled(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.order().filled, self.decimals.1)
    }

    #[getter]
    fn remaining(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.order().request.size - self.order().filled, self.decimals.1)
    }

    #[getter]
    fn filled_notional(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        money(py, self.order().filled_notional)
    }

    #[getter]
    fn fees(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        money(py, self.order().fees)
    }

    #[getter]
    fn reason(&self) -> &str {
        &self.order().reason
    }

    #[getter]
    fn detail(&self) -> &str {
        &self.order().detail
    }

    #[getter]
    fn is_final(&self) -> bool {
        self.order().status.is_final()
    }

    #[getter]
    fn last_fill(&self) -> Option<PyFill> {
        let fill = self.order().last_fill.clone()?;
        Some(PyFill { inner: fill, decimals: self.decimals })
    }

    #[getter]
    fn ts_ns(&self) -> i64 {
        self.order().ts_ns
    }

    fn __repr__(&self) -> String {
        let order = self.order();
        format!("Order({}, {:?} {}, {:?})", order.client_order_id, order.request.side, self.symbol(), order.status)
    }
}

/// What is asked for, before any check.
#[pyclass(frozen, immutable_type, name = "OrderRequest", module = "libra.model")]
pub struct PyOrderRequest {
    inner: OrderRequest,
    decimals: (u8, u8),
    /// The id of the order that an approved request will be.
    order_id: Option<ClientOrderId>,
}

#[pymethods]
impl PyOrderRequest {
    #[getter]
    fn request_id(&self) -> String {
        format!("{:032x}", self.inner.request_id)
    }

    #[getter]
    fn order_id(&self) -> Option<String> {
        self.order_id.map(|id| id.to_string())
    }

    #[getter]
    fn account(&self) -> &'static str {
        self.inner.account.as_str()
    }

    #[getter]
    fn strategy(&self) -> &'static str {
        self.inner.strategy.as_str()
    }

    #[getter]
    fn instrument(&self) -> &'static str {
        self.inner.instrument.as_str()
    }

    #[getter]
    fn symbol(&self) -> &'static str {
        symbol_of(self.inner.instrument)
    }

    #[getter]
    fn side(&self, py: Python<'_>) -> Py<PyAny> {
        of(&SIDES, py).member(py, self.inner.side as usize)
    }

    #[getter]
    fn order_type(&self, py: Python<'_>) -> Py<PyAny> {
        of(&TYPES, py).member(py, self.inner.order_type as usize)
    }

    #[getter]
    fn time_in_force(&self, py: Python<'_>) -> Py<PyAny> {
        of(&TIMES, py).member(py, self.inner.time_in_force as usize)
    }

    #[getter]
    fn size_units(&self) -> i64 {
        self.inner.size
    }

    #[getter]
    fn price_units(&self) -> i64 {
        self.inner.price
    }

    #[getter]
    fn size(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.inner.size, self.decimals.1)
    }

    #[getter]
    fn price(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let price = self.inner.price;
        (price != 0).then(|| decimal::to_python(py, price, self.decimals.0)).transpose()
    }
}

#[pyclass(frozen, immutable_type, name = "CancelRequest", module = "libra.model")]
pub struct PyCancelRequest {
    inner: CancelRequest,
}

#[pymethods]
impl PyCancelRequest {
    #[getter]
    fn order_id(&self) -> String {
        self.inner.client_order_id.to_string()
    }

    #[getter]
    fn account(&self) -> &'static str {
        self.inner.account.as_str()
    }

    #[getter]
    fn strategy(&self) -> &'static str {
        self.inner.strategy.as_str()
    }
}

#[pyclass(frozen, immutable_type, name = "Position", module = "libra.model")]
pub struct PyPosition {
    report: Arc<dyn SharedPayload>,
    size_decimals: u8,
}

impl PyPosition {
    fn report(&self) -> &PositionReport {
        self.report.as_any().downcast_ref().expect("checked when it was wrapped")
    }
}

#[pymethods]
impl PyPosition {
    #[getter]
    fn account(&self) -> &'static str {
        self.report().account.as_str()
    }

    #[getter]
    fn instrument(&self) -> &'static str {
        self.report().position.instrument.as_str()
    }

    #[getter]
    fn symbol(&self) -> &'static str {
        symbol_of(self.report().position.instrument)
    }

    #[getter]
    fn size(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.report().position.size, self.size_decimals)
    }

    #[getter]
    fn size_float(&self) -> f64 {
        self.report().position.size as f64 / pow10(self.size_decimals) as f64
    }

    #[getter]
    fn cost(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        money(py, self.report().position.cost)
    }

    #[getter]
    fn average_price(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.report().average_price.map(|price| money(py, price)).transpose()
    }

    #[getter]
    fn realised(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        money(py, self.report().position.realised)
    }

    #[getter]
    fn unrealised(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        money(py, self.report().unrealised)
    }

    #[getter]
    fn fees(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        money(py, self.report().position.fees)
    }

    fn __repr__(&self) -> String {
        let size = format_units(self.report().position.size.into(), self.size_decimals);
        format!("Position({:?}, {size})", self.instrument())
    }
}

#[pyclass(frozen, immutable_type, name = "Balance", module = "libra.model")]
pub struct PyBalance {
    inner: Balance,
}

#[pymethods]
impl PyBalance {
    #[getter]
    fn currency(&self) -> &'static str {
        self.inner.currency.as_str()
    }

    #[getter]
    fn total(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        money(py, self.inner.total)
    }

    #[getter]
    fn available(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.inner.available().map(|amount| money(py, amount)).transpose()
    }

    #[getter]
    fn equity(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.inner.equity().map(|amount| money(py, amount)).transpose()
    }

    fn __repr__(&self) -> String {
        format!("Balance({} {})", format_units(self.inner.total, MONEY_DECIMALS), self.currency())
    }
}

/// What breaches, incidents, the kill switch and refused cancels say.
#[pyclass(frozen, immutable_type, name = "Notice", module = "libra.model")]
pub struct PyNotice {
    #[pyo3(get)]
    account: &'static str,
    #[pyo3(get)]
    code: String,
    #[pyo3(get)]
    detail: String,
}

#[pymethods]
impl PyNotice {
    fn __repr__(&self) -> String {
        format!("Notice({:?}, {:?}, {:?})", self.account, self.code, self.detail)
    }
}

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

/// The Python object of an event of the order path, if that is what it carries.
pub fn to_python(py: Python<'_>, event: &Event) -> Option<PyResult<Py<PyAny>>> {
    let Payload::Shared(shared) = &event.payload else { return None };
    let decimals = (event.price_decimals, event.size_decimals);
    let any = shared.as_any();
    if any.is::<Order>() {
        return Some(Py::new(py, PyOrder { inner: shared.clone(), decimals }).map(Py::into_any));
    }
    if let Some(signal) = any.downcast_ref::<Signal>() {
        let inner = signal.clone();
        return Some(Py::new(py, PySignal { inner, price_decimals: decimals.0 }).map(Py::into_any));
    }
    if let Some(request) = any.downcast_ref::<OrderRequest>() {
        let request = PyOrderRequest { inner: request.clone(), decimals, order_id: None };
        return Some(Py::new(py, request).map(Py::into_any));
    }
    if let Some(approved) = any.downcast_ref::<Approved>() {
        let order_id = Some(approved.approval.client_order_id());
        let request = PyOrderRequest { inner: approved.request.clone(), decimals, order_id };
        return Some(Py::new(py, request).map(Py::into_any));
    }
    if let Some(cancel) = any.downcast_ref::<CancelRequest>() {
        return Some(Py::new(py, PyCancelRequest { inner: cancel.clone() }).map(Py::into_any));
    }
    if any.is::<PositionReport>() {
        let position = PyPosition { report: shared.clone(), size_decimals: decimals.1 };
        return Some(Py::new(py, position).map(Py::into_any));
    }
    if let Some(balance) = any.downcast_ref::<Balance>() {
        return Some(Py::new(py, PyBalance { inner: *balance }).map(Py::into_any));
    }
    if let Some(notice) = any.downcast_ref::<Notice>() {
        let notice =
            PyNotice { account: notice.account.as_str(), code: notice.code.clone(), detail: notice.detail.clone() };
        return Some(Py::new(py, notice).map(Py::into_any));
    }
    let timer = any.downcast_ref::<TimerFired>()?;
    Some(timer.id.into_pyobject(py).map(|id| id.into_any().unbind()).map_err(PyErr::from))
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    register_enums(module)?;
    module.add_class::<PyInstrument>()?;
    module.add_class::<PySignal>()?;
    module.add_class::<PyFill>()?;
    module.add_class::<PyOrder>()?;
    module.add_class::<PyOrderRequest>()?;
    module.add_class::<PyCancelRequest>()?;
    module.add_class::<PyPosition>()?;
    module.add_class::<PyBalance>()?;
    module.add_class::<PyNotice>()?;
    module.add_class::<PyOrderReport>()
}
