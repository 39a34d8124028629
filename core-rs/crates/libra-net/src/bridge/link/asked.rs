//! What was asked of accounts elsewhere: requests, cancels and signals of this node that have left, until somebody has them.
//!
//! *Each that was accepted has an end, once*, where one node has all accounts: a link does not know which node has which. When that node
//! has acknowledged it, or the account says something of the order, its end is the account's to say. When it is given up before, nobody here will ever learn what became of it:
//! it comes back to whoever asked as rejected, `UNCONFIRMED`. That does not say that nothing left: the node may have read it before it
//! fell silent, or read it still. What its account says later holds.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use libra_kernel::clock::now_ns;
use libra_kernel::{Event, EventType, Name, Payload};
use libra_trading::desk::payload::Notice;
use libra_trading::gate::client_order_id;
use libra_trading::order::{CancelRequest, ClientOrderId, Order, OrderRequest, OrderStatus};
use libra_trading::risk::RiskCode;
use libra_trading::signal::Signal;

use super::settings::LinkSettings;
use crate::bridge::Shared;
use crate::durable::groups::Groups;

/// Why nobody knows what became of it.
const GIVEN_UP: &str = "the account's node acknowledges nothing and was given up: it is open whether this came to it";

const CUT: &str = "the outbox was full and facts pushed this out: it is open whether this came to the account's node";

/// See the module. Of one channel.
pub(super) struct Asked {
    /// The other node that has accounts, by its place among the groups; all of them where nobody says which it is, and then the first
    /// that acknowledges something is taken for it.
    consumers: Vec<usize>,
    /// This node has some itself: nobody else has to have what it asks.
    has_accounts: bool,
    own: Option<Arc<Shared>>,
    /// What stands in the frame that is being filled, by its place there.
    gathered: Vec<(u64, Event)>,
    /// What has left, by its number.
    open: BTreeMap<u64, Event>,
    by_order: HashMap<ClientOrderId, u64>,
    /// What comes back.
    back: Vec<Event>,
    pub returned: u64,
}

impl Asked {
    pub fn new(settings: &LinkSettings) -> Self {
        let has_accounts = |node: &String| settings.accounts.as_ref().is_none_or(|nodes| nodes.contains(node));
        let peers = settings.peers.iter().enumerate();
        Asked {
            consumers: peers.filter(|(_, peer)| has_accounts(peer)).map(|(group, _)| group).collect(),
            has_accounts: settings.accounts.as_ref().is_some_and(|nodes| nodes.contains(&settings.node)),
            own: None,
            gathered: Vec::new(),
            open: BTreeMap::new(),
            by_order: HashMap::new(),
            back: Vec::new(),
            returned: 0,
        }
    }

