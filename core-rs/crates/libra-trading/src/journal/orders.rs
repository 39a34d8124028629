//! Orders: each as it stands, and what became of it record by record.

use std::collections::HashMap;

use libra_kernel::fixed::pow10;

use crate::account::Account;
use crate::gate::client_order_id;
use crate::gate::follow::{FollowedOrder, Follower, Step};
use crate::gate::record::Record;
use crate::gate::venue_record::VenueRecord;
use crate::instrument::MONEY_DECIMALS;
use crate::order::{ClientOrderId, Order, VenueOutcome};

use super::Origin;
use super::rows::Rows;
use super::tables::Tables;
use super::words::{self, decimals, hex, symbol};

/// Orders that the records of a batch are about, with the first and the last of these.
#[derive(Default)]
pub(super) struct Touched {
    orders: Vec<(ClientOrderId, Origin, Origin)>,
    places: HashMap<ClientOrderId, usize>,
}

impl Touched {
    pub fn clear(&mut self) {
        self.orders.clear();
        self.places.clear();
    }

    /// Takes in a record; its own row is written at once.
    pub fn take(&mut self, origin: Origin, step: &Step, follower: &Follower, tables: &mut Tables) {
        let (id, kind, ts_venue_ns, code, detail) = match &step.record {
            Record::Intent { request, .. } => {
                (client_order_id(follower.name(), request.request_id), "intent", None, "", "")
            }
            Record::Submitted { client_order_id, .. } => (*client_order_id, "submitted", None, "", ""),
            Record::CancelIntent { client_order_id, .. } => (*client_order_id, "cancel_intent", None, "", ""),
            Record::Report { report, .. } | Record::NotFound { report, .. } => {
                let (code, detail) = match &report.outcome {
                    VenueOutcome::Rejected { code, detail } => (code.as_str(), detail.as_str()),
                    VenueOutcome::Cancelled { reason } => (reason.as_str(), ""),
                    VenueOutcome::CancelRejected { detail } => ("", detail.as_str()),
                    _ => ("", ""),
                };
                let kind = words::outcome(&report.outcome);
                (report.client_order_id, kind, Some(report.ts_venue_ns), code, detail)
            }
            Record::Venue(VenueRecord::Adopted { client_order_id, .. }) => (*client_order_id, "adopted", None, "", ""),
            Record::Venue(VenueRecord::OrderDiffers { client_order_id, detail, .. }) => {
                (*client_order_id, "differs", None, "", detail.as_str())
            }
            _ => return,
        };
        let found = follower.order(id);
        let row = tables.order_events.begin_at(origin).opt_int(ts_venue_ns).text(&id.to_string()).text(kind);
        match &found {
            Some(FollowedOrder { order, .. }) => {
                let (_, size_decimals) = decimals(follower.account(), order.request.instrument);
                row.text(words::status(order.status)).units(order.filled, size_decimals);
            }
            // Of an order that the log does not know: an incident.
            None => {
                row.null().null();
            }
        }
        row.said(code).said(detail);
        if found.is_some() {
            self.touch(id, origin);
        }
    }

    fn touch(&mut self, id: ClientOrderId, origin: Origin) {
        let place = *self.places.entry(id).or_insert(self.orders.len());
        match self.orders.get_mut(place) {
            Some((_, _, last)) => *last = origin,
            None => self.orders.push((id, origin, origin)),
        }
    }

    /// Writes the orders as they stand now, and forgets them.
    pub fn write(&mut self, follower: &Follower, tables: &mut Tables) {
        for (id, first, last) in &self.orders {
            if let Some(found) = follower.order(*id) {
                write_order(&found, *first, *last, follower.account(), &mut tables.orders);
            }
        }
        self.clear();
    }
}

fn write_order(found: &FollowedOrder, first: Origin, last: Origin, account: &Account, rows: &mut Rows) {
    let FollowedOrder { order, window_end_ns, cancel_asked_ns } = found;
    let request = &order.request;
    let (price_decimals, size_decimals) = decimals(account, request.instrument);
    rows.begin_at(last).text(&order.client_order_id.to_string()).said(&order.venue_order_id);
    rows.text(&hex(request.request_id));
    if request.signal_id == 0 {
        rows.null()
    } else {
        rows.text(&hex(request.signal_id))
    };
    rows.text(request.strategy.as_str()).text(request.instrument.as_str()).text(symbol(account, request.instrument));
    rows.text(words::side(request.side)).text(words::order_type(request.order_type));
    rows.text(words::time_in_force(request.time_in_force)).units(request.size, size_decimals);
    if request.price == 0 {
        rows.null()
    } else {
        rows.units(request.price, price_decimals)
    };
    rows.text(words::status(order.status)).units(order.filled, size_decimals);
    rows.opt_money(average_price(order, account)).money(order.filled_notional).money(order.fees);
    rows.said(&order.reason).said(&order.detail).opt_int((request.deadline_ns != 0).then_some(request.deadline_ns));
    rows.opt_int(*window_end_ns).opt_int(*cancel_asked_ns);
    rows.count(first.record).count(first.offset).int(first.ts_ns);
}

/// What one unit cost on average, rounded toward zero: for people to look at.
fn average_price(order: &Order, account: &Account) -> Option<i128> {
    let instrument = account.instrument(order.request.instrument)?;
    let quantity = i128::from(order.filled).checked_mul(i128::from(instrument.contract_size))?;
    let decimals = instrument.size_decimals.checked_add(instrument.contract_decimals)?;
    if decimals > MONEY_DECIMALS {
        return None;
    }
    order.filled_notional.checked_mul(pow10(decimals))?.checked_div(quantity)
}
