//! What a desk says: events of what became of orders, positions and balances, and of what stops the account.

use std::sync::Arc;

use libra_kernel::router::Router;
use libra_kernel::{Event, EventType, Name, Payload};

use crate::gate::{GateEvent, client_order_id};
use crate::instrument::Money;
use crate::order::{Order, OrderRequest, OrderStatus};
use crate::risk::{Rejection, RiskCode};
use crate::signal::Signal;

use super::Desk;
use super::payload::Notice;

impl Desk {
    pub(super) fn count_rejection(&mut self, code: RiskCode) {
        *self.tally.rejections.entry(code.as_str().into()).or_default() += 1;
    }

    /// The event is of an instrument, and its prices and sizes are in the units of that.
    pub(super) fn name_instrument(&self, event: &mut Event, instrument: Name) {
        event.instrument = instrument;
        if let Some(instrument) = self.gate.account().instrument(instrument) {
            event.price_decimals = instrument.price_decimals;
            event.size_decimals = instrument.size_decimals;
        }
    }

    /// A request asked for something else under a known id. Told as an event of its own: as an `ORDER_REJECTED` it would be
    /// the end of the first one's order to everyone who reads it.
    pub(super) fn refuse_conflict(
        &mut self,
        router: &mut Router,
        now_ns: i64,
        cause: &Event,
        request: &OrderRequest,
        why: &Rejection,
    ) {
        self.count_rejection(why.code);
        if self.gate.refused(client_order_id(self.name, request.request_id)) {
            // The first one holds nothing, so nothing of that id is on its way.
            self.portfolio.on_refused(request.request_id);
        }
        let told = self.refusal(request.strategy, why);
        self.tell_refusal(router, now_ns, cause, (self.sources.risk, request.instrument), told);
    }

    /// A signal, or an order that it asks for, comes to nothing: counted, and told to whoever gave it.
    #[cold]
    pub(super) fn refuse_signal(
        &mut self,
        router: &mut Router,
        now_ns: i64,
        cause: &Event,
        signal: &Signal,
        why: &Rejection,
    ) {
        self.count_rejection(why.code);
        self.tell_refused_signal(router, now_ns, cause, signal, why);
    }

    /// There is no request yet that could be rejected, and so no order.
    #[cold]
    pub(super) fn tell_refused_signal(
        &self,
        router: &mut Router,
        now_ns: i64,
        cause: &Event,
        signal: &Signal,
        why: &Rejection,
    ) {
        let mut notice = self.refusal(signal.strategy, why);
        notice.detail = format!("a signal for {}: {}", signal.instrument, notice.detail);
        self.tell_refusal(router, now_ns, cause, (self.sources.portfolio, signal.instrument), notice);
    }

    /// In the trace of whoever asked, where there is no order that could be rejected.
    fn tell_refusal(
        &self,
        router: &mut Router,
        now_ns: i64,
        cause: &Event,
        (source, instrument): (Name, Name),
        notice: Notice,
    ) {
        let mut event = cause.child(EventType::OrderRequestRejected, source, now_ns, Payload::shared(notice));
        event.instrument = instrument;
        router.publish(event);
    }

    fn refusal(&self, strategy: Name, why: &Rejection) -> Notice {
        Notice { account: self.name, strategy, code: why.code.as_str().to_owned(), detail: why.explanation() }
    }

    /// Publishes what consumers of an earlier process have not confirmed.
    pub fn publish_again(&mut self, router: &mut Router, now_ns: i64, events: Vec<GateEvent>) {
        self.publish_all(router, now_ns, events);
    }

    /// Everything published so far was handled by its consumers here: it need not be published again after a restart.
    pub fn confirm(&mut self) {
        if std::mem::take(&mut self.has_unconfirmed)
            && let Err(error) = self.gate.confirm(self.gate.sequence())
        {
            self.fault(error);
        }
    }