    /// Who knows which accounts are here: what is asked of those is carried out here.
    pub fn know(&mut self, own: Arc<Shared>) {
        self.own = Some(own);
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn is_asked_elsewhere(&self, event: &Event) -> bool {
        is_asked(event.event_type) && !self.own.as_ref().is_some_and(|own| own.own_accounts.have(event))
    }

    /// It stands in the frame that is being filled, behind so many.
    pub fn gather(&mut self, place: u32, event: &Event) {
        if self.is_asked_elsewhere(event) {
            self.gathered.push((u64::from(place), event.clone()));
        }
    }

    /// The frame came to nothing: what was in it waits.
    pub fn hold_back(&mut self) {
        self.gathered.clear();
    }

    /// The frame has left, and this is the number of its first event.
    pub fn left(&mut self, first: u64) {
        for (place, event) in self.gathered.drain(..) {
            if let Some(order) = order_of(&event) {
                self.by_order.insert(order, first + place);
            }
            self.open.insert(first + place, event);
        }
    }

    /// The frame will never leave.
    pub fn cannot_leave(&mut self, why: &str) {
        for (_, event) in std::mem::take(&mut self.gathered) {
            self.give_back(&event, why);
        }
    }

    /// This one will never leave.
    pub fn refuse(&mut self, event: &Event, why: &str) {
        if self.is_asked_elsewhere(event) {
            self.give_back(event, why);
        }
    }

    /// The account has said something of an order: its end is the account's to say.
    pub fn told_of(&mut self, order: ClientOrderId) {
        if let Some(number) = self.by_order.remove(&order) {
            self.open.remove(&number);
        }
    }

    /// Lets go of what somebody has, and of all where nobody is there any more; whether that is so.
    pub fn settle(&mut self, epoch: u64, groups: &Groups) -> bool {
        let is_alone = !self.has_accounts && self.consumers.iter().all(|&group| !groups.waits_for(group));
        if self.open.is_empty() {
            return is_alone;
        }
        self.let_go(epoch, groups);
        if is_alone {
            self.by_order.clear();
            for event in std::mem::take(&mut self.open).into_values() {
                self.give_back(&event, GIVEN_UP);
            }
        }
        is_alone
    }

    /// What was sent up to here is not held any more: who has not acknowledged it may have it, or gets it never.
    pub fn cut(&mut self, epoch: u64, upto: u64, groups: &Groups) {
        self.let_go(epoch, groups);
        if !self.has_accounts {
            for event in self.take_up_to(upto) {
                self.give_back(&event, CUT);
            }
        }
    }

    /// Of what an account's node has acknowledged.
    fn let_go(&mut self, epoch: u64, groups: &Groups) {
        let acknowledged = |&group: &usize| groups.all().get(group).map(|group| group.acknowledged);
        let furthest = self.consumers.iter().filter_map(acknowledged).max().unwrap_or_default();
        if furthest.epoch == epoch {
            self.take_up_to(furthest.seq);
        }
    }

    fn take_up_to(&mut self, upto: u64) -> Vec<Event> {
        let left = self.open.split_off(&(upto + 1));
        let taken: Vec<Event> = std::mem::replace(&mut self.open, left).into_values().collect();
        for order in taken.iter().filter_map(order_of) {
            self.by_order.remove(&order);
        }
        taken
    }

    fn give_back(&mut self, event: &Event, why: &str) {
        if let Some(answer) = answer(event, why) {
            self.returned += 1;
            self.back.push(answer);
        }
    }

    /// What comes back since the last call.
    pub fn take_back(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.back)
    }
}

/// True for what an account has to answer.
pub(in crate::bridge) fn is_asked(event_type: EventType) -> bool {
    matches!(event_type, EventType::OrderRequest | EventType::CancelRequest | EventType::Signal)
}

fn order_of(event: &Event) -> Option<ClientOrderId> {
    let request = payload::<OrderRequest>(event)?;
    Some(client_order_id(request.account, request.request_id))
}

/// The order that an account says something of.
pub(super) fn order_told_of(event: &Event) -> Option<ClientOrderId> {
    payload::<Order>(event).map(|order| order.client_order_id)
}

fn payload<T: 'static>(event: &Event) -> Option<&T> {
    match &event.payload {
        Payload::Shared(shared) => shared.as_any().downcast_ref(),
        _ => None,
    }
}

/// What whoever asked is told.
fn answer(event: &Event, why: &str) -> Option<Event> {
    let (source, now_ns, code) = (Name::intern("bridge"), now_ns(), RiskCode::Unconfirmed.as_str());
    let notice =
        |account, strategy, code: String, detail: String| Payload::shared(Notice { account, strategy, code, detail });
    let (event_type, payload) = if let Some(request) = payload::<OrderRequest>(event) {
        let order = Order {
            client_order_id: client_order_id(request.account, request.request_id),
            venue_order_id: String::new(),
            request: request.clone(),
            status: OrderStatus::Rejected,
            filled: 0,
            filled_notional: 0,
            fees: 0,
            reason: code.to_owned(),
            detail: why.to_owned(),
            last_fill: None,
            ts_ns: now_ns,
        };
        (EventType::OrderRejected, Payload::shared(order))
    } else if let Some(cancel) = payload::<CancelRequest>(event) {
        let order = cancel.client_order_id.to_string();
        (EventType::OrderCancelRejected, notice(cancel.account, cancel.strategy, order, format!("{code}: {why}")))
    } else {
        let signal = payload::<Signal>(event)?;
        let detail = format!("a signal for {}: {why} (signal {:032x})", signal.instrument, signal.id);
        (EventType::OrderRequestRejected, notice(Name::NONE, signal.strategy, code.to_owned(), detail))
    };
    let mut told = event.child(event_type, source, now_ns, payload);
    told.instrument = event.instrument;
    Some(told)
}
