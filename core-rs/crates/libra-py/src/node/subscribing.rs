//! What an actor listens to: its handlers, and the router's subscriptions that go with them.

use libra_kernel::{Lane, Name};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::{NodeCore, slot_of};
use crate::bus::batch_style;
use crate::enums;
use crate::handlers::{Style, Wanted, callable};

#[pymethods]
impl NodeCore {
    /// Subscribes an actor; `instruments` empty means all of them, `payload` calls the handler with the payload alone,
    /// `batch` with a list (True) or a block of market data, `own` for what the actor owns alone, as its orders, and that of
    /// which nobody knows whose it is. ValueError for a batch of anything else.
    #[pyo3(signature = (slot, event_type, handler, *, instruments=Vec::new(), payload=false, batch=None, own=false))]
    #[allow(clippy::too_many_arguments, reason = "keywords of Python")]
    fn subscribe(
        &self,
        py: Python<'_>,
        slot: usize,
        event_type: &Bound<'_, PyAny>,
        handler: &Bound<'_, PyAny>,
        instruments: Vec<String>,
        payload: bool,
        batch: Option<&Bound<'_, PyAny>>,
        own: bool,
    ) -> PyResult<String> {
        let handler = callable(handler)?;
        let event_type = enums::event_type_of(event_type)?;
        let batch = batch_style(py, event_type, batch)?;
        if batch.is_some() && event_type.lane() != Lane::MarketData {
            return Err(PyValueError::new_err(format!(
                "an actor gathers market data only: {} is handled one by one",
                event_type.name()
            )));
        }
        let instruments: Vec<Name> = instruments.iter().map(|name| Name::intern(name)).collect();
        let mut state = self.state.borrow(py);
        let state = &mut *state;
        let wanted = Wanted {
            event_type,
            call: handler,
            filter: None,
            instruments: instruments.clone(),
            own,
            style: batch.unwrap_or(if payload { Style::Payload } else { Style::Event }),
        };
        let place = slot_of(&mut state.slots, slot)?;
        let (id, owner) = (place.subscriptions.subscribe(wanted)?, place.name);
        let all = [Name::NONE];
        for instrument in if instruments.is_empty() { &all[..] } else { &instruments } {
            match own {
                true => state.router.subscribe_own(slot, event_type, *instrument, owner),
                false => state.router.subscribe(slot, event_type, *instrument),
            }
        }
        Ok(id)
    }

    /// Takes a subscription of an actor back.
    fn unsubscribe(&self, py: Python<'_>, slot: usize, subscription_id: &str) -> PyResult<bool> {
        let handler = {
            let mut state = self.state.borrow(py);
            let state = &mut *state;
            let subscriptions = &mut slot_of(&mut state.slots, slot)?.subscriptions;
            let handler = subscriptions.unsubscribe(py, subscription_id);
            if let Some(handler) = &handler {
                for (event_type, instrument) in subscriptions.no_longer_wanted(handler) {
                    match handler.own {
                        true => state.router.unsubscribe_own(slot, event_type, instrument),
                        false => state.router.unsubscribe(slot, event_type, instrument),
                    }
                }
            }
            handler
        };
        Ok(handler.is_some())
    }

    /// Takes all handlers of an actor out, and leaves the router's subscriptions as they are: what comes meanwhile waits
    /// for the instance that is started next.
    fn unsubscribe_all_handlers(&self, py: Python<'_>, slot: usize) -> PyResult<()> {
        let handlers = slot_of(&mut self.state.borrow(py).slots, slot)?.subscriptions.take_all(py);
        drop(handlers);
        Ok(())
    }

    /// Takes all subscriptions of an actor back.
    pub fn unsubscribe_all(&self, py: Python<'_>, slot: usize) -> PyResult<()> {
        let ids = slot_of(&mut self.state.borrow(py).slots, slot)?.subscriptions.ids();
        for id in ids {
            self.unsubscribe(py, slot, &id)?;
        }
        Ok(())
    }
}
