//! What the venue knows of one order, and what it answers when asked.

use libra_kernel::Name;

use crate::order::{ClientOrderId, Fill, OrderRequest, VenueOutcome, VenueReport};

/// Where an order stands at the venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Working,
    Filled,
    Cancelled { reason: String },
    Rejected { code: String, detail: String },
}

/// An order at the venue.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) request: OrderRequest,
    pub(super) venue_order_id: String,
    /// Its place in the order of arrival.
    pub(super) arrival: u64,
    pub(super) market: usize,
    pub(super) filled: i64,
    pub(super) state: State,
    /// Its fills at this instance of the venue: those before a restart stand in the account's log.
    pub(super) fills: Vec<Fill>,
    pub(super) ts_arrival_ns: i64,
    pub(super) ts_last_ns: i64,
}

impl Record {
    pub(super) fn remaining(&self) -> i64 {
        self.request.size.saturating_sub(self.filled)
    }

    /// All that the venue said about the order, in order.
    pub(super) fn reports(&self, id: ClientOrderId) -> Vec<VenueReport> {
        let report = |outcome, ts_venue_ns| VenueReport {
            client_order_id: id,
            venue_order_id: self.venue_order_id.clone(),
            outcome,
            ts_venue_ns,
        };
        if let State::Rejected { code, detail } = &self.state {
            let outcome = VenueOutcome::Rejected { code: code.clone(), detail: detail.clone() };
            return vec![report(outcome, self.ts_last_ns)];
        }
        let mut reports = vec![report(VenueOutcome::Accepted, self.ts_arrival_ns)];
        reports.extend(self.fills.iter().map(|fill| report(filled(fill), fill.ts_venue_ns)));
        if let State::Cancelled { reason } = &self.state {
            reports.push(report(VenueOutcome::Cancelled { reason: reason.clone() }, self.ts_last_ns));
        }
        reports
    }
}

/// The report of a fill.
pub(super) fn filled(fill: &Fill) -> VenueOutcome {
    VenueOutcome::Filled {
        trade_id: fill.trade_id,
        price: fill.price,
        size: fill.size,
        fee: fill.fee,
        fee_currency: fill.fee_currency,
        liquidity: fill.liquidity,
    }
}

/// An order that works at the venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOrder {
    /// Our id.
    pub client_order_id: ClientOrderId,
    /// The venue's id.
    pub venue_order_id: String,
    /// What is traded.
    pub instrument: Name,
    /// What was asked for.
    pub request: OrderRequest,
    /// Executed so far, in size units.
    pub filled: i64,
}
