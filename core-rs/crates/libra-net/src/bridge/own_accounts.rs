//! The accounts of this process, and which commands are theirs.
//!
//! A command of an account that is here is carried out here. Elsewhere it is only looked at, so whether there is room for it on the
//! way there decides nothing: where there is none it stays. So it is with signals, where no other node of the topology has accounts: the
//! portfolios that they are for are here.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use libra_kernel::{Event, EventType, Name, Payload};
use libra_trading::order::{CancelRequest, OrderRequest};

/// See the module.
#[derive(Debug, Default)]
pub struct OwnAccounts {
    names: RwLock<BTreeSet<Name>>,
    /// Other nodes have accounts, or may have.
    others_have_some: bool,
}

impl OwnAccounts {
    pub(super) fn new(others_have_some: bool) -> Self {
        OwnAccounts { others_have_some, ..OwnAccounts::default() }
    }

    /// An account is opened here.
    pub fn add(&self, account: Name) {
        self.names.write().unwrap_or_else(PoisonError::into_inner).insert(account);
    }

    /// True for a command of an account that is here, and for a signal that only accounts of here can follow.
    pub fn have(&self, event: &Event) -> bool {
        if event.event_type == EventType::Signal {
            return !self.others_have_some && !self.names.read().unwrap_or_else(PoisonError::into_inner).is_empty();
        }
        account_of(event)
            .is_some_and(|account| self.names.read().unwrap_or_else(PoisonError::into_inner).contains(&account))
    }
}

fn account_of(event: &Event) -> Option<Name> {
    match (event.event_type, &event.payload) {
        (EventType::OrderRequest, Payload::Shared(shared)) => {
            shared.as_any().downcast_ref::<OrderRequest>().map(|request| request.account)
        }
        (EventType::CancelRequest, Payload::Shared(shared)) => {
            shared.as_any().downcast_ref::<CancelRequest>().map(|request| request.account)
        }
        _ => None,
    }
}
