//! What a desk's events carry beside orders, requests and balances.

use std::any::Any;

use libra_kernel::digest::Digest;
use libra_kernel::{Name, SharedPayload};

use crate::account::Position;
use crate::gate::Approval;
use crate::instrument::Money;
use crate::order::{OrderRequest, VenueReport};

/// The payload of `ORDER_APPROVED`: a request that holds a reservation, and the approval to spend on it.
pub struct Approved {
    /// What may be sent.
    pub request: OrderRequest,
    /// Good for one order of that content.
    pub approval: Approval,
}

impl SharedPayload for Approved {
    fn kind(&self) -> &'static str {
        "order_approved"
    }

    fn owner(&self) -> Name {
        self.request.strategy
    }

    fn digest(&self, digest: &mut Digest) {
        self.request.digest(digest);
        digest.i128(self.approval.client_order_id().0 as i128);
        digest.i64(self.approval.deadline_ns());
        digest.u64(self.approval.limits_version());
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The payload of `POSITION_*`.
pub struct PositionReport {
    /// The account.
    pub account: Name,
    /// How the position stands.
    pub position: Position,
    /// Its P&L at the last quote.
    pub unrealised: Money,
    /// Average entry price in units of 10^-12, for display.
    pub average_price: Option<Money>,
}

impl SharedPayload for PositionReport {
    fn kind(&self) -> &'static str {
        "position"
    }

    fn digest(&self, digest: &mut Digest) {
        digest.name(self.account);
        digest.name(self.position.instrument);
        digest.i64(self.position.size);
        for amount in [self.position.cost, self.position.realised, self.position.fees, self.unrealised] {
            digest.i128(amount);
        }
        digest.u64(self.position.trades);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The payload of events that say something in words: breaches, incidents, the kill switch, refused cancels, requests and signals.
pub struct Notice {
    /// The account.
    pub account: Name,
    /// The strategy whose cancel, request or signal was refused; else none.
    pub strategy: Name,
    /// A stable code.
    pub code: String,
    /// The limit and the value, or whatever explains it.
    pub detail: String,
}

impl SharedPayload for Notice {
    fn kind(&self) -> &'static str {
        "notice"
    }

    fn owner(&self) -> Name {
        self.strategy
    }

    fn digest(&self, digest: &mut Digest) {
        digest.name(self.account);
        digest.name(self.strategy);
        digest.blob(self.code.as_bytes());
        digest.blob(self.detail.as_bytes());
    }

    fn carried(&self) -> usize {
        self.code.len() + self.detail.len()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The payload of `VENUE_REPORT`: from the thread that runs a paper venue to its account.
pub struct ReportFor {
    /// The account.
    pub account: Name,
    /// What the venue says.
    pub report: VenueReport,
}

impl SharedPayload for ReportFor {
    fn kind(&self) -> &'static str {
        "venue_report"
    }

    fn digest(&self, digest: &mut Digest) {
        digest.name(self.account);
        digest.i128(self.report.client_order_id.0 as i128);
        digest.i64(self.report.ts_venue_ns);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
