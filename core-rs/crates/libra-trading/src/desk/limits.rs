//! The operator's change of limits. No event leads here: a strategy cannot loosen what it is held by.

use libra_kernel::router::Router;

use crate::gate::{GateError, LimitsChanged};
use crate::risk::Term;

use super::Desk;

impl Desk {
    /// Changes limits (see [`crate::gate::Gate::change_limits`]) and publishes the change. `None` when nothing changes.
    pub fn change_limits(
        &mut self,
        router: &mut Router,
        now_ns: i64,
        who: &str,
        terms: &[Term],
        confirmed: bool,
    ) -> Result<Option<LimitsChanged>, GateError> {
        let Some((changed, events)) = self.gate.change_limits(now_ns, who, terms, confirmed)? else { return Ok(None) };
        self.publish_all(router, now_ns, events);
        self.pursue_unwanted(router, now_ns);
        Ok(Some(changed))
    }
}