    pub(super) fn publish_all(&mut self, router: &mut Router, now_ns: i64, events: Vec<GateEvent>) {
        self.has_unconfirmed |= !events.is_empty();
        self.keep_ledger();
        for event in events {
            let event_type = event.event_type();
            let gateway = self.sources.gateway;
            match event {
                GateEvent::Order(order) => self.publish_order(router, now_ns, gateway, order),
                GateEvent::CancelRejected { client_order_id, detail } => {
                    let asked = self.gate.order(client_order_id).map_or(Name::NONE, |order| order.request.strategy);
                    let code = client_order_id.to_string();
                    let notice = Notice { account: self.name, strategy: asked, code, detail };
                    let event = self.child(
                        client_order_id,
                        EventType::OrderCancelRejected,
                        gateway,
                        now_ns,
                        Payload::shared(notice),
                    );
                    router.publish(event);
                }
                GateEvent::Position { position, .. } => {
                    router.publish(self.position_event(event_type, position, now_ns));
                }
                GateEvent::Balance(balance) => {
                    router.publish(self.balance_event(balance, now_ns));
                }
                GateEvent::Breach(breach) => {
                    let rejection = breach.rejection();
                    self.notice(router, now_ns, event_type, breach.code.as_str(), rejection.explanation());
                }
                GateEvent::Incident(incident) => {
                    self.notice(router, now_ns, event_type, incident.code.as_str(), incident.explanation());
                }
                GateEvent::Latched { reason } => self.notice(router, now_ns, event_type, "KILL_SWITCH", reason),
                GateEvent::Limits(changed) => {
                    self.notice(router, now_ns, event_type, "LIMITS_CHANGED", changed.to_string())
                }
                GateEvent::Resumed => self.notice(router, now_ns, event_type, "RESUMED", String::new()),
            }
        }
    }

    pub(super) fn notice(&self, router: &mut Router, now_ns: i64, event_type: EventType, code: &str, detail: String) {
        let (strategy, code) = (Name::NONE, code.to_owned());
        let notice = Notice { account: self.name, strategy, code, detail };
        router.publish(Event::new(event_type, self.sources.risk, now_ns, Payload::shared(notice)));
    }

    pub(super) fn publish_order(&mut self, router: &mut Router, now_ns: i64, source: Name, order: Arc<Order>) {
        let (id, status) = (order.client_order_id, order.status);
        let (instrument, strategy) = (order.request.instrument, order.request.strategy);
        self.portfolio.on_order(&order);
        let mut event = self.child(id, status.event_type(), source, now_ns, Payload::Shared(order));
        self.name_instrument(&mut event, instrument);
        self.has_unconfirmed = true;
        router.publish(event);
        if status.is_final() {
            self.causes.remove(&id);
            self.end_early_cancels(router, now_ns, id, strategy);
        }
    }

    /// A request that did not become an order: its rejection is an order event, so whoever asked learns of it.
    pub(super) fn reject(
        &mut self,
        router: &mut Router,
        now_ns: i64,
        cause: &Event,
        request: &OrderRequest,
        why: &Rejection,
    ) {
        self.count_rejection(why.code);
        let recorded = self.gate.order(client_order_id(self.name, request.request_id));
        let order = match recorded {
            // The outcome of a request that came again is told as it stands; an execution of it was told when it came.
            Some(mut order) => {
                if order.last_fill.is_some() {
                    Arc::make_mut(&mut order).last_fill = None;
                }
                order
            }
            None => Arc::new(Order {
                client_order_id: client_order_id(self.name, request.request_id),
                venue_order_id: String::new(),
                request: request.clone(),
                status: OrderStatus::Rejected,
                filled: 0,
                filled_notional: 0 as Money,
                fees: 0,
                reason: why.code.as_str().to_owned(),
                detail: why.explanation(),
                last_fill: None,
                ts_ns: now_ns,
            }),
        };
        if order.status == OrderStatus::Rejected {
            self.causes.remove(&order.client_order_id);
            self.has_unconfirmed = true;
            self.portfolio.on_order(&order);
            let id = order.client_order_id;
            router.publish(cause.child(EventType::OrderRejected, self.sources.risk, now_ns, Payload::Shared(order)));
            self.end_early_cancels(router, now_ns, id, request.strategy);
        }
    }
}
