//! Python `StrEnum`s of the native enums of orders, signals and instruments.

use libra_trading::order::{OrderSide, OrderStatus, TimeInForce};
use libra_trading::risk::RiskCode;
use libra_trading::signal::SignalType;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList};

/// A Python `StrEnum` of a native one.
pub(super) struct StrEnum {
    members: Vec<Py<PyAny>>,
    names: &'static [&'static str],
}

impl StrEnum {
    pub(super) fn member(&self, py: Python<'_>, index: usize) -> Py<PyAny> {
        self.members[index].clone_ref(py)
    }

    pub(super) fn index(&self, what: &str, text: &str) -> PyResult<usize> {
        self.names
            .iter()
            .position(|name| *name == text)
            .ok_or_else(|| PyValueError::new_err(format!("{what} is one of {}, not {text:?}", self.names.join(", "))))
    }
}

macro_rules! str_enums {
    ($($static:ident = $class:literal, [$($name:literal),+];)+) => {
        $(pub(super) static $static: PyOnceLock<StrEnum> = PyOnceLock::new();)+

        pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
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

pub(super) fn of<'py>(lock: &'static PyOnceLock<StrEnum>, py: Python<'py>) -> &'py StrEnum {
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

/// `RiskCode`, made from the native table, so that there is one list of them.
pub fn register_codes(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let pairs = PyList::new(py, RiskCode::TABLE.iter().map(|(_, name, _)| (*name, *name)))?;
    let options = PyDict::new(py);
    options.set_item("module", "libra_core")?;
    module.add("RiskCode", py.import("enum")?.getattr("StrEnum")?.call(("RiskCode", pairs), Some(&options))?)
}
