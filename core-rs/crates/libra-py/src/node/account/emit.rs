//! What strategies ask for: signals, order requests and cancel requests, as events of their actor.

use libra_kernel::{Name, clock, ids};
use libra_trading::order::{CancelRequest, OrderRequest, OrderType};
use libra_trading::signal::Signal;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::super::NodeCore;
use super::parse_id;
use crate::{decimal, trading};

#[pymethods]
impl NodeCore {
    /// A strategy's opinion: a SIGNAL. False when it was refused.
    #[pyo3(signature = (slot, instrument, signal_type, strength, price, ttl_ns, reason))]
    #[allow(clippy::too_many_arguments, reason = "a signal says that much")]
    fn emit_signal(
        &self,
        py: Python<'_>,
        slot: usize,
        instrument: &str,
        signal_type: &str,
        strength: f64,
        price: Option<Bound<'_, PyAny>>,
        ttl_ns: i64,
        reason: &str,
    ) -> PyResult<bool> {
        let now_ns = clock::now_ns();
        let deadline_ns = deadline_ns(now_ns, ttl_ns)?;
        if !(0.0..=1.0).contains(&strength) {
            return Err(PyValueError::new_err(format!("strength lies between 0 and 1, not {strength}")));
        }
        let signal_type = trading::signal_type(py, signal_type)?;
        let decimals = self.decimals_of(py, instrument);
        let price = match price {
            Some(price) => decimal::units_of("price", &price, decimals.0)?,
            None => 0,
        };
        let Some((parent, source)) = self.origin(py, slot)? else { return Ok(false) };
        let signal = Signal {
            id: ids::business_id(),
            strategy: source,
            instrument: Name::intern(instrument),
            signal_type,
            strength,
            price,
            deadline_ns,
            reason: reason.to_owned(),
        };
        let payload = libra_kernel::Payload::shared(signal);
        let mut event = child_or_root(parent.as_ref(), libra_kernel::EventType::Signal, source, now_ns, payload);
        event.instrument = Name::intern(instrument);
        (event.price_decimals, event.size_decimals) = decimals;
        Ok(self.publish_of(py, parent.as_ref(), event))
    }

    /// A request for an order: an ORDER_REQUEST. Gives its id, or None when it was refused.
    #[pyo3(signature = (slot, account, instrument, side, size, price, time_in_force, ttl_ns, request_id))]
    #[allow(clippy::too_many_arguments, reason = "an order says that much")]
    fn emit_order_request(
        &self,
        py: Python<'_>,
        slot: usize,
        account: &str,
        instrument: &str,
        side: &str,
        size: &Bound<'_, PyAny>,
        price: Option<Bound<'_, PyAny>>,
        time_in_force: &str,
        ttl_ns: i64,
        request_id: Option<u128>,
    ) -> PyResult<Option<String>> {
        let now_ns = clock::now_ns();
        let deadline_ns = deadline_ns(now_ns, ttl_ns)?;
        let decimals = self.decimals_of(py, instrument);
        let Some((parent, source)) = self.origin(py, slot)? else { return Ok(None) };
        let account = Name::intern(account);
        let request = OrderRequest {
            request_id: request_id.unwrap_or_else(ids::business_id),
            signal_id: 0,
            account,
            strategy: source,
            instrument: Name::intern(instrument),
            side: trading::side(py, side)?,
            order_type: if price.is_some() { OrderType::Limit } else { OrderType::Market },
            time_in_force: trading::time_in_force(py, time_in_force)?,
            size: decimal::units_of("size", size, decimals.1)?,
            price: match price {
                Some(price) => decimal::units_of("price", &price, decimals.0)?,
                None => 0,
            },
            deadline_ns,
            ts_origin_ns: parent.as_ref().map_or(0, |event| event.ts_ns),
        };
        let id = libra_trading::gate::client_order_id(account, request.request_id);
        let payload = libra_kernel::Payload::shared(request);
        let event_type = libra_kernel::EventType::OrderRequest;
        let mut event = child_or_root(parent.as_ref(), event_type, source, now_ns, payload);
        event.instrument = Name::intern(instrument);
        (event.price_decimals, event.size_decimals) = decimals;
        Ok(self.publish_of(py, parent.as_ref(), event).then(|| id.to_string()))
    }

    /// A request to cancel an order: a CANCEL_REQUEST. False when it was refused.
    fn emit_cancel_request(&self, py: Python<'_>, slot: usize, account: &str, order_id: &str) -> PyResult<bool> {
        let Some((parent, source)) = self.origin_of_cancel(py, slot)? else { return Ok(false) };
        let cancel =
            CancelRequest { account: Name::intern(account), strategy: source, client_order_id: parse_id(order_id)? };
        let payload = libra_kernel::Payload::shared(cancel);
        let event_type = libra_kernel::EventType::CancelRequest;
        let event = child_or_root(parent.as_ref(), event_type, source, clock::now_ns(), payload);
        Ok(self.publish_of(py, parent.as_ref(), event))
    }
}

impl NodeCore {
    /// Decimals of a listed instrument; eight each for any other.
    fn decimals_of(&self, py: Python<'_>, instrument: &str) -> (u8, u8) {
        self.state.borrow(py).listed.get(&Name::intern(instrument)).copied().unwrap_or((8, 8))
    }
}

/// When something is over that lives for so long from now on; 0, like its own 0, for never.
fn deadline_ns(now_ns: i64, ttl_ns: i64) -> PyResult<i64> {
    match ttl_ns {
        0 => Ok(0),
        1.. => Ok(now_ns.saturating_add(ttl_ns)),
        _ => Err(PyValueError::new_err(format!("a time to live is not below zero: {ttl_ns} ns"))),
    }
}

fn child_or_root(
    parent: Option<&libra_kernel::Event>,
    event_type: libra_kernel::EventType,
    source: Name,
    now_ns: i64,
    payload: libra_kernel::Payload,
) -> libra_kernel::Event {
    match parent {
        Some(parent) => parent.child(event_type, source, now_ns, payload),
        None => libra_kernel::Event::new(event_type, source, now_ns, payload),
    }
}
