//! Requests that close what a strategy left: none but for one that is no more and is to be flattened, with nothing of its own
//! open; none larger than what it left, than what the account holds that way, and than an order may be; none behind a kill
//! switch or a stop that refused one, before somebody asks again.

use libra_kernel::Name;
use libra_trading::desk::OnVanish;
use libra_trading::gate::client_order_id;
use libra_trading::order::{ClientOrderId, OrderRequest, OrderType};

use crate::market::ACCOUNT;
use crate::truth::{Asked, Truth, name, sign};
use crate::world::World;

impl Truth {
    /// True for the last request that closes what its strategy left.
    pub fn is_flattening(&self, id: ClientOrderId) -> bool {
        let request = self.asked.get(&id).map(|asked| &asked.request);
        request.is_some_and(|it| self.memory.flattening.get(&(it.strategy, it.instrument)) == Some(&id))
    }

    /// Why a request to flatten must not be.
    fn must_not_flatten(&self, request: &OrderRequest) -> Option<&'static str> {
        let OrderRequest { strategy, instrument, side, size, .. } = *request;
        let net = self.holdings(instrument).get(&strategy).copied().unwrap_or(0);
        let most = self.limits.of(self.instrument(instrument)).max_order_size;
        match () {
            () if self.memory.stopped.get(&strategy) != Some(&OnVanish::Flatten) => Some("is not to be flattened"),
            () if self.open().iter().any(|id| self.asked[id].request.strategy == strategy) => Some("has open orders"),
            () if request.order_type != OrderType::Market => Some("asks for no market order"),
            () if size <= 0 || size > -net * sign(side) => Some("left less"),
            () if size > -self.position(instrument).0 * sign(side) => Some("left more than the account holds"),
            () if most.is_some_and(|most| size > most) => Some("asks for more than an order may be"),
            () if self.memory.ended.contains(&(strategy, instrument)) => Some("was stopped, and nobody asked again"),
            () => None,
        }
    }
}

impl World {
    /// What was asked for since the last call, and by whom.
    pub fn see_flattenings(&mut self) {
        let portfolio = Name::intern(&format!("{ACCOUNT}.portfolio"));
        let Some(life) = &mut self.life else { return };
        let mut seen = Vec::new();
        while let Some(event) = life.router.mailbox(life.requests).pop() {
            if event.source == portfolio {
                seen.extend(event.payload.downcast::<OrderRequest>().cloned());
            }
        }
        for request in seen {
            if let Some(why) = self.truth.must_not_flatten(&request) {
                self.wrong = Some(format!("{request:?}: {} {why}", request.strategy));
            }
            let id = client_order_id(name(ACCOUNT), request.request_id);
            self.cover.note("a flattening asks for an order");
            self.truth.memory.flattening.insert((request.strategy, request.instrument), id);
            self.truth.asked.entry(id).or_insert(Asked { request, outcome: None, left: 0, left_ns: 0 });
        }
    }

    /// A request is refused: by a stop it ends the flattening for good.
    pub fn end_flattening(&mut self, id: ClientOrderId, request: &OrderRequest, waited: bool) {
        let stops = ["killed", "incident", "log failed", "draining"];
        let stopped = waited || self.truth.stopped().is_some_and(|why| stops.contains(&why));
        if stopped && self.truth.is_flattening(id) {
            self.cover.note("a flattening ends for a stop");
            self.truth.memory.ended.insert((request.strategy, request.instrument));
        }
    }
}
